"""Going on with a session that the idle clock locked, after one factor."""

from __future__ import annotations

import pytest

from coatcheck import Policy, SessionGone, SignInRequired, StaleLogin, StoreUnavailable
from coatcheck.refusals import StepUpRequired
from tests.fast._world import World
from tests.fast.conftest import Build


def locked(build: Build) -> tuple[World, str]:
    """Sign in at level 2, store something, and stay away for an hour."""
    world = build(Policy.from_profile("nist_aal2"))
    token = world.sign_in(data={"draft": "half a letter"}, amr=["pwd", "otp"], roles=["editor"])
    world.clock.advance("1h")
    world.events.clear()
    return world, token


def test_one_factor_resumes_it(build: Build) -> None:
    """NIST 3.2: data, roles and level are there again under a new id and secret; the locked session is over."""
    world, token = locked(build)
    deadline = world.store.row().expires_at
    session = world.load(token)
    world.run(session.resume(amr=["pwd"]))
    assert dict(session) == {"draft": "half a letter"}
    after = world.sent(session)
    found = world.load(after)
    assert (found.user_id, found.roles, found.aal, found.amr) == ("ada", ("editor",), 2, ("pwd", "otp"))
    assert (dict(found), found.expires_at.timestamp() * 1000) == ({"draft": "half a letter"}, deadline)
    assert (after[:26] == token[:26], world.load(token).reason) == (False, "superseded")
    assert world.run(world.sessions.count()) == 1


def test_the_absolute_deadline_holds_through_any_number(build: Build) -> None:
    """N-14, promise 8: resuming every hour does not pass the overall time-out, after which nothing resumes."""
    world, token = locked(build)
    for _ in range(22):
        session = world.load(token)
        world.run(session.resume(amr=["pwd"]))
        token = world.sent(session)
        world.clock.advance("1h")
    world.clock.advance("1h")
    assert (world.load(token).locked, world.load(token).reason) == (False, "idle")
    with pytest.raises(SignInRequired):
        world.run(world.load(token).resume(amr=["pwd"]))


def test_resuming_makes_nothing_fresh(build: Build) -> None:
    """7.5.1: one factor resumes and is no full sign-in, so that `require_fresh` still asks for one."""
    world, token = locked(build)
    session = world.load(token)
    world.run(session.resume(amr=["pwd"]))
    with pytest.raises(StepUpRequired):
        session.require_fresh("30m")


def test_only_a_locked_session_resumes(build: Build) -> None:
    """NIST 3.2: neither a live nor an ended session, nor a visitor."""
    world = build(Policy.from_profile("nist_aal2"))
    live = world.sign_in()
    ended = world.sign_in("bob")
    world.run(world.sessions.revoke(ended[:26]))
    for token in (None, live, ended):
        with pytest.raises(SignInRequired):
            world.run(world.load(token).resume(amr=["pwd"]))
    assert world.user(live) == "ada"


def test_a_revoke_meanwhile_wins(build: Build) -> None:
    """Promise 2: a locked session that is ended while the factor is checked is not brought back by it."""
    world, token = locked(build)
    session = world.load(token)
    world.run(world.sessions.revoke(token[:26]))
    with pytest.raises(SessionGone):
        world.run(session.resume(amr=["pwd"]))
    assert world.run(world.sessions.list("ada")) == []


def test_a_revoke_at_the_last_moment_wins(build: Build) -> None:
    """Promise 2: it wins also between the look at the locked session and the step that replaces it."""
    world, token = locked(build)
    session = world.load(token)
    inner = world.store.inner

    def revoke() -> None:
        """End the locked session just before it is replaced."""
        coroutine = inner.end(token[:26], reason="revoked", now=world.clock.now_ms)
        with pytest.raises(StopIteration):
            coroutine.send(None)

    world.store.before["create"] = revoke
    with pytest.raises(SessionGone):
        world.run(session.resume(amr=["pwd"]))
    assert world.run(world.sessions.list("ada")) == []
    assert (session.user_id, world.save(session).token) == (None, None)


def test_signing_out_everywhere_meanwhile_wins(build: Build) -> None:
    """Promise 2: the epoch from before the factor was checked refuses it."""
    world, token = locked(build)
    epoch = world.run(world.sessions.epoch("ada"))
    session = world.load(token)
    world.run(world.sessions.set_roles("ada", ["user"]))
    with pytest.raises(StaleLogin):
        world.run(session.resume(amr=["pwd"], epoch=epoch))
    world.run(session.resume(amr=["pwd"]))
    assert session.roles == ("user",)


def test_two_that_resume_leave_one_session(build: Build) -> None:
    """Promise 2: of two tabs that resume at once one goes on and the other hears that it is gone."""
    world, token = locked(build)
    first, second = world.load(token), world.load(token)
    world.run(first.resume(amr=["pwd"]))
    with pytest.raises(SessionGone):
        world.run(second.resume(amr=["pwd"]))
    assert len(world.run(world.sessions.list("ada"))) == 1


@pytest.mark.parametrize("verb", ["find", "epoch", "create"])
def test_an_outage_loses_nothing(build: Build, verb: str) -> None:
    """Promise 9: a store that does not answer leaves the locked session as it was, to be tried again."""
    world, token = locked(build)
    session = world.load(token)
    world.store.calls.clear()
    world.store.down.add(verb)
    with pytest.raises(StoreUnavailable):
        world.run(session.resume(amr=["pwd"]))
    assert (world.store.writes in ([], ["create"]), world.save(session).token) == (True, None)
    world.store.down.clear()
    again = world.load(token)
    assert again.locked
    world.run(again.resume(amr=["pwd"]))
    assert dict(again) == {"draft": "half a letter"}


def test_it_is_one_step(build: Build) -> None:
    """Promise 9: one write makes the new session, moves the data and ends the old one, so that none is done alone."""
    world, token = locked(build)
    session = world.load(token)
    world.store.calls.clear()
    world.run(session.resume(amr=["pwd"]))
    assert world.store.writes == ["create"]
    assert world.events.names == ["session.created", "session.ended"]


def test_level_three_takes_all_factors(build: Build) -> None:
    """NIST 2.3.3: one factor goes on at level 2 at most, whatever level the session had."""
    world = build(Policy(aal=3, idle_timeout="15m", absolute_timeout="12h", on_idle="lock", allow_remember=False))
    token = world.sign_in(amr=["pwd", "hwk"], aal=3)
    world.clock.advance("15m")
    session = world.load(token)
    world.run(session.resume(amr=["pwd"]))
    assert (session.aal, session.user_id) == (2, "ada")
    with pytest.raises(StepUpRequired):
        session.require_aal(3)


def test_who_comes_second_pushes_nobody_out() -> None:
    """Promise 4: a form sent twice under a limit of one: the second finds the place taken and ends nothing."""
    world = World("blocking", Policy(aal=2, idle_timeout="1h", on_idle="lock", max_sessions=1))
    token = world.sign_in()
    world.clock.advance("1h")
    first, second = world.load(token), world.load(token)
    world.store.before["create"] = lambda: first.resume(amr=["pwd"])
    with pytest.raises(SessionGone):
        second.resume(amr=["pwd"])
    assert (world.user(world.sent(first)), world.save(second).token) == ("ada", None)
