"""Compare-and-set with retry: ruling 9."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from coatcheck import (
    AsyncSessions,
    Contended,
    DataTooLarge,
    NotEncodable,
    Policy,
    PrivilegeChanged,
    SessionGone,
    Sessions,
    StoreUnavailable,
    TransactionMisuse,
    codec,
    transitions,
)
from coatcheck.stores.memory import MemoryStore
from coatcheck.testing import FrozenClock, yielding
from coatcheck.verbs import Change, Refusal
from tests.fast._world import World
from tests.fast.conftest import Build

Keys = MutableMapping[str, Any]


def increment(data: Keys) -> int:
    """Count one up, by changing what is there."""
    data["n"] = data.get("n", 0) + 1
    found: int = data["n"]
    return found


def test_result_and_commit(build: Build) -> None:
    """Ruling 9: the function's result comes back, and its change is committed when the transaction returns."""
    world = build()
    token = world.sign_in()
    session = world.load(token)
    assert world.run(session.transaction(increment)) == 1
    assert world.data(token) == dict(session) == {"n": 1}
    assert world.run(world.sessions.transaction(token[:26], increment)) == 2


def test_earlier_changes_are_committed_first(build: Build) -> None:
    """Ruling 9: what the request changed before is what the transaction sees, nested changes included."""
    world = build()
    token = world.sign_in(data={"list": [1]})
    session = world.load(token)
    session["n"] = 40
    session["list"].append(2)
    assert world.run(session.transaction(lambda data: (increment(data), list(data["list"])))) == (41, [1, 2])
    assert world.data(token) == {"n": 41, "list": [1, 2]}


def test_function_runs_again_when_somebody_was_first(build: Build) -> None:
    """Ruling 9: a lost race reruns the function on the fresh data, and both changes count."""
    world = build()
    token = world.sign_in(data={"n": 0})
    rival, ran = world.load(token), []
    rival["n"] = 10

    def first() -> None:
        world.store.inner._rows.keep(_with(world, rival["n"]))

    world.store.before["commit"] = first

    def change(data: Keys) -> int:
        ran.append(data["n"])
        return increment(data)

    assert world.run(world.sessions.transaction(token[:26], change)) == 11
    assert ran == [0, 10]


def _with(world: World, number: int) -> Any:
    """Return the only record as a rival's commit leaves it."""
    return transitions.committed(world.store.row(), Change({"n": codec.encode(number)}), None, None, None)


def test_deadline(build: Build) -> None:
    """Ruling 9: who loses until the deadline gets Contended, and nothing was saved."""
    world = build()
    token = world.sign_in(data={"n": 0})

    async def always_beaten(*_args: Any, **_options: Any) -> Refusal:
        return Refusal.CONFLICT

    world.store.inner.commit = always_beaten  # type: ignore[method-assign]
    for deadline in ("0s", "5ms"):
        with pytest.raises(Contended, match="nothing was saved"):
            world.run(world.sessions.transaction(token[:26], increment, deadline=deadline))
    assert world.data(token) == {"n": 0}


def test_coroutine_functions_are_refused(build: Build) -> None:
    """Ruling 9: a coroutine function would be run without ever being awaited, so it is refused before anything runs."""
    world = build()
    token = world.sign_in()

    async def later(data: Keys) -> None:
        data["n"] = 1

    with pytest.raises(TransactionMisuse, match="plain"):
        world.run(world.load(token).transaction(later))
    assert world.data(token) == {}


def test_errors_of_the_function_save_nothing(build: Build) -> None:
    """Ruling 9: what the function raises reaches the caller, and what it changed before is dropped."""
    world = build()
    token = world.sign_in(data={"list": [1]})

    def fail(data: Keys) -> None:
        data["list"].append(2)
        data["n"] = 1
        raise ZeroDivisionError

    session = world.load(token)
    with pytest.raises(ZeroDivisionError):
        world.run(session.transaction(fail))
    with pytest.raises(NotEncodable):
        world.run(session.transaction(lambda data: data["list"].append(object())))
    with pytest.raises(DataTooLarge):
        world.run(session.transaction(lambda data: data.update(big="x" * 20_000)))
    world.save(session)
    assert world.data(token) == dict(session) == {"list": [1]}


