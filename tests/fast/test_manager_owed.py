"""Sign-outs that a silent store still owes: they hold here at once, harm nobody else, and nobody can cancel them."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest

from coatcheck import Sessions, StoreUnavailable, Unconfirmed, tokens
from coatcheck.manager.core import PendingLogout
from coatcheck.manager.ending import RETRY_PAUSE
from coatcheck.stores.memory import MemoryStore
from tests.fast._world import World
from tests.fast.conftest import Build

WRITES = {"create", "commit", "touch", "rotate", "end"}
STRANGER = tokens.mint(lambda count: b"\1" * count).token
"""A well-formed ticket that no store knows."""


def sign_out(world: World, token: str, down: set[str]) -> None:
    """Sign out while the store does not answer the verbs *down*, and leave it so."""
    if "find" not in down:
        session = world.load(token)
        world.store.down = down
    else:
        world.store.down = down
        session = _loaded_in_vain(world, token)
    with pytest.raises(StoreUnavailable, match="not confirmed"):
        world.run(session.logout())


def _loaded_in_vain(world: World, token: str) -> Any:
    """Return the session of a request whose load was not answered, as the web adapter makes it."""
    session = world.load(None)
    session._state.ticket = tokens.parse(token)
    session._state.problem = StoreUnavailable("the store did not answer the load")
    return session


def forged(token: str, letter: str = "A") -> str:
    """Return a ticket with the id of *token*, which is public, and a secret of a stranger's."""
    return tokens.Ticket(token[:26], letter * 43).token


def neighbour(world: World) -> World:
    """Return another worker on the same store and clock, which knows nothing of what this one owes."""
    other = World(world.mode, store=world.store.inner)
    other.clock = other.sessions._core._clock = world.clock
    return other


def recover(world: World) -> None:
    """Let the store answer again, and the pause until the next try pass."""
    world.store.down = set()
    world.clock.advance("2s")


# -- one unanswered sign-out is nobody else's outage


def test_a_store_that_only_reads_serves_everybody_else(build: Build) -> None:
    """Promise 9, ruling 8: with a full disk one failed sign-out makes no request of anybody fail."""
    world = build()
    ada, bob = world.sign_in("ada"), world.sign_in("bob", data={"n": 1})
    sign_out(world, ada, WRITES)
    for _ in range(10):
        assert (world.user(bob), world.data(bob)) == ("bob", {"n": 1})
    assert world.load(ada).reason == "signed_out"


def test_owed_sign_outs_are_tried_again_with_pauses(build: Build) -> None:
    """Ruling 8: while the store does not write, one try in each pause, however many requests come."""
    world = build()
    sign_out(world, world.sign_in("ada"), WRITES)
    world.store.down = set()
    bob = world.sign_in("bob")
    world.clock.advance("2s")
    sign_out(world, bob, WRITES)
    for _ in range(3):
        world.store.calls.clear()
        for _ in range(10):
            world.user(None)
            world.user(STRANGER)
        assert world.store.calls.count("end") == 1
        world.clock.advance(f"{RETRY_PAUSE}ms")


def test_an_owed_sign_out_is_done_when_the_store_writes_again(build: Build) -> None:
    """Ruling 8, promise 2: after the outage the session is over for every worker, and told once."""
    world = build()
    ada, bob = world.sign_in("ada"), world.sign_in("bob")
    sign_out(world, ada, WRITES)
    assert neighbour(world).user(ada) == "ada", "the store has not heard yet"
    recover(world)
    world.user(bob)
    assert neighbour(world).load(ada).reason == "signed_out"
    assert [event.session_id for event in world.events.only("logout.confirmed", "session.ended")] == [ada[:26]] * 2


def test_a_queue_that_another_thread_emptied_is_no_error(build: Build) -> None:
    """Ruling 8: whoever retries takes its entry out first, so that two threads never reach for the same one."""
    world = build()
    sign_out(world, world.sign_in("ada"), WRITES)
    recover(world)
    world.store.before["find"] = world.sessions._core.pending.clear
    assert world.user(STRANGER) is None
    assert world.events.only("logout.confirmed")


