"""Sweeping, and that each end of a session is told exactly once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coatcheck import AsyncSessions, ConfigurationError, Policy, StaleLogin
from coatcheck.manager import sweeping
from coatcheck.manager.sweeping import BATCH, BATCHES, pause_seconds
from coatcheck.model import Record, replace
from coatcheck.stores.contract import Capability
from coatcheck.stores.memory import MemoryStore
from coatcheck.testing import CapturedEvents, FrozenClock
from tests.fast._world import World
from tests.fast.conftest import Build

ENDS = ("session.ended", "session.expired", "session.abandoned")


def test_sweep_tells_each_clock_once(build: Build) -> None:
    """S-42, S-83: the sweeper buries what is over under its clock's name, once, and answers the two counts."""
    world = build(Policy(idle_timeout="1h", absolute_timeout="90m"))
    idle, busy = world.sign_in("ida"), world.sign_in("ben", data={"n": 1})
    world.clock.advance("59m")
    world.visit(busy)
    world.clock.advance("31m")
    fresh = world.sign_in("fay")
    swept = world.run(world.sessions.sweep())
    assert (swept.expired, swept.abandoned, swept.total) == (1, 1, 2)
    assert world.run(world.sessions.sweep()).total == 0
    told = {event.user_id: (event.name, event.details["had_data"]) for event in world.events.only(*ENDS)}
    assert told == {"ida": ("session.abandoned", False), "ben": ("session.expired", True)}
    assert len(world.events.only(*ENDS)) == 2
    assert [world.load(token).reason for token in (idle, busy, fresh)] == ["idle", "expired", None]


@pytest.mark.parametrize("after", ["19m", "31m"])
@pytest.mark.parametrize("how", ["logout", "revoke", "revoke_user", "revoke_all", "login", "evict", "theft"])
def test_every_end_is_told_once(build: Build, how: str, after: str) -> None:
    """S-83: however a session ends, in time or after its clock ran out, looked at twice and swept twice: one event."""
    world = build(Policy.sensitive().adjusted(max_sessions=1, on_theft="end", rotate_every="20m"))
    token = world.sign_in()
    world.clock.advance("20m")
    late = world.visit(token)[1].token
    world.visit(late)
    world.clock.advance(after)
    world.visit(late)
    acts: dict[str, Any] = {
        "logout": lambda: world.load(late).logout(), "revoke": lambda: world.sessions.revoke(token[:26]),
        "revoke_user": lambda: world.sessions.revoke_user("ada"), "revoke_all": world.sessions.revoke_all,
        "login": lambda: world.load(late).login("ada"), "evict": lambda: world.load().login("ada"),
        "theft": lambda: world.visit(token),
    }  # fmt: skip
    world.run(acts[how]())
    world.visit(late)
    world.run(world.sessions.sweep())
    world.run(acts[how]())
    world.clock.advance("1m")
    world.run(world.sessions.sweep())
    ends = [event for event in world.events.only(*ENDS) if event.session_id == token[:26]]
    assert len(ends) == 1


def test_sweep_works_in_batches(build: Build) -> None:
    """S-42: more expired sessions than a batch holds are all swept when asked, and boundedly when unasked."""
    world = build(Policy(idle_timeout="1h", touch_every="1m"))
    for number in range(BATCH * 2 + 1):
        world.visitor(n=number)
    world.clock.advance("1h")
    assert world.run(world.sessions.sweep()).total == BATCH * 2 + 1
    assert world.store.calls.count("sweep") == 3
    assert BATCHES * BATCH >= 10_000


def test_a_sweep_forgets_all_that_is_due_however_little_has_expired(build: Build) -> None:
    """S-42: more tombstones than one step forgets are gone after one sweep, with nothing expired to carry it on."""
    world = build(Policy(keep_ended="1s"))
    world.visitor(n=1)
    (row,) = world.store.inner._rows.live.values()
    for number in range(BATCH * 25):
        other = replace(row, id=f"0{number:025}")
        world.store.inner._rows.insert(other)
        world.store.inner._bury(other, "signed_out", world.clock.now_ms)
    world.clock.advance("2s")
    assert world.run(world.sessions.sweep()).total == 0
    assert not world.store.inner._rows.ended


def test_a_short_memory_lets_no_old_sign_in_through(build: Build) -> None:
    """Promise 2: however short keep_ended is, a sweep forgets no epoch while a password is being checked."""
    world = build(Policy(keep_ended="1s"))
    world.sign_in()
    epoch = world.run(world.sessions.epoch("ada"))
    world.run(world.sessions.revoke_user("ada"))
    for later in ("2s", "10m", "23h"):
        world.clock.advance(later)
        world.run(world.sessions.sweep())
        with pytest.raises(StaleLogin):
            world.run(world.load().login("ada", epoch=epoch))
    world.clock.advance("1h")
    world.run(world.sessions.sweep())
    assert world.run(world.sessions.epoch("ada")) == epoch == 0, "after a day and keep_ended it is forgotten"


