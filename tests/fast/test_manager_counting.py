"""What a process counts reaches the store: in time, once, also after an outage, and without slowing a request."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import threading

import pytest

from coatcheck import AsyncSessions, ConfigurationError, Policy, Sessions, StoreUnavailable
from coatcheck.counting import Counts
from coatcheck.manager import counting
from coatcheck.model import replace
from coatcheck.stores.contract import Capability
from coatcheck.stores.memory import MemoryStore
from coatcheck.testing import FrozenClock
from tests.fast._world import World
from tests.fast.conftest import Build


def last(world: World) -> Counts:
    """Return the counts of the minute that the world's clock shows."""
    line: list[Counts] = world.run(world.sessions.counts("minute"))
    return line[-1]


def test_what_happens_is_counted(build: Build) -> None:
    """S-83: sign-ins, ends of every kind, rejected cookies and refused sign-ins are in the minute's counts."""
    world = build(Policy(max_sessions=1, at_limit="evict_oldest", idle_timeout="1h"))
    world.sign_in("ada")
    out = world.sign_in("ada")
    world.load("made-up")
    session = world.load(out)
    world.run(session.logout())
    world.sign_in("ben")
    world.run(world.sessions.revoke_user("ben"))
    assert {name: getattr(last(world), name) for name in counting.counting.NAMES if getattr(last(world), name)} == {
        "created": 3, "evicted": 1, "signed_out": 1, "revoked": 1, "rejected": 1,
    }  # fmt: skip
    world.sign_in("cid")
    world.clock.advance("2h")
    world.run(world.sessions.sweep())
    assert last(world).abandoned == 1
    assert sum(each.created for each in world.run(world.sessions.counts("day"))) == 4


def test_the_stores_times_are_counted(build: Build) -> None:
    """A request that looks a session up counts one read, one that stores something also a write."""
    world = build()
    token = world.sign_in("ada")
    before = last(world)
    world.load(token)
    session = world.load(token)
    session["n"] = 1
    world.run(world.sessions.save(session))
    after = last(world)
    assert after.reads.count - before.reads.count == 2
    assert after.writes.count - before.writes.count == 1


def test_every_write_is_timed(build: Build) -> None:
    """Signing in, a new secret, signing out and revoking wait for the disk as storing data does."""
    world = build()
    token = world.sign_in("ada")
    session = world.load(token)
    for act in (session.rotate, session.logout, lambda: world.sessions.revoke_user("ada")):
        before = last(world).writes.count
        world.run(act())
        assert last(world).writes.count == before + 1
    assert before >= 1


def test_a_store_that_does_not_answer_is_timed_too(build: Build) -> None:
    """The slowest answers are those that never came; leaving them out would make an outage look quick."""
    world = build()
    token = world.sign_in("ada")
    before = last(world).reads.count
    world.store.down.add("find")
    with pytest.raises(StoreUnavailable):
        world.load(token)
    world.store.down.clear()
    assert last(world).reads.count == before + 1


def test_a_sweep_samples_the_live_sessions(build: Build) -> None:
    """The plot's line of live sessions has a point for each sweep."""
    world = build()
    world.sign_in("ada")
    world.sign_in("ben")
    assert last(world).live is None
    world.clock.advance("5m")
    world.run(world.sessions.sweep_if_due())
    assert last(world).live == 2


def test_a_count_that_takes_too_long_leaves_a_gap(build: Build) -> None:
    """A store that cannot count its sessions in time has swept all the same."""
    world = build()
    world.sign_in("ada")
    world.store.down.add("count")
    world.clock.advance("8d")
    assert world.run(world.sessions.sweep_if_due()).total == 1
    world.store.down.clear()
    assert last(world).live is None


def test_no_request_waits_for_counts(build: Build) -> None:
    """Promise 6: reading writes nothing, counts neither, until the interval is over and upkeep is asked for."""
    world = build(Policy(count_every="10s", sweep_every=None))
    token = world.sign_in("ada")
    world.store.calls.clear()
    for _ in range(5):
        world.load(token)
    assert "add_counts" not in world.store.calls
    assert world.sessions.upkeep_due
    world.run(world.sessions.upkeep_if_due())
    assert world.store.calls.count("add_counts") == 1
    world.load(token)
    assert not world.sessions.upkeep_due
    world.clock.advance("10s")
    assert world.sessions.upkeep_due


def test_an_outage_loses_no_counts(build: Build) -> None:
    """What the store does not answer is written with the next, into the minute in which it happened."""
    world = build()
    world.sign_in("ada")
    world.store.down.add("add_counts")
    with pytest.raises(StoreUnavailable):
        world.run(world.sessions.counts("minute"))
    world.run(world.sessions.upkeep_if_due())
    world.clock.advance("5m")
    world.store.down.clear()
    line: list[Counts] = world.run(world.sessions.counts("minute"))
    assert [each.created for each in line[-6:]] == [1, 0, 0, 0, 0, 0]


