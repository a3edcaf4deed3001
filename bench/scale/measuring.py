"""One store from empty to full: everything that is measured of it, in the order in which it grows."""

from __future__ import annotations

import asyncio
import gc
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from bench.scale import loading, lookups, one_user, sweeping
from bench.scale.engines import Engine, open_store, start
from bench.scale.people import People, now, some
from bench.scale.progress import say
from bench.scale.results import Lookup, Space, StoreResult, Sweep, this_machine

SIZES: Final = (10_000, 1_000_000, 5_000_000)
PAUSES_MS: Final = (0.0, 50.0)
"""Readers beside the sweeper: as fast as answers come, and with a pause between, as browsers read."""
_SAMPLE: Final = 2_000


class Plan(Struct, frozen=True, kw_only=True):
    """What to measure of a store.

    Attributes:
        sessions: how many live sessions it gets in the end.
        expired: how many expired ones beside them are swept, half of them under each kind of readers.
        per_user: sessions of each user.
        rounds: turns of look-ups for each size.
        turn: seconds of a turn of readers.
        small: sessions of the store that every size is compared with, turn by turn.
        collected: sessions of a user who has very many.
        folder: where files and servers' data go; ``None`` for the system's own place for what is temporary.
    """

    sessions: int
    expired: int
    per_user: int = 1
    rounds: int = 20
    turn: float = 3.0
    small: int = 10_000
    collected: int = 1_000
    folder: Path | None = None

    def sizes(self) -> list[int]:
        """Return at how many sessions to measure: the usual sizes below the last, and the last."""
        return [size for size in SIZES if size < self.sessions] + [self.sessions]


def measure(name: str, plan: Plan) -> StoreResult:
    """Fill a store of its own step by step, and return what it took and how long it answered."""
    with _engine(name, plan.folder) as here, _engine(name, plan.folder) as small:
        people, few = _people(here, plan), _people(small, plan)
        loading.grow(small, f"{name}, the small store", few, present=0, wanted=plan.small)
        seconds, spaces, found = _grown(name, plan, (here, people), (small, few))
        users = loading.collect(here, name, people, plan.collected)
        say(f"{name}: users with {plan.collected:,} sessions")
        user = asyncio.run(one_user.list_and_revoke(here.url, users, plan.collected))
        sweeps = _swept(name, plan, here, people)
        return StoreResult(
            machine=this_machine(),
            engine=here.version(),
            settings=here.settings,
            sessions=plan.sessions,
            per_user=plan.per_user,
            load_seconds=round(seconds, 1),
            space=spaces,
            lookups=found,
            one_user=user,
            sweeps=sweeps,
        )


def _grown(
    name: str, plan: Plan, here: tuple[Engine, People], small: tuple[Engine, People]
) -> tuple[float, list[Space], list[Lookup]]:
    """Grow to each size and measure there; return the seconds of loading, the space at the end, and the look-ups."""
    (engine, people), (other, few) = here, small
    seconds, present = 0.0, 0
    found: list[Lookup] = []
    for size in plan.sizes():
        seconds += loading.grow(engine, f"{name}, {size:,} sessions", people, present=present, wanted=size)
        present = size
        gc.collect()
        gc.freeze()
        say(f"{name}: look-ups among {size:,}")
        sides = lookups.Side(engine.url, people, size), lookups.Side(other.url, few, plan.small)
        found += asyncio.run(lookups.compare(*sides, plan.rounds))
    sample = (people.record(number) for number in some(min(_SAMPLE, present), present, seed=3))
    return seconds, engine.space(present, sample), found


def _swept(name: str, plan: Plan, engine: Engine, people: People) -> list[Sweep]:
    """Load expired sessions and sweep them while clients read, for each pace of theirs."""
    sweeps: list[Sweep] = []
    share = plan.expired // len(PAUSES_MS)
    for place, pause_ms in enumerate(PAUSES_MS):
        if not share:
            break
        numbers = range(place * share, (place + 1) * share)
        loading.fill(engine, f"{name}, expired sessions", people.expired, numbers)
        beside = sweeping.sweep(
            engine.url, people, sessions=plan.sessions, expired=share, pause_ms=pause_ms, length=plan.turn
        )
        sweeps.append(asyncio.run(beside))
    return sweeps


@contextmanager
def _engine(name: str, parent: Path | None) -> Generator[Engine]:
    """Run an engine in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="coatcheck-scale-", dir=parent, ignore_cleanup_errors=True) as folder:
        engine = start(name, Path(folder))
        try:
            yield engine
        finally:
            engine.stop()


def _people(engine: Engine, plan: Plan) -> People:
    """Make the people of an engine, whose ids are tagged with its store's key."""
    return People(asyncio.run(_key(engine.url)), now=now(), per_user=plan.per_user)


async def _key(url: str) -> bytes:
    store = open_store(url)
    key: bytes = await store.key()
    await store.close()
    return key
