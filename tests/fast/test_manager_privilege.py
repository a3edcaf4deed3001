"""Stepping up, fresh enough, the right role, and the user's other sessions."""

from __future__ import annotations

from typing import Any

import pytest

from coatcheck import PrivilegeChanged, SessionGone, SignInRequired, StaleLogin
from coatcheck.policy import Policy
from coatcheck.refusals import RoleRequired, StepUpRequired
from coatcheck.state import Phase
from tests.fast._world import Browser
from tests.fast.conftest import Build


def test_step_up_keeps_the_id_and_kills_the_secret(build: Build) -> None:
    """7.2.4, promise 5: re-authentication gives a new secret under the same id, and the old one is dead at once."""
    world = build()
    before = world.sign_in(amr=["pwd"], data={"cart": [1]})
    world.clock.advance("1h")
    session = world.load(before)
    world.run(session.step_up(amr=["otp", "pwd"], aal=2))
    after = world.sent(session)
    assert after[:26] == before[:26]
    assert after[27:] != before[27:]
    assert (world.user(before), world.load(before).reason) == (None, "superseded")
    found = world.load(after)
    assert (found.amr, found.aal, dict(found)) == (("pwd", "otp"), 2, {"cart": [1]})
    assert found.auth_time.timestamp() * 1000 == world.clock.now_ms


def test_step_up_does_not_prolong_the_session(build: Build) -> None:
    """Promise 8: the absolute deadline is where sign-in put it."""
    world = build()
    token = world.sign_in()
    deadline = world.load(token).expires_at
    world.clock.advance("1d")
    session = world.load(token)
    world.run(session.step_up(amr=["otp"]))
    assert world.load(world.sent(session)).expires_at == deadline


def test_step_up_may_change_the_roles_of_this_session_alone(build: Build) -> None:
    """SM-12: privilege that a factor opens is this session's; the user's other sessions keep theirs."""
    world = build()
    other, token = world.sign_in(roles=["user"]), world.sign_in(roles=["user"])
    session = world.load(token)
    world.run(session.step_up(amr=["otp"], roles=["user", "admin"]))
    assert world.load(world.sent(session)).roles == ("admin", "user")
    assert world.load(other).roles == ("user",)


def test_a_request_of_before_cannot_commit(build: Build) -> None:
    """Promise 5: a request that read the session before the step-up does not write into it afterwards."""
    world = build()
    token = world.sign_in()
    late, session = world.load(token), world.load(token)
    world.run(session.step_up(amr=["otp"]))
    world.sent(session)
    late["a"] = 1
    with pytest.raises((PrivilegeChanged, SessionGone)):
        world.save(late)


def test_levels_are_capped(build: Build) -> None:
    """N-8, N-7: no level above the policy's, and a remembered sign-in stays at 1 whatever is shown in it."""
    world = build(Policy(aal=2))
    session = world.load(world.sign_in())
    world.run(session.step_up(amr=["hwk"], aal=3))
    assert session.aal == 2
    remembered = world.load(world.sign_in(remember=True, aal=2))
    assert remembered.aal == 1
    world.run(remembered.step_up(amr=["otp"], aal=2))
    assert remembered.aal == 1


def test_a_level_rises_only_with_a_stated_event(build: Build) -> None:
    """N-8: without a level the step-up leaves the one the session has."""
    world = build()
    session = world.load(world.sign_in(aal=1))
    world.run(session.step_up(amr=["pwd"]))
    assert session.aal == 1
    with pytest.raises(ValueError, match="aal must be 0, 1, 2 or 3"):
        world.run(session.step_up(aal=4))


@pytest.mark.parametrize("verb", ["step_up", "revoke_others"])
def test_who_is_not_signed_in(build: Build, verb: str) -> None:
    """SM-12: there is nothing to step up without a user, and no others to revoke; the reason is told."""
    world = build(Policy(idle_timeout="1h"))
    with pytest.raises(SignInRequired) as caught:
        world.run(getattr(world.load(world.visitor(cart=1)), verb)())
    assert caught.value.reason == "none"
    token = world.sign_in()
    world.clock.advance("2h")
    with pytest.raises(SignInRequired) as caught:
        world.run(getattr(world.load(token), verb)())
    assert caught.value.reason == "idle"


