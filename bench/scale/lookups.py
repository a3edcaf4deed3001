"""Finding sessions by id, at random, in a store of a size and in a small one in turns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from bench.scale.engines import open_store
from bench.scale.latencies import Latency, latency, paired_ratio
from bench.scale.people import People, some
from bench.scale.results import Lookup
from coatcheck.model import Record

PER_ROUND: Final = 2_000
"""Look-ups of one store in one turn."""


class Side(NamedTuple):
    """A store: where it is, who made its sessions, and how many they are."""

    url: str
    people: People
    sessions: int


async def compare(here: Side, small: Side, rounds: int) -> list[Lookup]:
    """Time look-ups one at a time and 64 at once, in *rounds* turns of each side."""
    stores = [open_store(here.url), open_store(small.url)]
    try:
        return [await _compare(stores, (here, small), in_flight, rounds) for in_flight in (1, 64)]
    finally:
        for store in stores:
            await store.close()


async def _compare(stores: list[Any], sides: Sequence[Side], in_flight: int, rounds: int) -> Lookup:
    """Take turns, so that a slow moment of the machine hits both sides alike; the first turn warms up."""
    every: list[list[float]] = [[], []]
    turns: list[list[Latency]] = [[], []]
    for number in range(rounds + 1):
        for place in (0, 1) if number % 2 else (1, 0):
            side = sides[place]
            ids = [side.people.id(session) for session in some(PER_ROUND, side.sessions, seed=number)]
            took = await timed(stores[place], ids, in_flight)
            if number:
                every[place] += took
                turns[place].append(latency(took))
    return Lookup(
        sessions=sides[0].sessions,
        in_flight=in_flight,
        here=latency(every[0]),
        small_sessions=sides[1].sessions,
        small=latency(every[1]),
        ratio=paired_ratio(turns[0], turns[1]),
    )


async def timed(store: Any, ids: Sequence[str], in_flight: int) -> list[float]:
    """Find every id, *in_flight* at once, and return how long each took in seconds."""
    waiting = iter(ids)
    took: list[float] = []

    async def ask() -> None:
        for wanted in waiting:
            begun = time.perf_counter()
            (found,) = await store.find([wanted])
            took.append(time.perf_counter() - begun)
            if not isinstance(found, Record) or found.id != wanted:
                raise LookupError("a session that was loaded was not found")

    await asyncio.gather(*(ask() for _ in range(in_flight)))
    return took
