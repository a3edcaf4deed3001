"""A round: all actors of a process at once, then a quiet look at what is left."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

from torture import by_id
from torture.acting import Actor
from torture.history import ACTORS, History, in_order
from torture.recording import WROTE, Recorder
from torture.shared import Shared
from torture.watching import Watched
from torture.world import BROWSERS, Plan, World, terms_of

START = 1_900_000_000_000
"""Where the clock of a run begins: ahead of any engine's own."""


async def play(world: World) -> None:
    """Let every actor of this process live; the first failure of the machine itself ends the round."""
    first = world.recorder.process * ACTORS + 1
    async with asyncio.TaskGroup() as group:
        for number in range(first, first + world.plan.tasks):
            group.create_task(Actor(world, number).live())


async def look_back(world: World) -> None:
    """Look at everything while nobody acts, let all of it expire, sweep, and look again."""
    WROTE.set([0])
    actor = Actor(world, world.recorder.process * ACTORS + ACTORS - 1)
    for user in world.users:
        await by_id.list_user(actor, user, "quiet")
    for jar in range(BROWSERS):
        request = actor.request(jar=jar)
        if await request.load():
            await request.save()
    world.shared.advance((world.policy.span("default").absolute or 0) + 1000)
    await by_id.sweep(actor)
    for user in world.users:
        await by_id.list_user(actor, user, "quiet")
    _clear(world)


def _clear(world: World) -> None:
    """Empty the jars: the next round has its own people."""
    for jar in range(BROWSERS):
        world.shared.put(jar, None)


def history_of(world: World, *, store: str, command: str = "") -> History:
    """Return the round of a single process, ready to be judged."""
    plan = world.plan
    ops = in_order(world.recorder.taken())
    return History(store=store, seed=plan.seed, round=plan.round, command=command, terms=terms_of(plan), ops=ops)


async def rehearse(open_store: Callable[[], object], plan: Plan, folder: Path) -> History:
    """Play one round in this process over a store of its own; what tests and small runs need."""
    shared = Shared.create(folder / f"shared-{random.randrange(1 << 60)}", START)  # noqa: S311 - a file's name
    watched = Watched(open_store(), plan.seed, pauses=plan.pauses)
    recorder = Recorder(shared)
    world = World(watched, shared, recorder, plan)
    WROTE.set([0])
    try:
        await play(world)
        await look_back(world)
        return history_of(world, store=type(watched.inner).__name__)
    finally:
        await watched.inner.close()
        shared.close()
