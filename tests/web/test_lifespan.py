"""The application's beginning and end: wrong set-ups stop it, the sweeper runs and ends, connections close."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from coatcheck import AsyncSessions, Policy, StoreUnavailable
from coatcheck.manager import sweeping
from coatcheck.stores.memory import MemoryStore
from coatcheck.testing import CapturedEvents, FrozenClock
from coatcheck.web.asgi import SessionMiddleware
from coatcheck.web.lifespan import Lifespan


class Pauses:
    """A pause that the test ends by hand, in place of time."""

    def __init__(self) -> None:
        """Begin with nobody waiting."""
        self.waiting = asyncio.Event()
        self.seconds: list[float] = []
        self._over: asyncio.Event | None = None

    async def pause(self, seconds: float) -> None:
        """Wait for `end`; a pause of 0 only gives way."""
        if seconds == 0:
            await asyncio.sleep(0)
            return
        self.seconds.append(seconds)
        self._over = asyncio.Event()
        self.waiting.set()
        await self._over.wait()

    async def end(self) -> None:
        """End the current pause, and wait for the next one."""
        await self.waiting.wait()
        self.waiting.clear()
        assert self._over is not None
        self._over.set()
        await self.waiting.wait()


def build(store: Any, clock: FrozenClock, events: CapturedEvents, pauses: Pauses) -> AsyncSessions:
    """Make a manager whose pauses the test holds."""
    sessions = AsyncSessions(store, policy=Policy.sensitive(), clock=clock, listeners=[events])
    sessions._core.runtime.pause = pauses.pause  # type: ignore[method-assign]
    return sessions


@pytest.mark.parametrize("workers", [1, 4])
def test_expired_sessions_disappear_by_themselves(workers: int) -> None:
    """Install, do nothing: a day later no expired row is left, and each end is told once (S-42)."""

    async def story() -> None:
        store, clock, events = MemoryStore(), FrozenClock(), CapturedEvents()
        crew = []
        for _ in range(workers):
            pauses = Pauses()
            sessions = build(store, clock, events, pauses)
            crew.append((sessions, pauses, asyncio.create_task(sessions.sweep_for_ever())))
        first = crew[0][0]
        for number in range(7):
            session = await first.load(None)
            await session.login(f"u{number}")
            await first.save(session)
        for _ in range(3):
            clock.advance("24h")
            for _, pauses, _ in crew:
                await pauses.end()
        assert await first.browse() == ([], None)
        assert events.names.count("session.abandoned") == 7
        for _, pauses, task in crew:
            assert all(270 <= seconds <= 330 for seconds in pauses.seconds)
            task.cancel()

    asyncio.run(story())


def test_the_sweeper_survives_an_outage() -> None:
    """A store that does not answer is told of and tried again, never the end of sweeping (promise 9)."""

    class Down(MemoryStore):
        async def lease(self, *_: Any, **__: Any) -> bool:
            raise StoreUnavailable("no answer")

    async def story() -> None:
        events, pauses = CapturedEvents(), Pauses()
        sessions = build(Down(), FrozenClock(), events, pauses)
        task = asyncio.create_task(sessions.sweep_for_ever())
        await pauses.end()
        await pauses.end()
        assert events.names.count("store.unavailable") == 2
        task.cancel()

    asyncio.run(story())


def test_intervals_are_jittered_by_a_tenth() -> None:
    """Workers do not march in step: intervals vary by a tenth either way (design, section 3)."""
    pauses = {sweeping.pause_seconds(300_000) for _ in range(50)}
    assert len(pauses) > 40
    assert min(pauses) >= 270
    assert max(pauses) <= 330


def test_a_lifespan_opens_sweeps_and_closes() -> None:
    """The lifespan starts the sweeper and stops it, and the store is closed at the end (design, section 4)."""

    class Noting(MemoryStore):
        told: list[str] = []  # noqa: RUF012 - one list for this one test

        async def open(self) -> None:
            self.told.append("open")

        async def close(self) -> None:
            self.told.append("close")

    sessions = AsyncSessions(Noting())
    app = Starlette()
    app.add_middleware(SessionMiddleware, sessions=sessions)
    with TestClient(app, base_url="http://localhost", headers={"origin": "http://localhost"}) as client:
        client.get("/")
        assert Noting.told == ["open"]
    assert Noting.told[0] == "open"
    assert Noting.told[-1] == "close"


def test_a_wrong_set_up_stops_the_start(tmp_path: Path) -> None:
    """A database that cannot be used is told at start-up, not at the first request (how to work, 7)."""
    sessions = AsyncSessions(f"sqlite:///{tmp_path / 'no such folder' / 'sessions.db'}")
    app = Starlette()
    app.add_middleware(SessionMiddleware, sessions=sessions)
    with pytest.raises(Exception, match="no such folder"), TestClient(app):
        pass


def test_without_a_sweep_interval_nothing_sweeps() -> None:
    """`sweep_every=None` leaves sweeping to `coatcheck sweep` (design, section 3)."""

    async def story() -> None:
        lifespan = Lifespan(AsyncSessions("memory://", policy=Policy(sweep_every=None)))
        await lifespan._start()
        assert [task.get_name() for task in lifespan._tasks] == ["coatcheck counter"]
        await lifespan._stop()

    asyncio.run(story())
