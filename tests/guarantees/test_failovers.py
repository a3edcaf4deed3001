"""A few kills of each kind, as `python -m torture failovers` makes by the hundred, and the pages that tell of them."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from tests.servers import binaries
from tests.servers.fixtures import Gap, needed
from torture import failovers, reporting
from torture.guarantees import WINDOW, allowed, repeated
from torture.killing import pages
from torture.killing.cells import CELLS, FAULTS, TITLES
from torture.killing.deployments import DEPLOYMENTS, Deployment, Fault
from torture.killing.run import Kills
from torture.killing.tally import Count, added

DOCS = Path(__file__).resolve().parents[2] / "docs"
RESULTS = failovers.RESULTS


def kills(configuration: str, folder: Path, *, fault: str = "failover", lag: int = 0) -> Count:
    """Kill two or three times."""
    with DEPLOYMENTS[configuration](folder) as deployment, Kills(deployment, fault, seed=7, lag=lag) as run:
        total = added([run.one(number) for number in range(2 if lag else 3)])
    print(f"{configuration}, {fault}: {failovers.told(total)}")  # noqa: T201 - what was kept and lost is shown
    assert list(failovers.breaks(configuration, fault, total, lag=lag)) == []
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
    """The table in the docs is the one that the tests go by; kills and torture runs are those of the results."""
    assert list(pages.stale(DOCS, RESULTS)) == []
    tortured = (DOCS / "reliability.md").read_text(encoding="utf-8")
    assert f"{reporting.BEGIN}\n\n{reporting.generated(RESULTS.parent)}\n{reporting.END}" in tortured


def test_the_results_are_what_the_table_allows() -> None:
    """No run of kills that the documentation tells of found more than a row of the table lets happen."""
    for row in json.loads(RESULTS.read_text(encoding="utf-8")).values():
        total = msgspec.convert(row, Count)
        assert list(failovers.breaks(row["configuration"], row["fault"], total, lag=row["lag"])) == []


def test_a_page_that_somebody_changed_is_stale(tmp_path: Path) -> None:
    """One number in a table of kills, or in the table of guarantees, and one kill more in the results, are noticed."""
    results = tmp_path / "failovers.json"
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))
    results.write_text(json.dumps(rows))
    for name in ("guarantees.md", "reliability.md"):
        (tmp_path / name).write_text((DOCS / name).read_text(encoding="utf-8"), encoding="utf-8")
    pages.write(tmp_path, results)
    assert list(pages.stale(tmp_path, results)) == []
    for name, old, new in (("guarantees.md", "| lost |", "| kept |"), ("reliability.md", " 0 of ", " 1 of ")):
        page = tmp_path / name
        whole = page.read_text(encoding="utf-8")
        page.write_text(whole.replace(old, new), encoding="utf-8")
        assert list(pages.stale(tmp_path, results)) == [f"docs/{name}"]
        page.write_text(whole, encoding="utf-8")
    next(iter(rows.values()))["kills"] += 1
    results.write_text(json.dumps(rows))
    assert list(pages.stale(tmp_path, results)) == ["docs/reliability.md"]


def test_a_run_of_kills_is_judged_by_the_table() -> None:
    """What a row calls kept may not be lost, what it calls repeated not for good, and no limit may be passed."""

    def said(configuration: str, **facts: object) -> list[str]:
        return list(failovers.breaks(configuration, "failover", replace(Count(), **facts)))

    assert said("sentinel", lost={"revocation": 3, "commit": 1}) == []
    assert said("sentinel", lost_for_good={"revocation": 3})
    assert said("sentinel-confirm", lost={"revocation": 1})
    assert said("postgresql-synchronous", lost={"commit": 1})
    assert said("sentinel", breaches=1)
    assert said("sentinel", strange=["odd"]) == ["odd"]


def test_a_window_has_an_end() -> None:
    """Where the last steps may be lost, none may that snapshot or replicas had, nor one from long before the kill."""

    def said(configuration: str, fault: str, lag: int = 0, **facts: object) -> list[str]:
        return list(failovers.breaks(configuration, fault, replace(Count(), **facts), lag=lag))

    assert "snapshot or replicas had" in said("sentinel", "failover", too_old=1)[0]
    assert "ms old" in said("postgresql-replica", "failover", oldest=WINDOW + 1.0)[0]
    assert said("cluster", "failover", lag=200, oldest=WINDOW + 200.0) == []
    assert said("cluster", "failover-first", oldest=WINDOW + 500.0, span=WINDOW + 500.0) == []
    assert said("redis-unsaved", "restart", too_old=9, oldest=9e9) == []


def test_a_fault_that_the_table_does_not_name_is_judged_by_nothing() -> None:
    """It is refused rather than passed."""
    with pytest.raises(KeyError, match="partition"):
        list(failovers.breaks("redis-always", "partition", Count()))


def test_only_a_fault_that_there_is_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """The refusal names those there are, and a store without a server has none."""
    nothing = Fault(lambda: None, lambda: None)
    servers = Deployment("redis://", {"restart": nothing, "hang": nothing, "melt": nothing})
    assert failovers.chosen("redis-everysec", servers, None) == "restart"
    assert failovers.chosen("redis-everysec", servers, "hang") == "hang"
    with pytest.raises(ValueError, match=r"no fault 'melt'; it has hang, restart$"):
        failovers.chosen("redis-everysec", servers, "melt")
    assert failovers.main(["--configuration", "sqlite"]) == 2
    assert "sqlite has no server" in capsys.readouterr().err


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


def test_the_torture_machine_reads_the_table_by_the_right_names() -> None:
    """Each of its setups is judged by the row of its servers, and a fault that costs nothing is not named."""
    lost_by_lag = {"update": WINDOW, "session": WINDOW, "activity": WINDOW}
    undone_too = {**lost_by_lag, "revocation": WINDOW}
    for setup in ("memory", "sqlite", "redis", "valkey9", "postgres15", "postgres18", "postgres-synchronous"):
        assert allowed(setup) == {}
        assert not repeated(setup)
    for setup in ("sentinels", "cluster"):
        assert allowed(setup) == {"failover": undone_too}
        assert repeated(setup) == {"failover"}
    for setup in ("sentinels-confirmed", "cluster-confirmed"):
        assert allowed(setup) == {"failover": lost_by_lag}
        assert not repeated(setup)
    assert allowed("postgres-replica") == {"promote": undone_too}
    assert not repeated("postgres-replica")


def test_the_table_is_whole() -> None:
    """Every configuration has a title and a deployment, and every fault an explanation."""
    assert set(CELLS) == set(TITLES) == {"memory", *DEPLOYMENTS}
    assert {fault for faults in CELLS.values() for fault in faults} == set(FAULTS)
