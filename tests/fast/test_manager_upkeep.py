"""What runs beside requests: forgetting, the sweeper's endurance, the store's clock, and what is refused."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from coatcheck import AsyncSessions, ConfigurationError, Policy, Sessions
from coatcheck.manager.core import DRIFT_ALARM
from coatcheck.stores.memory import MemoryStore
from coatcheck.stores.sqlite import AsyncSqliteStore
from coatcheck.testing import CapturedEvents, FrozenClock
from tests.fast._world import World
from tests.fast.conftest import Build

SWEEPS = 3
"""The sweeps within which a thousand old tombstones must be gone: a quarter of an hour."""


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
def test_what_keep_ended_is_over_for_is_forgotten(tmp_path: Path, engine: str) -> None:
    """S-43: a thousand sessions that ended longer ago than `keep_ended` leave nothing after a few sweeps."""
    store: Any = MemoryStore() if engine == "memory" else AsyncSqliteStore(tmp_path / "sessions.db")
    clock = FrozenClock()

    async def story() -> None:
        async with AsyncSessions(store, policy=Policy(keep_ended="1h"), clock=clock) as sessions:

            async def sign_in(number: int) -> None:
                session = await sessions.load(None)
                await session.login(f"user-{number}")

            await asyncio.gather(*(sign_in(number) for number in range(1000)))
            assert await sessions.revoke_all() == 1000
            clock.advance("59m")
            await sessions.sweep()
            assert len((await sessions.browse(limit=1000))[0]) == 1000
            clock.advance("2m")
            for _ in range(SWEEPS):
                await sessions.sweep()
            assert await sessions.browse(limit=1000) == ([], None)

    asyncio.run(story())


@pytest.mark.parametrize("fault", [RuntimeError, KeyError, ConfigurationError, OSError, TimeoutError])
def test_the_sweeper_survives_whatever_is_raised(fault: type[Exception], caplog: pytest.LogCaptureFixture) -> None:
    """S-42: one failed sweep is logged and the next one comes; else nothing would ever be swept again, in silence."""

    class Faulty(MemoryStore):
        sweeps = 0

        async def sweep(self, **facts: Any) -> Any:
            self.sweeps += 1
            if self.sweeps == 1:
                raise fault("a bug in the store")
            return await super().sweep(**facts)

    store, clock, events = Faulty(), FrozenClock(), CapturedEvents()
    sessions = AsyncSessions(store, clock=clock, listeners=[events])
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        clock.advance("8d")
        if len(pauses) > 3:
            raise asyncio.CancelledError

    async def story() -> None:
        await (await sessions.load(None)).login("ada")
        runtime: Any = sessions._core.runtime
        runtime.pause = pause
        with pytest.raises(asyncio.CancelledError):
            await sessions.sweep_for_ever()

    with caplog.at_level(logging.ERROR, logger="coatcheck"):
        asyncio.run(story())
    assert (len(pauses), store.sweeps) == (4, 3)
    assert len(events.only("session.abandoned")) == 1
    assert [record.exc_info is not None for record in caplog.records] == [True]


@pytest.mark.parametrize("kind", [AsyncSessions, Sessions])
def test_a_store_of_another_tenant_is_refused(kind: type[AsyncSessions | Sessions]) -> None:
    """Tenants never meet: a manager and its store must be of the same one, or one's revokes were the other's."""
    for of_store, of_manager in (("", "b"), ("a", "b"), ("a", "")):
        with pytest.raises(ConfigurationError, match="same tenant"):
            kind(MemoryStore(tenant=of_store), tenant=of_manager)
    kind(MemoryStore(tenant="a"), tenant="a")


def keep_time(world: World, ahead: int) -> None:
    """Give the store a clock of its own, *ahead* milliseconds of the worker's, and let the manager take it over."""

    async def clock() -> int:
        return world.clock.now_ms + ahead

    inner: Any = world.store.inner
    inner.clock = clock
    world.run(world.sessions.open())


@pytest.mark.parametrize("ahead", [-600_000, -DRIFT_ALARM - 1, DRIFT_ALARM + 1, 600_000])
def test_the_stores_clock_counts_and_drift_is_told(build: Build, ahead: int) -> None:
    """Promise 8: deadlines are on the store's clock where it has one; more than two seconds apart is an alarm."""
    world = build()
    keep_time(world, ahead)
    token = world.sign_in()
    now, policy = world.clock.now_ms + ahead, world.sessions.policy
    record = world.store.row()
    assert record.created_at == record.last_seen_at == now
    span = policy.span("default")
    assert (record.idle_expires_at, record.expires_at) == (now + span.idle, now + span.absolute)
    assert [event.details["millis"] for event in world.events.only("store.clock_drift")] == [ahead]
    world.clock.advance("7d")
    assert world.load(token).reason == "idle"


@pytest.mark.parametrize("ahead", [-DRIFT_ALARM, 0, DRIFT_ALARM])
def test_a_small_difference_is_corrected_in_silence(build: Build, ahead: int) -> None:
    """Promise 8: up to two seconds between the clocks is no news, and the store's still counts."""
    world = build()
    keep_time(world, ahead)
    world.sign_in()
    assert world.store.row().created_at == world.clock.now_ms + ahead
    assert not world.events.only("store.clock_drift")


def test_a_sweep_takes_the_stores_clock_over(build: Build) -> None:
    """Promise 8: the correction is renewed with every sweep; the same difference is told once, a greater one again."""
    world = build()
    keep_time(world, 0)
    keep_time(world, 5000)
    world.run(world.sessions.sweep())
    assert world.sessions._core.now() == world.clock.now_ms + 5000
    keep_time(world, 9000)
    world.run(world.sessions.sweep())
    assert [event.details["millis"] for event in world.events.only("store.clock_drift")] == [5000, 9000]


@pytest.mark.parametrize(
    "session_id", ["", "x", "\ud800" * 26, "0" + "!" * 25, "0" + "A" * 24, "0" + "A" * 26, "é" * 26]
)
def test_revoking_what_is_no_id_answers_false_and_asks_nobody(build: Build, session_id: str) -> None:
    """S-49: an id comes from a stranger's request; what cannot be one ends nothing and is no fault."""
    world = build()
    token = world.sign_in()
    world.store.calls.clear()
    assert world.run(world.sessions.revoke(session_id)) is False
    assert world.run(world.sessions.revoke(session_id, user_id="ada")) is False
    assert world.store.calls == []
    assert world.user(token) == "ada"
