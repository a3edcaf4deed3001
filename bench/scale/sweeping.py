"""Reading with a sweeper at work in another process and without, in turns, until everything expired is swept.

The sweeper is `coatcheck sweep`'s: batch after batch without a pause, which is harder on readers than what workers do
by themselves (at most 50 batches in 5 minutes).
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import random
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from msgspec import Struct

from bench.scale.engines import open_store
from bench.scale.latencies import Latency, latency, median, paired_ratio
from bench.scale.people import People, now, some
from bench.scale.progress import steps
from bench.scale.results import Sweep
from coatcheck.manager.sweeping import BATCH
from coatcheck.model import Record
from coatcheck.policy import Policy

CLIENTS: Final = 64
_PAUSE: Final = 0.2
"""Seconds between turns, for what the sweeper set off to come to rest."""


class Readers:
    """64 clients of one worker; each asks, waits for the answer, pauses and asks again."""

    def __init__(self, store: Any, people: People, sessions: int, pause_ms: float) -> None:
        """Read among *sessions* live sessions with a mean pause of *pause_ms*."""
        self._store, self._pause = store, pause_ms / 1000
        self._ids = [people.id(number) for number in some(20_000, sessions, seed=7)]
        self._random = random.Random(11)  # noqa: S311 - only when somebody reads hangs on it

    async def read(self, seconds: float) -> list[float]:
        """Read for *seconds* and return how long each answer took."""
        until = time.perf_counter() + seconds
        took: list[float] = []

        async def client() -> None:
            while (begun := time.perf_counter()) < until:
                (found,) = await self._store.find([self._random.choice(self._ids)])
                took.append(time.perf_counter() - begun)
                if not isinstance(found, Record):
                    raise LookupError("a live session was not found")  # noqa: TRY004 - the store's fault, no argument's
                await asyncio.sleep(self._random.expovariate(1 / self._pause) if self._pause else 0)

        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        return took


class Turn(Struct, frozen=True, kw_only=True):
    """Reading at rest, then beside a sweeper that swept so many in so many seconds."""

    swept: int
    seconds: float
    rest: Latency
    beside: Latency


async def sweep_while_reading(url: str, readers: Readers, expired: int, length: float) -> list[Turn]:
    """Sweep the *expired* sessions at *url*, *length* seconds with the sweeper after as many without."""
    turns: list[Turn] = []
    with sweeper(url) as orders, steps(f"sweeping while {CLIENTS} clients read", expired) as advance:
        await readers.read(length)  # warms up
        while sum(turn.swept for turn in turns) < expired and (not turns or turns[-1].swept):
            rest = latency(await readers.read(length))
            orders.send(length)
            beside = latency(await readers.read(length))
            swept, took = await asyncio.to_thread(orders.recv)
            turns.append(Turn(swept=swept, seconds=took, rest=rest, beside=beside))
            advance(swept)
            await asyncio.sleep(_PAUSE)
    return turns


async def sweep(url: str, people: People, *, sessions: int, expired: int, pause_ms: float, length: float) -> Sweep:
    """Sweep beside clients that read among *sessions* live sessions, and sum up."""
    store = open_store(url)
    try:
        readers = Readers(store, people, sessions, pause_ms)
        turns = await sweep_while_reading(url, readers, expired, length)
    finally:
        await store.close()
    return summed(turns, pause_ms=pause_ms, length=length)


def summed(turns: list[Turn], *, pause_ms: float, length: float) -> Sweep:
    """Sum the turns up. One in which the sweeper ran out of work says little, and counts only if there is no other."""
    counted = [turn for turn in turns if turn.seconds >= length * 0.9] or turns
    return Sweep(
        expired=sum(turn.swept for turn in turns),
        seconds=round(sum(turn.seconds for turn in turns), 1),
        batch=BATCH,
        clients=CLIENTS,
        pause_ms=pause_ms,
        pairs=len(counted),
        quiet=median([turn.rest for turn in counted]),
        busy=median([turn.beside for turn in counted]),
        ratio=paired_ratio([turn.beside for turn in counted], [turn.rest for turn in counted]),
    )


@contextmanager
def sweeper(url: str) -> Generator[Any]:
    """Start a process that sweeps for as many seconds as it is sent, and answers ``(swept, seconds it took)``."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_sweeps, args=(url, there), daemon=True)
    process.start()
    try:
        here.recv()
        yield here
    finally:
        here.send(None)
        process.join(10)


def _sweeps(url: str, orders: Any) -> None:
    logging.getLogger("coatcheck").setLevel(logging.ERROR)  # what a store says at its start was told already
    asyncio.run(_obey(url, orders))


async def _obey(url: str, orders: Any) -> None:
    store, policy = open_store(url), Policy()
    await store.open()
    orders.send("ready")
    while (seconds := await asyncio.to_thread(orders.recv)) is not None:
        swept, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < seconds:
            moment = now()
            buried = await store.sweep(
                now=moment, limit=BATCH, forget_before=moment - policy.keep_ended_ms, max_ended=policy.max_ended
            )
            swept += len(buried.ended)
            if not buried.more:
                break
        orders.send((swept, time.perf_counter() - begun))
    await store.close()
