"""The machine finds every broken store by a seeded run, names the promise, and finds nothing in a good one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coatcheck.stores.memory import MemoryStore
from tests.stores import broken
from tests.torture import _broken
from torture.history import History, encode, keep, read
from torture.judging import judge
from torture.judging.findings import Violation
from torture.judging.minimising import minimise
from torture.rounds import rehearse
from torture.telling import story
from torture.world import Plan

EXPECTED: dict[type[MemoryStore], tuple[int, str]] = {
    broken.AdoptsTakenIds: (1, "an id is given once"),
    broken.AdoptsUnknownIds: (1, "a made-up id leaves no row"),
    broken.Resurrects: (2, "dead stays dead"),
    broken.LosesUpdates: (3, "no acknowledged change is lost"),
    broken.RacesTheLimit: (4, "the limit holds"),
    broken.LocksTheLimitTooLate: (4, "the limit holds"),
    broken.ForgetsTheIndex: (2, "dead stays dead"),
    broken.IgnoresGeneration: (5, "nothing is changed from an older privilege"),
    broken.IgnoresTheEpoch: (2, "a sign-in under way is refused"),
    broken.ListsTheExpired: (8, "nothing works past a deadline"),
    broken.CountsTheExpired: (4, "nobody is refused or evicted below the limit"),
    broken.CommitsToTheExpired: (8, "nothing works past a deadline"),
    broken.LeaksInRepr: (7, "no digest is shown"),
    broken.LeaksInError: (7, "no digest is shown"),
    broken.LeaksInList: (7, "no digest is shown"),
    broken.TouchesBackward: (8, "activity moves forward only"),
    broken.EndsAnyones: (2, "a revocation reaches only its owner's"),
    _broken.SweepsEarly: (2, "a session ends only for a cause"),
    _broken.IgnoresKeep: (2, "a session ends only for a cause"),
    _broken.EndsEverybody: (2, "a session ends only for a cause"),
    _broken.EvictsTheNewest: (4, "the right session gives way"),
    _broken.EvictsInsteadOfRejecting: (4, "the limit answers as the policy says"),
    _broken.RejectsInsteadOfEvicting: (4, "the limit answers as the policy says"),
    _broken.ForgetsTheSight: (5, "a replaced ticket is dead after its grace"),
    _broken.StaysSilent: (9, "without a fault every step is answered"),
    _broken.ReadsTheFuture: (12, "an answer is one of its verb's"),
}
OUT_OF_SIGHT: dict[type[MemoryStore], str] = {
    broken.LeavesWhatIsOver: "shows only where a step is held just at a deadline: once in four million steps",
    broken.SparesTheExpired: "the same: what is over comes back only to a step that was held",
    broken.StopsSweepingEarly: "nobody but the sweeper sees which tombstones are left",
    broken.SweepsForEver: "no sweep would end, nor the round",
    broken.SuspendsWhenClosing: "the store is closed when the round is over",
    broken.TellsSeconds: "the machine hides the store's own clock",
}
"""What the conformance suite finds and this machine cannot, with the reason; docs/reliability.md says so too."""

ROUNDS = 12
"""Rounds in which a fault must show itself; a round is 4,000 steps."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Keep the manager's warnings, of which broken stores cause thousands, out of the report."""
    logger = logging.getLogger("coatcheck")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(before)


def play(store: Callable[[], object], number: int, folder: Path) -> History:
    """Play one round over a store of its own."""
    plan = Plan(seed=7, round=number, steps=4000, tasks=12, tick=15)
    return asyncio.run(rehearse(store, plan, folder))


def hunt(store: type[MemoryStore], folder: Path) -> tuple[History, Violation]:
    """Play rounds until the expected violation is found."""
    seen: set[tuple[int, str]] = set()
    for number in range(ROUNDS):
        played = play(store, number, folder)
        for found in judge(played).violations:
            if found.names == EXPECTED[store]:
                return played, found
            seen.add(found.names)
    raise AssertionError(f"not found in {ROUNDS} rounds: {EXPECTED[store]}; found were {sorted(seen)}")


@pytest.mark.parametrize("store", EXPECTED, ids=lambda store: store.__name__)
def test_a_broken_store_is_found(store: type[MemoryStore], tmp_path: Path) -> None:
    """A seeded run names the promise that the store breaks (promises 1 to 8)."""
    _, found = hunt(store, tmp_path)
    assert found.promise == EXPECTED[store][0]


def test_every_broken_store_is_hunted() -> None:
    """A store that is added to the broken ones must be found here too, or it is said why it cannot be."""
    kinds = [kind for module in (broken, _broken) for kind in vars(module).values() if isinstance(kind, type)]
    named = {kind for kind in kinds if kind.__module__ in (broken.__name__, _broken.__name__)}
    assert {kind for kind in named if not kind.__name__.startswith("_")} == {*EXPECTED, *OUT_OF_SIGHT}
    assert not {*EXPECTED} & {*OUT_OF_SIGHT}


def test_nothing_is_found_in_a_good_store(tmp_path: Path) -> None:
    """The memory store keeps every promise under the same rounds, whichever limit they have (promises 1 to 8)."""
    for number in range(4):
        findings = judge(play(MemoryStore, number, tmp_path))
        assert [story(found) for found in findings.violations] == []
        assert sum(findings.checked.values()) > 10_000


def test_a_kept_history_is_judged_the_same(tmp_path: Path) -> None:
    """A history that was kept gives the same verdict, story by story (what ``python -m torture judge`` does)."""
    played, found = hunt(broken.LosesUpdates, tmp_path)
    keep(played, tmp_path / "kept.msgpack.gz")
    again = read(tmp_path / "kept.msgpack.gz")
    assert encode(again) == encode(played)
    assert [story(each) for each in judge(again).violations] == [story(each) for each in judge(played).violations]
    same = next(each for each in judge(again).violations if each.names == found.names)
    small, repeated = minimise(played, found), minimise(again, same)
    assert len(small.ops) < 12
    assert story(small) == story(repeated)