def test_threads_that_retry_together_all_get_their_answers() -> None:
    """Ruling 8: eight threads over a full queue, each served, and the queue empty in the end."""
    sessions = Sessions(MemoryStore())
    session = sessions.load(None)
    session.login("bob")
    token = sessions.save(session).token
    users: list[str | None] = []
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(20):
            queue = sessions._core.unjudged
            queue.extend(PendingLogout("0" + "A" * 25, b"%d" % number, verified=False) for number in range(30))
            threads = [threading.Thread(target=lambda: users.append(sessions.load(token).user_id)) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for _ in range(8):  # a thread that meets another one trying goes on without
                sessions.load(token)
            assert not queue
    finally:
        sys.setswitchinterval(interval)
    assert users == ["bob"] * 160


def test_an_end_is_told_by_whoever_made_it(build: Build) -> None:
    """Law of one end event: a sign-out that never arrived here and went through elsewhere is told there alone."""
    world = build()
    token = world.sign_in()
    sign_out(world, token, {"end"})
    other = neighbour(world)
    world.clock.advance("1ms")
    other.run(other.load(token).logout())
    recover(world)
    world.user(STRANGER)
    assert [event.name for event in world.events.only("logout.confirmed", "session.ended")] == ["logout.confirmed"]
    assert [event.session_id for event in other.events.only("session.ended")] == [token[:26]]


def test_an_end_whose_answer_was_lost_is_told_once(build: Build) -> None:
    """Law of one end event: the try that was written and not answered is known by its moment, however often asked."""
    world = build()
    token = world.sign_in()
    inner: Any = world.store.inner
    real = inner.end

    async def lost(*args: Any, **terms: Any) -> Any:
        await real(*args, **terms)
        raise StoreUnavailable("the answer was lost")

    inner.end = lost
    sign_out(world, token, set())
    for _ in range(3):
        recover(world)
        world.user(STRANGER)
    assert [event.session_id for event in world.events.only("session.ended")] == [token[:26]]
    inner.end = real
    recover(world)
    world.user(STRANGER)
    assert len(world.events.only("session.ended")) == len(world.events.only("logout.confirmed")) == 1


@pytest.mark.parametrize("fault", [StoreUnavailable, Unconfirmed])
def test_one_that_cannot_be_done_holds_up_no_other(build: Build, fault: type[StoreUnavailable]) -> None:
    """Promise 2: a sign-out on a lost shard, or one whose replicas are missing, leaves its turn to the next."""
    world = build()
    ada, bob = world.sign_in("ada"), world.sign_in("bob")
    inner: Any = world.store.inner
    real = inner.end

    async def end(id: str, **terms: Any) -> Any:
        if id == ada[:26]:
            raise fault("not this one")
        return await real(id, **terms)

    inner.end = end
    sign_out(world, ada, set())
    sign_out(world, bob, {"find"})
    for _ in range(2):
        recover(world)
        world.user(STRANGER)
    assert neighbour(world).load(bob).reason == "signed_out"
    assert neighbour(world).user(ada) == "ada", "the store has not heard of hers"


# -- the ticket opens nothing in this process while its sign-out is owed


@pytest.mark.parametrize("down", [{"end"}, {"find", "end"}], ids=["verified", "unjudged"])
def test_an_owed_ticket_opens_nothing_here(build: Build, down: set[str]) -> None:
    """Promise 2: whoever signed out is out in this process at once; the store is asked nothing about it."""
    world = build()
    token = world.sign_in()
    sign_out(world, token, down)
    world.store.down = {"end"}
    session = world.load(token)
    assert (session.user_id, session.reason, dict(session)) == (None, "signed_out", {})


@pytest.mark.parametrize("verb", ["find", "end"])
def test_an_owed_ticket_opens_nothing_while_it_is_tried_again(verb: str) -> None:
    """Promise 2: nor in another thread, at the moment when the retry is on its way to the store."""
    world = World("blocking")
    token, bob = world.sign_in("ada"), world.sign_in("bob")
    sign_out(world, token, {"end"})
    world.store.down = set()
    seen: list[str | None] = []
    world.store.before[verb] = lambda: seen.append(world.user(token))
    world.user(bob)
    assert seen == [None]


def test_the_former_secret_of_an_owed_session_opens_nothing_here_either(build: Build) -> None:
    """Promise 2, ruling 3: with a successor that never arrived, the sign-out holds for the secret the browser had."""
    world = build()
    token = world.sign_in()
    world.clock.advance("24h")
    world.visit(token)
    sign_out(world, token, {"end"})
    assert world.user(token) is None


# -- nobody can take an owed sign-out away


def test_a_forged_ticket_of_the_same_id_does_not_cancel(build: Build) -> None:
    """Ruling 8, promise 1: the id is public; a stranger who signs out with it first takes nobody's place."""
    world = build()
    token, bob = world.sign_in(), world.sign_in("bob")
    sign_out(world, forged(token), {"all", "find"})
    sign_out(world, token, {"all", "find"})
    sign_out(world, forged(token, "B"), {"all", "find"})
    recover(world)
    for _ in range(3):
        world.user(bob)
    assert neighbour(world).load(token).reason == "signed_out"
    assert world.user(bob) == "bob"


def test_forged_tickets_push_no_verified_sign_out_away(build: Build) -> None:
    """Ruling 8: more unjudged sign-outs than the queue holds, and the one that was verified is still done."""
    world = build()
    token, bob = world.sign_in(), world.sign_in("bob")
    sign_out(world, token, {"end"})
    for number in range(1100):
        sign_out(world, tokens.mint(lambda count, by=number: by.to_bytes(count, "big")).token, {"end", "find"})
    core = world.sessions._core
    assert (len(core.pending), len(core.unjudged)) == (1, core.unjudged.maxlen)
    recover(world)
    world.user(bob)
    assert neighbour(world).load(token).reason == "signed_out"


def test_a_forged_sign_out_ends_nothing(build: Build) -> None:
    """Promise 1: an unjudged sign-out is judged when the store is back, and one with a wrong secret is dropped."""
    world = build()
    token = world.sign_in()
    sign_out(world, forged(token), {"find"})
    recover(world)
    assert world.user(token) == "ada"
    assert not world.sessions._core.unjudged
    assert not world.events.only("logout.confirmed", "session.ended")


def test_a_rotation_elsewhere_does_not_lose_a_verified_sign_out(build: Build) -> None:
    """Promise 2: another worker rotates the session meanwhile and the old secret is late; it ends all the same."""
    world = build()
    token = world.sign_in()
    world.clock.advance("24h")
    sign_out(world, token, {"end", "touch", "rotate", "commit"})
    other = neighbour(world)
    successor = other.visit(token)[1].token
    assert successor is not None
    other.visit(successor)
    world.clock.advance("1m")
    assert other.load(token).reason == "superseded"
    recover(world)
    world.user(successor)
    assert other.load(successor).reason == "signed_out"
    assert world.events.only("logout.confirmed")