def test_a_long_outage_keeps_a_days_counts_at_most() -> None:
    """Nothing grows without bound: of two days without an answer the last day's minutes are kept."""
    clock = FrozenClock()
    sessions = Sessions("memory://", clock=clock)
    counter = sessions._core.counter
    assert counter is not None
    for minute in range(2 * counting.MOST_MINUTES):
        counter.add("rejected", minute * 60_000)
    waiting = counter.take()
    assert len(waiting) == counting.MOST_MINUTES
    assert waiting[0].at == counting.MOST_MINUTES * 60_000


def test_what_waited_is_written_in_small_steps(build: Build) -> None:
    """After an outage of hours no single step of the store takes long, and what was written is not written again."""
    world = build()
    counter = world.sessions._core.counter
    now = world.clock.now_ms
    for minute in range(2 * counting.AT_ONCE + 1):
        counter.add("rejected", now - minute * 60_000)
    world.run(world.sessions.upkeep_if_due())
    assert world.store.calls.count("add_counts") == 3
    assert sum(each.rejected for each in world.run(world.sessions.counts("minute"))) == 2 * counting.AT_ONCE + 1
    assert world.store.calls.count("add_counts") == 3


def test_what_was_counted_is_written_at_the_end() -> None:
    """Closing a manager writes its counts: a command that ends sessions is in the plot."""
    store = MemoryStore()
    with Sessions(store) as first:
        session = first.load(None)
        session.login("ada")
    with Sessions(store) as second:
        assert second.counts("day")[-1].created == 1


def test_threads_count_exactly() -> None:
    """Eight threads that count at once lose nothing."""
    sessions = Sessions("memory://")
    counter = sessions._core.counter
    assert counter is not None

    def count() -> None:
        for _ in range(2000):
            counter.add("rejected", 0)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [tally] = counter.take()
    assert tally.counts == {"rejected": 16_000}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_worker_counts_for_itself() -> None:
    """What the parent counted is the parent's to write, and a lock that a thread of it held is not inherited."""
    program = """
        import os, signal
        from coatcheck import Sessions
        sessions = Sessions("memory://")
        counter = sessions._core.counter
        counter.add("created", 0, 5)
        with counter._lock:
            child = os.fork()
            if child == 0:
                signal.alarm(20)
                counter.add("rejected", 0)
                os._exit(0 if [tally.counts for tally in counter.take()] == [{"rejected": 1}] else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert [tally.counts for tally in counter.take()] == [{"created": 5}]
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=60)


def test_closing_from_another_loop_keeps_the_counts() -> None:
    """`aclose` is harmless while the loop that the manager belongs to still runs, and loses nothing."""
    sessions = AsyncSessions(MemoryStore())

    async def used() -> None:
        await sessions.load("made-up")
        await sessions.count()
        await asyncio.to_thread(asyncio.run, sessions.aclose())
        assert (await sessions.counts())[-1].rejected == 1

    asyncio.run(used())


@pytest.mark.parametrize("how", ["policy", "store"])
def test_counting_can_be_absent(how: str) -> None:
    """`count_every=None`, or a store without counters, counts nothing; reading counts needs a store that can."""
    store = MemoryStore()
    if how == "store":
        poorer = replace(store.traits, capabilities=store.traits.capabilities - {Capability.COUNTERS})
        store = type("Poorer", (MemoryStore,), {"traits": property(lambda _self: poorer)})()
    sessions = Sessions(store, policy=Policy(count_every=None) if how == "policy" else None)
    assert sessions._core.counter is None
    sessions.load("made-up")
    sessions.upkeep_if_due()
    if how == "store":
        with pytest.raises(ConfigurationError, match="keeps no counts"):
            sessions.counts()
    else:
        assert sum(each.rejected for each in sessions.counts()) == 0


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"every": "week"}, "write one of 'minute', 'hour', 'day'"),
        ({"every": "minute", "since": 10, "until": 5}, "since must lie before until"),
        ({"every": "minute", "since": 0}, "minutes are kept for 24 hours"),
    ],
)
def test_a_wrong_question_is_said(terms: dict[str, object], message: str) -> None:
    """How to work, 7: what is asked for and cannot be answered says what can."""
    with pytest.raises(ValueError, match=message):
        Sessions("memory://").counts(**terms)  # type: ignore[arg-type]


def test_a_lifespan_writes_counts_without_requests() -> None:
    """In ASGI a task writes at the policy's interval, and goes on after the store has failed it."""
    world = World("async", Policy(count_every="1s"))
    core = world.sessions._core
    pauses: list[float] = []

    async def story() -> None:
        turns = iter(range(3))

        async def pause(seconds: float) -> None:
            pauses.append(seconds)
            if next(turns, None) is None:
                raise asyncio.CancelledError
            world.store.down = {"add_counts"} if len(pauses) == 1 else set()
            await asyncio.sleep(0)

        core.runtime.pause = pause  # type: ignore[method-assign]
        await world.sessions.load("made-up")
        with pytest.raises(asyncio.CancelledError):
            await world.sessions.count_for_ever()

    world.run(story())
    assert pauses == [1.0] * 4
    assert world.store.calls.count("add_counts") == 2


def test_an_interval_of_less_than_a_second_is_refused() -> None:
    """Counts are not written for every request by mistake."""
    with pytest.raises(ConfigurationError, match="count_every is 500ms; write counts at most once a second"):
        AsyncSessions("memory://", policy=Policy(count_every="500ms"))