def test_reading_transaction_writes_nothing(build: Build) -> None:
    """Promise 6: a transaction that changes nothing is a read."""
    world = build()
    token = world.sign_in(data={"n": 1})
    world.store.calls.clear()
    assert world.run(world.sessions.transaction(token[:26], lambda data: data["n"])) == 1
    assert world.store.writes == []


def test_dead_sessions_have_no_transactions(build: Build) -> None:
    """Promise 2: unknown, ended, expired and locked sessions refuse a transaction, by id and in a request."""
    world = build(Policy.from_profile("nist_aal2"))
    ended, locked, held = world.sign_in(), world.sign_in("bob"), world.load(world.sign_in("cem"))
    world.run(world.sessions.revoke(ended[:26]))
    world.run(world.sessions.revoke_user("cem"))
    world.clock.advance("1h")
    for session_id in (ended[:26], locked[:26], "0" + "A" * 25, "nonsense"):
        with pytest.raises(SessionGone):
            world.run(world.sessions.transaction(session_id, increment))
    for session in (held, world.load()):
        with pytest.raises(SessionGone):
            world.run(session.transaction(increment))


def test_privilege_change_refuses_the_requests_transaction(build: Build) -> None:
    """Promise 3: a transaction of a request from an older generation is refused; one by id has none."""
    world = build()
    token = world.sign_in()
    session = world.load(token)
    world.run(world.sessions.set_roles("ada", ["reader"]))
    with pytest.raises(PrivilegeChanged):
        world.run(session.transaction(increment))
    assert world.run(world.sessions.transaction(token[:26], increment)) == 1


def test_visitor_may_begin_with_a_transaction_after_storing(build: Build) -> None:
    """Ruling 9: a visitor who stored something in this request has a session to run a transaction on."""
    world = build()
    session = world.load()
    session["n"] = 1
    assert world.run(session.transaction(increment)) == 2
    assert world.data(world.save(session).token) == {"n": 2}


def test_outage_in_a_transaction_is_told(build: Build) -> None:
    """Promise 9: a store that does not answer is an outage, not a lost race."""
    world = build()
    token = world.sign_in()
    world.store.down = {"commit"}
    with pytest.raises(StoreUnavailable):
        world.run(world.sessions.transaction(token[:26], increment))


@pytest.mark.parametrize("seed", range(3))
def test_no_increment_is_lost_between_tasks(seed: int) -> None:
    """Promise 3: 40 tasks that each count one up, through two managers over one store that gives way, count to 40."""

    async def race() -> int:
        store = yielding(MemoryStore(), seed=seed)
        managers = [AsyncSessions(store, clock=FrozenClock()) for _ in range(2)]
        session = await managers[0].load(None)
        await session.login("ada")
        session_id = session.id or ""
        await asyncio.gather(*(managers[i % 2].transaction(session_id, increment, deadline="1m") for i in range(40)))
        return await managers[0].transaction(session_id, lambda data: int(data["n"]))

    assert asyncio.run(race()) == 40


def test_no_increment_is_lost_between_threads() -> None:
    """Promise 3: 40 transactions in 8 threads of the blocking manager count to 40, and leave no turn behind."""
    sessions = Sessions(MemoryStore(), clock=FrozenClock())
    session = sessions.load(None)
    session.login("ada")
    session_id = session.id or ""
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: sessions.transaction(session_id, increment, deadline="1m"), range(40)))
    assert sorted(results) == list(range(1, 41))
    assert sessions._core.runtime._turns == {}  # type: ignore[attr-defined]