def test_fresh_is_told_to_the_second(build: Build) -> None:
    """7.5.1, S-44: `require_fresh` passes until max_age after the user proved who they are, and not later."""
    world = build()
    token = world.sign_in(aal=1)
    world.clock.advance("5m")
    assert world.load(token).require_fresh("5m").id == "ada"
    world.clock.advance("1s")
    with pytest.raises(StepUpRequired) as caught:
        world.load(token).require_fresh("5m")
    assert (caught.value.max_age, caught.value.aal, caught.value.status) == (300, None, 401)
    session = world.load(token)
    world.run(session.step_up(amr=["pwd"]))
    assert session.require_fresh("5m").auth_time is not None


def test_activity_does_not_make_fresh(build: Build) -> None:
    """7.5.1: using a session, and a new secret by itself, prove nothing about who sits there."""
    world = build()
    browser = Browser(world, world.sign_in())
    world.clock.advance("10m")
    browser.request()
    browser.request(lambda session: session.rotate())
    with pytest.raises(StepUpRequired):
        world.load(browser.token).require_fresh("5m")


def test_levels_are_required(build: Build) -> None:
    """7.5.3: a level is asked for, by itself and together with freshness; nobody's level passes none."""
    world = build()
    session = world.load(world.sign_in(aal=1))
    assert session.require_aal(1).aal == 1
    with pytest.raises(StepUpRequired) as caught:
        session.require_fresh("5m", aal=2)
    assert (caught.value.max_age, caught.value.aal) == (300, 2)
    with pytest.raises(StepUpRequired):
        world.load(world.sign_in()).require_aal(1)
    with pytest.raises(SignInRequired):
        world.load().require_aal(0)


def test_roles_are_required(build: Build) -> None:
    """S-07: one of the roles named is enough; the error names them for the log and not in its words."""
    world = build()
    session = world.load(world.sign_in(roles=["editor"]))
    assert session.require_role("admin", "editor").id == "ada"
    with pytest.raises(RoleRequired) as caught:
        session.require_role("admin")
    assert (caught.value.roles, caught.value.status, "admin" in str(caught.value)) == (("admin",), 403, False)
    with pytest.raises(RoleRequired):
        session.require_role()
    with pytest.raises(SignInRequired):
        world.load().require_role("admin")


def test_revoke_others_ends_all_but_this_one(build: Build) -> None:
    """7.4.3: after a change of password the others are over, this one goes on with a new secret."""
    world = build()
    others = [world.sign_in() for _ in range(3)]
    token = world.sign_in(data={"cart": [1]})
    session = world.load(token)
    assert world.run(session.revoke_others()) == 3
    fresh = world.sent(session)
    assert fresh != token
    assert [world.user(each) for each in (*others, token)] == [None] * 4
    assert (world.user(fresh), world.data(fresh)) == ("ada", {"cart": [1]})
    assert [world.load(each).reason for each in others] == ["revoked"] * 3


def test_revoke_others_refuses_a_sign_in_under_way(build: Build) -> None:
    """Promise 2: whoever passed the old password's check before the change does not get in after it."""
    world = build()
    token = world.sign_in()
    epoch = world.run(world.sessions.epoch("ada"))
    world.run(world.load(token).revoke_others())
    with pytest.raises(StaleLogin):
        world.run(world.load().login("ada", epoch=epoch))


@pytest.mark.parametrize("phase", [Phase.ANSWERED, Phase.SNAPSHOT])
@pytest.mark.parametrize("verb", ["step_up", "revoke_others"])
def test_too_late_changes_nothing(build: Build, verb: str, phase: Phase) -> None:
    """Ruling 15: where no cookie can be sent neither the secret nor any other session changes."""
    from coatcheck import TooLate

    world = build()
    other, token = world.sign_in(), world.sign_in()
    session: Any = world.load(token)
    session._state.phase = phase
    with pytest.raises(TooLate):
        world.run(getattr(session, verb)())
    assert [world.user(other), world.user(token)] == ["ada", "ada"]
