"""How long a commit waits on SQLite when four processes write to one file with 16 requests in flight each."""

from __future__ import annotations

import asyncio
import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import Any

from coatcheck import AsyncSessions

PROCESSES, IN_FLIGHT, SECONDS = 4, 16, 3.0


def longest_wait() -> dict[str, float]:
    """Run the processes and return commits per second, and the median, p99 and longest wait in milliseconds."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'waits.db'}"
        asyncio.run(_opened(url))
        results: Any = context.Queue()
        barrier = context.Barrier(PROCESSES)
        crew = [context.Process(target=_work, args=(url, barrier, results)) for _ in range(PROCESSES)]
        for process in crew:
            process.start()
        waits = sorted(wait for _ in crew for wait in results.get(timeout=60))
        for process in crew:
            process.join()
    return {
        "commits_per_second": len(waits) / SECONDS,
        "median_ms": waits[len(waits) // 2] * 1000,
        "p99_ms": waits[len(waits) * 99 // 100] * 1000,
        "longest_ms": waits[-1] * 1000,
    }


async def _opened(url: str) -> None:
    async with AsyncSessions(url):
        pass


def _work(url: str, barrier: Any, results: Any) -> None:
    results.put(asyncio.run(_commits(url, barrier)))


async def _commits(url: str, barrier: Any) -> list[float]:
    """Commit one key again and again in each of several sessions, and time every commit."""
    waits: list[float] = []
    async with AsyncSessions(url) as sessions:
        crew = []
        for number in range(IN_FLIGHT):
            session = await sessions.load(None)
            await session.login(f"u{number}")
            crew.append(session)
        barrier.wait(timeout=60)
        until = time.perf_counter() + SECONDS

        async def write(session: Any) -> None:
            count = 0
            while (begun := time.perf_counter()) < until:
                count += 1
                session["n"] = count
                await session.save()
                waits.append(time.perf_counter() - begun)

        await asyncio.gather(*map(write, crew))
    return waits
