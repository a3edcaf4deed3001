"""A worker whose clock is set while it runs: verdicts follow the store's clock (promise 8, issue 3's bad days)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from coatcheck import AsyncSessions, Policy, StoreUnavailable
from coatcheck.lifecycle import Cookie
from coatcheck.manager.clock import FRESH, JUMP, Watch
from coatcheck.stores.memory import MemoryStore
from coatcheck.testing import CapturedEvents, FrozenClock, freeze
from tests.fast._world import WorkersClock, World
from tests.fast.conftest import Build

HOUR = 3_600_000


@pytest.mark.parametrize(
    ("wall", "elapsed", "set_"),
    [
        (0, 0, False), (300, 300, False), (300 + JUMP / 2, 300, False), (300 - JUMP / 2, 300, False),
        (300 + 2 * JUMP, 300, True), (300 - 2 * JUMP, 300, True), (3600, 0, True), (-3600, 0, True), (0, 3600, True),
    ],
)  # fmt: skip
def test_what_counts_as_set(wall: float, elapsed: float, set_: bool) -> None:
    """A clock that went on more, or less, than the time that passed was set; a machine that slept counts too."""
    times = {"wall": 1_800_000_000.0, "elapsed": 50.0}
    watch = Watch(lambda: times["wall"], lambda: times["elapsed"])
    watch.mark(times["wall"])
    times["wall"] += wall
    times["elapsed"] += elapsed
    assert watch.is_off() is set_


def test_a_clock_that_was_never_compared_is_off() -> None:
    """Before the first comparison nothing is known; afterwards only what is set since counts, either way."""
    wall, passed = [1000.0], [50.0]
    watch = Watch(lambda: wall[0], lambda: passed[0])
    assert watch.is_off()
    watch.mark(wall[0])
    assert not watch.is_off()
    wall[0], passed[0] = 1300.0, 350.0
    assert not watch.is_off()
    for step in (-3600.0, 1.0):
        wall[0] = 1300.0 + step
        assert watch.is_off()
    watch.mark(wall[0])
    assert not watch.is_off()


def test_a_comparison_holds_for_a_time() -> None:
    """Promise 8: a clock that runs wrong slowly never jumps, so a comparison is made again after a while."""
    times = [1000.0]
    watch = Watch(lambda: times[0], lambda: times[0])
    watch.mark(times[0])
    times[0] += FRESH
    assert not watch.is_off()
    times[0] += 1
    assert watch.is_off()


class Engine:
    """The store's own clock: it begins with the worker's and moves for itself."""

    def __init__(self, world: World) -> None:
        """Give the world's store this clock; nothing is opened."""
        self.now = world.clock.now_ms
        self.asked = 0
        self.down = False
        inner: Any = world.store.inner
        inner.clock = self.clock

    async def clock(self) -> int:
        """Answer the time, unless the store is down."""
        self.asked += 1
        if self.down:
            raise StoreUnavailable("the test has switched the clock off")
        return self.now


def drifts(world: World) -> list[object]:
    """Return the differences that were told."""
    return [event.details["millis"] for event in world.events.only("store.clock_drift")]