def test_tombstones_are_forgotten(build: Build) -> None:
    """Section 3 of the design: keep_ended and max_ended bound what is remembered of ended sessions."""
    world = build(Policy(keep_ended="1h", max_ended=2))
    tokens = [world.sign_in() for _ in range(4)]
    for token in tokens:
        world.run(world.sessions.revoke(token[:26]))
        world.clock.advance("1s")
    world.run(world.sessions.sweep())
    assert [world.load(token).reason for token in tokens] == [None, None, "revoked", "revoked"]
    world.clock.advance("1h")
    world.run(world.sessions.sweep())
    assert [world.load(token).reason for token in tokens] == [None] * 4


def test_sweep_if_due(build: Build) -> None:
    """S-42: at most once per interval per process, and one process at a time by the lease."""
    world = build()
    other = World(world.mode, store=world.store)
    other.clock = other.sessions._core._clock = world.clock
    assert world.run(world.sessions.sweep_if_due()).total == 0
    assert world.run(world.sessions.sweep_if_due()) is None
    assert world.run(other.sessions.sweep_if_due()) is None
    world.clock.advance("5m")
    assert world.run(other.sessions.sweep_if_due()) is not None
    assert world.run(world.sessions.sweep_if_due()) is None
    assert world.store.calls.count("sweep") == 2


def test_sweeping_can_be_off(build: Build) -> None:
    """S-42: with sweep_every=None nothing sweeps unasked."""
    world = build(Policy(sweep_every=None))
    assert world.run(world.sessions.sweep_if_due()) is None
    assert world.store.calls == []


def test_store_that_cannot_sweep(build: Build) -> None:
    """S-42: where the engine expires sessions by itself, asking says so and nothing happens unasked."""
    world = build()
    poorer = replace(MemoryStore().traits, capabilities=frozenset(Capability) - {Capability.SWEEP})
    vars(world.store)["traits"] = poorer
    with pytest.raises(ConfigurationError, match="cannot sweep"):
        world.run(world.sessions.sweep())
    assert world.run(world.sessions.sweep_if_due()) is None


def test_jitter() -> None:
    """S-42: workers pause a tenth more or less than the interval, so that they do not march in step."""
    pauses = [pause_seconds(300_000) for _ in range(200)]
    assert all(270 <= pause <= 330 for pause in pauses)
    assert max(pauses) - min(pauses) > 20


def test_sweep_for_ever_survives_outages_and_retries_logouts() -> None:
    """S-42, ruling 8: the lifespan's task sweeps at each interval, tells outages, goes on, and ends when cancelled."""
    world = World("async")
    clock, events, store = FrozenClock(), CapturedEvents(), world.store
    sessions = AsyncSessions(store, clock=clock, listeners=[events])
    runtime: Any = sessions._core.runtime

    async def run() -> list[float]:
        session = await sessions.load(None)
        await session.login("ada")
        paused: list[float] = []

        async def pause(seconds: float) -> None:
            paused.append(seconds)
            store.down = {"lease"} if len(paused) == 1 else set()
            clock.advance("8d")
            if len(paused) > 3:
                raise asyncio.CancelledError

        runtime.pause = pause
        with pytest.raises(asyncio.CancelledError):
            await sessions.sweep_for_ever()
        return paused

    paused = asyncio.run(run())
    assert all(270 <= seconds <= 330 for seconds in paused)
    assert events.names == ["session.created", "store.unavailable", "session.abandoned"]


def test_a_backlog_is_swept_on_at_once_and_leaves_room() -> None:
    """S-42: what a bounded sweep left over is swept a second later, and between batches others get the store."""
    world = World("async")
    sessions = AsyncSessions(world.store, clock=world.clock)
    core: Any = sessions._core
    runtime: Any = core.runtime
    ticks = iter(range(1_000_000))

    async def run() -> list[float]:
        for _ in range(3 * BATCH):
            await world.store.create(await a_record(core), now=core.now())
        paused: list[float] = []

        async def pause(seconds: float) -> None:
            paused.append(seconds)
            world.clock.advance("31d")
            if seconds > 270 and len(paused) > 1:
                raise asyncio.CancelledError

        runtime.pause, runtime.elapsed = pause, lambda: next(ticks) * 0.01
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(sweeping, "BATCHES", 2)
            with pytest.raises(asyncio.CancelledError):
                await sessions.sweep_for_ever()
        return paused

    first, *others, last = asyncio.run(run())
    assert first > 270
    assert last > 270
    assert others.count(sweeping.BACKLOG_PAUSE) == 1
    between = [seconds for seconds in others if seconds != sweeping.BACKLOG_PAUSE]
    assert between == pytest.approx([0.01] * len(between))
    assert len(between) == 3


async def a_record(core: Any) -> Record:
    """Make an anonymous record as the manager would."""
    ticket, now = await core.mint(None), core.now()
    return Record(
        id=ticket.id, secret_digest=core.digest(ticket), created_at=now, last_seen_at=now,
        idle_expires_at=now + 1000, expires_at=now + 2000, rotated_at=now,
    )  # fmt: skip
