"""The checks of the cells can fail: without what a guarantee rests on, its cell goes red."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.guarantees.observing import OLD, People, Prepared, Seen
from tests.guarantees.scenes import Scene, broken, deployed, gone, played
from tests.servers import binaries
from tests.servers.fixtures import Gap, needed
from torture.killing.cells import CELLS
from torture.killing.deployments import DEPLOYMENTS, Deployment
from torture.killing.on_postgres import Pair


def test_without_the_ledger_a_revocation_comes_back(tmp_path: Path, gap: Gap) -> None:
    """A worker that remembers nothing leaves revoked sessions and old privileges alive after a restart (promise 2)."""
    needed(binaries.redis, gap)
    with deployed("redis-snapshots", tmp_path) as deployment:
        scene = played(deployment, "redis-snapshots", "restart", forgetful=True)

    for verb in ("revoke", "privilege"):
        assert "acknowledged and gone" in str(broken(scene, verb, CELLS["redis-snapshots"]["restart"][verb]))


def test_without_a_synchronous_standby_acknowledged_steps_are_lost(gap: Gap) -> None:
    """With synchronous replication switched off, a primary that is cut off acknowledges what then is lost."""
    needed(lambda: binaries.postgres(15), gap)
    with closing(Pair(synchronous=True)) as servers:
        servers.primary.synchronise()
        scene = played(servers.deployment(), "postgresql-synchronous", "parted")

    for verb, outcome in CELLS["postgresql-synchronous"]["parted"].items():
        assert "acknowledged all the same" in str(broken(scene, verb, outcome))
    for verb in ("sign-in", "commit", "revoke", "privilege"):
        assert "acknowledged and gone" in str(broken(scene, verb, "kept"))


def test_without_confirmation_a_parted_primary_acknowledges(tmp_path: Path, gap: Gap) -> None:
    """Without ``confirm`` a revocation that no replica has is acknowledged: the cell of `sentinel-confirm` goes red."""
    needed(binaries.redis, gap)
    with DEPLOYMENTS["sentinel"](tmp_path) as deployment:
        scene = played(deployment, "sentinel", "parted")

    assert "acknowledged all the same" in str(broken(scene, "revoke", CELLS["sentinel-confirm"]["parted"]["revoke"]))


PREPARED = Prepared(
    people=People("ann", "bob", "cat", "dan"), signing="s", committed="c", ended="e", swept_out=("b1", "b2"), stale=3,
    promoted="p", rotated="r", fresh_digest=b"new",
)  # fmt: skip
GOOD = Seen("live", b"7", "live", ("dead", "dead", "dead"), True, ("admin",), b"new", 2)
ANSWERS = {"sign-in": ["ok"], "commit": ["ok"], "revoke": ["ok", "ok"], "privilege": ["ok", "ok"], "limit": ["ok"]}
WHOLE = Scene(PREPARED, ANSWERS, GOOD, GOOD, GOOD, (2, 2))
EMPTY = Seen("none", None, "none", ("none", "none", "none"), False, None, None, 0)


@pytest.mark.parametrize("verb", ANSWERS)
def test_a_good_scene_passes(verb: str) -> None:
    """Where everything holds, nothing is broken."""
    assert broken(WHOLE, verb, "kept") is None


@pytest.mark.parametrize(
    ("verb", "bad"),
    [
        ("sign-in", {"signed_in": "none"}), ("sign-in", {"signed_in": "dead"}), ("commit", {"value": None}),
        ("commit", {"value": b"8"}), ("commit", {"committed": "unreadable"}), ("limit", {"live": 3}),
        ("revoke", {"ended": ("dead", "live", "dead")}), ("revoke", {"refuses_stale": False}),
        ("privilege", {"roles": OLD}), ("privilege", {"roles": ("nobody",)}), ("privilege", {"digest": b"old"}),
    ],
)  # fmt: skip
def test_whatever_is_wrong_breaks_its_cell(verb: str, bad: dict[str, object]) -> None:
    """Every way in which an acknowledged step can be gone is seen, at whichever look it shows."""
    for look in ("fresh", "worker", "after"):
        assert broken(replace(WHOLE, **{look: replace(GOOD, **bad)}), verb, "kept") is not None


def test_what_comes_back_too_late_or_never_breaks_a_repeated_cell() -> None:
    """A repeated step may be missing at the first look, and at no later one."""
    gone = replace(GOOD, refuses_stale=False)
    assert broken(replace(WHOLE, fresh=gone), "revoke", "repeated") is None
    assert broken(replace(WHOLE, fresh=gone, worker=gone), "revoke", "repeated") is not None
    assert broken(replace(WHOLE, fresh=gone, after=gone), "revoke", "repeated") is not None


def test_answers_are_judged_too() -> None:
    """What should be acknowledged must be, what should not be must not, and workers must agree about a user."""
    silent = replace(WHOLE, answers={**ANSWERS, "revoke": ["ok", "unconfirmed"]})
    assert "not acknowledged" in str(broken(silent, "revoke", "kept"))
    assert "all the same" in str(broken(silent, "revoke", "unanswered"))
    assert "too little" in str(broken(WHOLE, "commit", "lost"))
    assert "live sessions" in str(broken(replace(WHOLE, live=(2, 1)), "limit", "kept"))
    assert "live sessions" in str(broken(replace(WHOLE, live=(3, 3)), "limit", "kept"))


def test_nobody_passes_the_limit_at_a_new_client_either() -> None:
    """Where the worker has died, the sign-in beyond the limit at a new client is compared all the same."""
    alone = replace(WHOLE, worker=None)
    assert "live sessions" in str(broken(replace(alone, live=(3,)), "limit", "kept"))
    assert broken(replace(alone, live=(1,)), "limit", "kept") is None


def test_what_comes_back_empty_is_seen() -> None:
    """A window is no leave to lose everything: each session of long before is missed, at whichever look it is gone."""
    assert gone(WHOLE) == []
    for look in ("fresh", "worker", "after"):
        assert len(gone(replace(WHOLE, **{look: EMPTY}))) == 5
    for field, value in (
        ("committed", "none"), ("roles", None), ("digest", None), ("ended", ("dead", "none", "live")), ("live", 0),
    ):  # fmt: skip
        assert len(gone(replace(WHOLE, after=replace(GOOD, **{field: value})))) == 1


def test_where_nobody_holds_an_older_epoch_none_is_asked_about() -> None:
    """The death of a process takes the sign-ins under way with it; where one is left it must be refused."""
    assert broken(replace(WHOLE, after=replace(GOOD, refuses_stale=None)), "revoke", "kept") is None
    assert broken(replace(WHOLE, after=replace(GOOD, refuses_stale=False)), "revoke", "kept") is not None


def test_memory_is_asked_whether_it_refuses_while_it_lives(tmp_path: Path) -> None:
    """The process that acknowledged looks before it dies, and sees its revocations hold; afterwards nobody asks."""
    with deployed("memory", tmp_path) as deployment:
        scene = played(deployment, "memory", "worker")

    assert scene.worker is not None
    assert (scene.worker.refuses_stale, scene.worker.ended) == (True, ("dead", "dead", "dead"))
    assert (scene.after.refuses_stale, scene.after.ended) == (None, ("none", "none", "none"))


def test_memory_has_no_faults_of_a_server() -> None:
    """A deployment that names no faults is only good for killing the worker."""
    assert Deployment("memory://", {}).plain_url == "memory://"
