"""A few kills of each kind, as `python -m torture failovers` makes by the hundred, and the pages that tell of them."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from tests.servers import binaries
from tests.servers.fixtures import Gap, needed
from torture import failovers
from torture.guarantees import GUARANTEES
from torture.killing import pages
from torture.killing.cells import CELLS, FAULTS, TITLES
from torture.killing.deployments import DEPLOYMENTS
from torture.killing.run import Kills
from torture.killing.tally import Count, added

DOCS = Path(__file__).resolve().parents[2] / "docs"


def kills(configuration: str, folder: Path, *, fault: str = "failover", lag: int = 0) -> Count:
    """Kill two or three times."""
    with DEPLOYMENTS[configuration](folder) as deployment, Kills(deployment, fault, seed=7, lag=lag) as run:
        total = added([run.one(number) for number in range(2 if lag else 3)])
    print(f"{configuration}, {fault}: {failovers.told(total)}")  # noqa: T201 - what was kept and lost is shown
    assert not total.strange
    assert not total.breaches
    return total


def test_restarts_in_place_undo_no_end_for_good(tmp_path: Path, gap: Gap) -> None:
    """From a snapshot ended sessions come back, and the workers that ended them end them again (promise 2)."""
    needed(binaries.redis, gap)

    total = kills("redis-snapshots", tmp_path, fault="restart")

    assert total.lost["revocation"] > 0
    assert not total.lost_for_good


@pytest.mark.parametrize("configuration", ["sentinel-confirm", "cluster-confirm"])
def test_failovers_undo_no_confirmed_revocation(configuration: str, tmp_path: Path, gap: Gap) -> None:
    """Behind a broken link to the replicas sign-ins are lost, and no acknowledged revocation is (promise 2)."""
    needed(binaries.redis, gap)

    total = kills(configuration, tmp_path, lag=150)

    assert "revocation" not in total.lost
    assert not total.lost_for_good


def test_a_synchronous_replica_loses_nothing(tmp_path: Path, gap: Gap) -> None:
    """What PostgreSQL acknowledged with a synchronous replica is there after the promotion."""
    needed(lambda: binaries.postgres(15), gap)

    assert not kills("postgresql-synchronous", tmp_path, lag=150).lost


def test_the_pages_are_current() -> None:
    """The table in the docs is the one that the tests go by, and the kills are those of the results."""
    assert list(pages.stale(DOCS)) == []
    if failovers.RESULTS.is_file():
        for row in json.loads(failovers.RESULTS.read_text()).values():
            assert list(failovers.breaks(row["configuration"], row["fault"], row)) == []


def test_a_run_of_kills_is_judged_by_the_table() -> None:
    """What a row calls kept may not be lost, what it calls repeated not for good, and no limit may be passed."""

    def said(configuration: str, **facts: object) -> list[str]:
        return list(failovers.breaks(configuration, "failover", {**msgspec.to_builtins(Count()), **facts}))

    assert said("sentinel", lost={"revocation": 3, "commit": 1}) == []
    assert said("sentinel", lost_for_good={"revocation": 3})
    assert said("sentinel-confirm", lost={"revocation": 1})
    assert said("postgresql-synchronous", lost={"commit": 1})
    assert said("sentinel", breaches=1)
    assert said("sentinel", strange=["odd"]) == ["odd"]


def test_a_page_without_markers_is_refused(tmp_path: Path) -> None:
    """Nothing is written where nobody made room, and writing twice is the same as once."""
    page = tmp_path / "page.md"
    page.write_text("no room")
    with pytest.raises(ValueError, match=r"page.md has no markers"):
        pages.put(page, pages.TABLE, "text")
    page.write_text(f"before {pages.TABLE[0]}old{pages.TABLE[1]} after")
    pages.put(page, pages.TABLE, "new")
    once = page.read_text()
    pages.put(page, pages.TABLE, "new")
    assert page.read_text() == once
    assert ("new" in once, "old" in once, once.startswith("before "), once.endswith(" after")) == (
        True,
        False,
        True,
        True,
    )


def test_the_torture_machine_allows_no_more_than_the_table() -> None:
    """What the checker of histories takes for an announced loss is none that a cell calls kept."""
    verbs = {"update": "commit", "session": "sign-in", "revocation": "revoke"}
    for setup, faults in GUARANTEES.items():
        name = (
            setup.replace("sentinels", "sentinel").replace("confirmed", "confirm").replace("postgres-", "postgresql-")
        )
        for fault, losses in faults.items():
            for loss in losses.keys() & verbs.keys():
                assert CELLS[name][fault.replace("promote", "failover")][verbs[loss]] != "kept", (name, fault, loss)


def test_the_table_is_whole() -> None:
    """Every configuration has a title and a deployment, and every fault an explanation."""
    assert set(CELLS) == set(TITLES) == {"memory", *DEPLOYMENTS}
    assert {fault for faults in CELLS.values() for fault in faults} == set(FAULTS)
