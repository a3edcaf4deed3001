"""One process of a run: it plays its part of every round and leaves its steps in a file."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import threading
from multiprocessing.synchronize import Barrier
from pathlib import Path

from msgspec import Struct

from coatcheck import stores
from torture.history import encode
from torture.recording import WROTE, Recorder
from torture.rounds import look_back, play
from torture.shared import Shared
from torture.stalling import loud_when_still
from torture.watching import Watched
from torture.world import Plan, World


class Orders(Struct, frozen=True, kw_only=True):
    """What a process is told to do."""

    url: str
    folder: str
    plans: tuple[Plan, ...]
    process: int


def work(orders: Orders, barrier: Barrier) -> None:
    """Run in a process of its own, which ends with the one that started it."""
    end_with_parent()
    logging.getLogger("coatcheck").setLevel(logging.CRITICAL)
    asyncio.run(_work(orders, barrier))


def end_with_parent() -> None:
    """Leave when the process that started this one is gone: nobody else would end a round whose server is gone too."""
    threading.Thread(target=_leave_after_parent, daemon=True).start()


def _leave_after_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


async def _work(orders: Orders, barrier: Barrier) -> None:
    folder = Path(orders.folder)
    shared = Shared(folder / "shared")
    recorder = Recorder(shared, orders.process)
    inner = stores.from_url(orders.url, blocking=False)
    WROTE.set([0])
    await inner.open()
    watched = Watched(inner, orders.plans[0].seed + orders.process, pauses=orders.plans[0].pauses)
    try:
        for plan in orders.plans:
            await _round(World(watched, shared, recorder, plan), barrier)
            part = folder / f"{plan.round}.{orders.process}"
            written = folder / f"{part.name}.new"
            written.write_bytes(encode(recorder.taken()))
            written.rename(part)
            if shared.last:
                break
    finally:
        await inner.close()
        shared.close()


async def _round(world: World, barrier: Barrier) -> None:
    """Play together, then let one process look back while the others stand still."""
    world.recorder.restart()
    await asyncio.to_thread(barrier.wait)
    if world.recorder.process == 0:  # now that nobody's progress is that of the round before: faults go by it
        world.shared.round = world.plan.round
    with loud_when_still(world.recorder):
        await play(world)
    await asyncio.to_thread(barrier.wait)
    if world.recorder.process == 0:
        with loud_when_still(world.recorder):
            await look_back(world)
        world.shared.decide()
    await asyncio.to_thread(barrier.wait)
