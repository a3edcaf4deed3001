"""A session that locks when idle: NIST AAL2 (section 3.2)."""

from __future__ import annotations

import pytest

from coatcheck import Policy, SignInRequired
from coatcheck.lifecycle import Cookie
from tests.fast._world import World
from tests.fast.conftest import Build


def locked(build: Build) -> tuple[World, str]:
    """Sign in, store something, and stay away for an hour."""
    world = build(Policy.from_profile("nist_aal2"))
    token = world.sign_in(data={"draft": "half a letter"})
    world.clock.advance("1h")
    world.events.clear()
    world.store.calls.clear()
    return world, token


def test_guards_refuse_a_locked_session(build: Build) -> None:
    """Section 3.2, N-6: a locked session is nobody's: no user, no roles, no data, and its cookie is kept."""
    world, token = locked(build)
    session, outcome = world.visit(token)
    assert (session.locked, session.reason, session.user_id, session.roles, dict(session), session.signed_in) == (
        True, "locked", None, (), {}, False
    )  # fmt: skip
    with pytest.raises(SignInRequired) as caught:
        _ = session.user
    assert (caught.value.reason, outcome.cookie) == ("locked", Cookie.KEEP)
    assert world.store.writes == []


def test_same_user_unlocks_with_the_data(build: Build) -> None:
    """Section 3.2: one factor of the same user carries the data to a new session; the locked one is over."""
    world, token = locked(build)
    session = world.load(token)
    world.run(session.login("ada"))
    assert (dict(session), session.locked) == ({"draft": "half a letter"}, False)
    fresh = world.sent(session)
    assert world.data(fresh) == {"draft": "half a letter"}
    assert (world.user(token), world.load(token).locked) == (None, False)
    assert world.run(world.sessions.count()) == 1
    assert [event.details.get("reason") for event in world.events.only("session.ended")] == ["superseded"]


def test_another_user_gets_nothing_of_it(build: Build) -> None:
    """Section 3.2, ruling 1: somebody else who signs in at a locked browser gets an empty session."""
    world, token = locked(build)
    assert world.data(world.sign_in("bob", token)) == {}
    assert world.load(token).locked is False


def test_sweep_leaves_it_until_the_absolute_deadline(build: Build) -> None:
    """Section 3.2: a locked session is not swept, and at the absolute deadline it expires for good, told once."""
    world, token = locked(build)
    assert world.run(world.sessions.sweep()).total == 0
    assert world.load(token).locked
    world.clock.advance("23h")
    session = world.load(token)
    assert (session.locked, session.user_id) == (False, None)
    world.run(world.sessions.sweep())
    world.run(world.sessions.sweep())
    assert len(world.events.only("session.expired", "session.abandoned")) == 1
    assert world.data(world.sign_in(token=token)) == {}


def test_logout_of_a_locked_session(build: Build) -> None:
    """S-47: who signs out at the lock ends the session for good: its data cannot be unlocked afterwards."""
    world, token = locked(build)
    session = world.load(token)
    world.run(session.logout())
    assert world.save(session).cookie is Cookie.DELETE
    assert world.load(token).locked is False
    assert world.data(world.sign_in(token=token)) == {}


@pytest.mark.parametrize("everybody", [True, False])
def test_revoking_reaches_locked_sessions(build: Build, everybody: bool) -> None:
    """Promise 2, S-49: a locked session that is revoked cannot be unlocked any more."""
    world, token = locked(build)
    world.run(world.sessions.revoke_all() if everybody else world.sessions.revoke_user("ada"))
    assert world.load(token).locked is False
    assert world.data(world.sign_in(token=token)) == {}


def test_revoking_one_locked_session(build: Build) -> None:
    """Promise 2, S-49: a locked session can be revoked by its id."""
    world, token = locked(build)
    assert world.run(world.sessions.revoke(token[:26])) is True
    assert world.load(token).locked is False


def test_writing_at_the_lock_is_anonymous(build: Build) -> None:
    """Ruling 5: data stored at a locked browser goes to a fresh anonymous session, not to the locked one."""
    world, token = locked(build)
    session = world.load(token)
    session["n"] = 1
    fresh = world.sent(session)
    assert (world.data(fresh), world.user(fresh), world.load(token).locked) == ({"n": 1}, None, True)