POLICY = Policy(idle_timeout="30m", absolute_timeout="2h")


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_jump_neither_ends_nor_renews(build: Build, jump: int) -> None:
    """Promise 8: a worker set an hour ahead or back judges and writes on the store's clock, and tells of it once."""
    world = build(POLICY)
    engine = Engine(world)
    token = world.sign_in(data={"n": 1})
    before = world.store.row()
    world.clock.advance(f"{HOUR}ms") if jump > 0 else rewind(world)
    for _ in range(3):
        session, outcome = world.visit(token)
        assert (session.user_id, outcome.cookie) == ("ada", Cookie.KEEP)
    assert world.store.row() == before, "nothing was due, so nothing was written"
    engine.now += 10 * 60_000
    world.clock.advance("10m")
    world.visit(token)
    row = world.store.row()
    assert (row.last_seen_at, row.idle_expires_at) == (engine.now, engine.now + HOUR // 2)
    assert world.run(world.sessions.list("ada"))[0].reason is None
    assert drifts(world) == [-jump]


def rewind(world: World) -> None:
    """Set the worker's clock back by an hour."""
    core = world.sessions._core
    real, core._clock = core._clock, lambda: real() - HOUR / 1000
    core.watch._clock = core._clock


def test_a_worker_that_is_not_to_sweep_compares_its_clock_too() -> None:
    """Promise 8: drift is noticed by every worker at its sweep's time, also while another one holds the lease."""
    world = World("async", POLICY)
    engine = Engine(world)
    core = world.sessions._core
    world.sign_in()
    world.run(world.store.lease("sweep", holder="another", now=engine.now, until=engine.now + HOUR))
    engine.now += 6000
    asked = engine.asked
    assert world.run(world.sessions.sweep_if_due()) is None
    assert "sweep" not in world.store.calls
    assert (engine.asked, core.offset, drifts(world)) == (asked + 1, 6000, [6000])


def test_a_session_that_is_over_stays_over(build: Build) -> None:
    """Promise 8: on a worker whose clock was set back, a session ends when the store's clock says so."""
    world = build(POLICY)
    engine = Engine(world)
    token = world.sign_in()
    engine.now += HOUR // 2
    rewind(world)
    assert world.load(token).reason == "idle"


ACTS: dict[str, Callable[[World, Any], Any]] = {
    "save": lambda world, session: session.save(),
    "login": lambda world, session: session.login("ada"),
    "rotate": lambda world, session: session.rotate(),
    "logout": lambda world, session: session.logout(),
    "revoke": lambda world, session: world.sessions.revoke(session.id),
    "revoke_user": lambda world, session: world.sessions.revoke_user("ada"),
    "revoke_all": lambda world, session: world.sessions.revoke_all(),
    "set_roles": lambda world, session: world.sessions.set_roles("ada", ["editor"]),
    "sweep": lambda world, session: world.sessions.sweep(),
    "transaction": lambda world, session: world.sessions.transaction(session.id, lambda data: data.update(m=1)),
}


@pytest.mark.parametrize("act", ACTS)
def test_every_verb_follows_the_stores_clock(build: Build, act: str) -> None:
    """Promises 2 and 8: a jump between loading and the verb is noticed before the verb writes a time."""
    world = build(POLICY)
    engine = Engine(world)
    session = world.load(world.sign_in())
    session["n"] = 1
    world.clock.advance("1h")
    world.run(ACTS[act](world, session))
    rows: Any = world.store.inner._rows
    for row in (*rows.live.values(), *rows.ended.values()):
        times = [getattr(row, name, None) for name in ("created_at", "last_seen_at", "rotated_at", "ended_at")]
        assert all(at == engine.now for at in times if at is not None), f"{row!r}: {times}"
        assert getattr(row, "reason", "") not in ("idle", "absolute")
    assert drifts(world) == [-HOUR]


def test_a_worker_that_never_opened_its_store_asks_before_its_first_verdict(build: Build) -> None:
    """Promise 8: a clock that was wrong from the start counts for nothing either, and is asked for once."""
    world = build(POLICY)
    engine = Engine(world)
    engine.now += HOUR
    token = world.sign_in()
    for _ in range(5):
        world.visit(token)
    assert world.store.row().created_at == engine.now
    assert (engine.asked, drifts(world)) == (1, [HOUR])


def test_a_jump_during_an_outage_is_an_outage(build: Build) -> None:
    """Promise 9: where the store's clock cannot be asked, nobody is judged by a clock that was set."""
    world = build(POLICY)
    engine = Engine(world)
    token = world.sign_in()
    world.clock.advance("1h")
    engine.down = True
    with pytest.raises(StoreUnavailable):
        world.load(token)
    engine.down = False
    assert world.user(token) == "ada"


def test_simultaneous_requests_tell_of_one_jump_once() -> None:
    """The alarm is one for all tasks that notice the same jump."""
    clock, events = WorkersClock(), CapturedEvents()
    now = clock.now_ms

    class Engaged(MemoryStore):
        async def clock(self) -> int:
            await asyncio.sleep(0)
            return now

    sessions = AsyncSessions(Engaged(), clock=clock, listeners=[events])

    async def story() -> None:
        session = await sessions.load(None)
        await session.login("ada")
        token = (await sessions.save(session)).token
        clock.advance("1h")
        loaded = await asyncio.gather(*(sessions.load(token) for _ in range(20)))
        assert {each.user_id for each in loaded} == {"ada"}

    asyncio.run(story())
    assert [event.details["millis"] for event in events.only("store.clock_drift")] == [-HOUR]


@pytest.mark.parametrize(("late", "asked"), [([3.0, 0.0], 2), ([3.0, 2.0, 1.0], 3), ([0.1], 1)])
def test_an_answer_that_lay_unread_is_asked_for_again(build: Build, late: list[float], asked: int) -> None:
    """Promise 8: a process that was busy while the store's clock answered is not set back by as long."""
    world = build(POLICY)
    engine, core, passed = Engine(world), world.sessions._core, [0.0]
    core.runtime.elapsed = lambda: passed[0]

    async def clock() -> int:
        answer, busy = engine.now, late[engine.asked]
        engine.asked += 1
        passed[0] += busy
        engine.now += int(busy * 1000)
        world.clock.advance(f"{int(busy * 1000)}ms")
        return answer

    inner: Any = world.store.inner
    inner.clock = clock
    world.run(core.sync_clock())
    assert engine.asked == asked
    assert core.offset == -int(min(late) * 1000)


def test_a_clock_of_a_tests_own_is_the_time(build: Build) -> None:
    """A `FrozenClock` moves time for a store with a clock of its own too, given at the start or for a while."""
    world = build(POLICY, clock=FrozenClock())
    engine, clock = Engine(world), world.sessions._core._clock
    token = world.sign_in()
    clock.advance("29m")
    assert world.user(token) == "ada"
    clock.advance("30m")
    assert world.load(token).reason == "idle"
    assert (engine.asked, drifts(world)) == (0, [])


def test_a_frozen_while_asks_no_store_for_the_time(build: Build) -> None:
    """`freeze` holds on a store with a clock of its own, sweeps included; afterwards the store's is followed again."""
    world = build(POLICY)
    engine = Engine(world)
    world.sign_in()
    with freeze(world.sessions, FrozenClock(world.clock.now)) as clock:
        token = world.sign_in()
        clock.advance("31m")
        assert world.load(token).reason == "idle"
        assert world.run(world.sessions.sweep()).total == 2
    token = world.sign_in()
    engine.now += HOUR
    world.clock.advance("1s")
    assert world.load(token).reason == "idle"


def test_a_store_without_a_clock_is_asked_once(build: Build) -> None:
    """Memory and SQLite run on this machine's clock: after the first answer nothing is compared any more."""
    world = build()
    token = world.sign_in()
    assert world.sessions._core.watch is None
    world.clock.advance("1h")
    assert world.user(token) == "ada"
    assert drifts(world) == []
