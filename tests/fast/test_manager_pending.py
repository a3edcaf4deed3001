"""A sign-in in two steps: what lies between them opens nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from coatcheck import CommitRefused, Policy, SessionLimitReached, SignInRequired, StaleLogin
from coatcheck.refusals import RoleRequired, StepUpRequired
from coatcheck.verbs import AtLimit
from tests.fast._world import World
from tests.fast.conftest import Build


def begun(world: World, token: str | None = None, **options: object) -> str:
    """Show the first factor and return the cookie's value."""
    session = world.load(token)
    world.run(session.begin_login("ada", **{"amr": ["pwd"], **options}))
    return world.sent(session)


def test_a_half_finished_sign_in_opens_nothing(build: Build) -> None:
    """GHSA-xg6x-h9c9-2m83, E-9: with one factor of two there is no user, no role, no guard that passes."""
    world = build()
    session = world.load(begun(world, roles=["admin"], aal=2))
    assert (session.signed_in, session.user_id, session.roles, session.aal, session.amr) == (False, None, (), None, ())
    assert session.pending_user_id == "ada"
    guards: tuple[Callable[[], Any], ...] = (
        lambda: session.user,
        lambda: session.require_role("admin"),
        lambda: session.require_fresh("1h"),
        lambda: session.require_aal(0),
    )
    for guard in guards:
        with pytest.raises((SignInRequired, RoleRequired, StepUpRequired)) as caught:
            guard()
        assert getattr(caught.value, "reason", None) == "pending"


def test_it_is_on_no_list_and_counts_towards_no_limit(build: Build) -> None:
    """7.1.2, E-9: somebody who knows the password alone evicts nobody and appears in no list of devices."""
    world = build(Policy(max_sessions=1))
    full = world.sign_in()
    begun(world)
    assert [info.id for info in world.run(world.sessions.list("ada"))] == [full[:26]]
    assert world.user(full) == "ada"


def test_finishing_signs_in_with_all_factors(build: Build) -> None:
    """7.2.4: the end of the sign-in makes a new id and secret once more; methods add up, roles are those of before."""
    world = build()
    token = begun(world, world.visitor(cart=[1]), roles=["editor"], remember=True)
    session = world.load(token)
    world.run(session.finish_login(amr=["otp"], aal=1))
    after = world.sent(session)
    found = world.load(after)
    assert (found.user_id, found.amr, found.aal, found.roles, found.lifetime, found.pending_user_id) == (
        "ada", ("pwd", "otp"), 1, ("editor",), "remember_me", None,
    )  # fmt: skip
    assert dict(found) == {"cart": [1]}
    assert after[:26] != token[:26]
    assert world.load(token).reason == "superseded"


def test_beginning_makes_a_new_ticket_too(build: Build) -> None:
    """SM-12, S-46: a ticket planted before the first factor is not the one that the second completes."""
    world = build()
    planted = world.visitor(cart=[1])
    token = begun(world, planted)
    assert (planted[:26] == token[:26], world.data(planted), world.data(token)) == (False, {}, {"cart": [1]})


def test_it_has_to_be_finished_in_time(build: Build) -> None:
    """CS-16, policy `finish_within`: at its end nothing can be finished, and the visitor's own data is still there."""
    world = build(Policy(finish_within="10m"))
    token = begun(world, world.visitor(cart=[1]))
    world.clock.advance("10m")
    session = world.load(token)
    assert session.pending_user_id is None
    guards: tuple[Callable[[], Any], ...] = (
        lambda: session.user,
        lambda: world.run(session.finish_login(amr=["otp"])),
    )
    for guard in guards:
        with pytest.raises(SignInRequired) as caught:
            guard()
        assert caught.value.reason == "none"
    assert dict(world.load(token)) == {"cart": [1]}


def test_the_epoch_is_that_of_the_first_factor(build: Build) -> None:
    """Promise 2: signing out everywhere between the factors refuses the sign-in that was begun before."""
    world = build()
    token = begun(world)
    world.run(world.sessions.revoke_user("ada"))
    with pytest.raises(StaleLogin):
        world.run(world.load(token).finish_login(amr=["otp"]))
    world = build()
    token = begun(world, epoch=world.run(world.sessions.epoch("ada")))
    world.run(world.sessions.set_roles("ada", ["user"]))
    with pytest.raises(StaleLogin):
        world.run(world.load(token).finish_login(amr=["otp"]))


def test_nobody_finishes_what_was_not_begun(build: Build) -> None:
    """WSTG-SESS-08: application data, an ordinary session and a visitor are no half-finished sign-in."""
    world = build()
    for token in (None, world.visitor(pending="ada", pending_user_id="ada"), world.sign_in("bob")):
        with pytest.raises(SignInRequired):
            world.run(world.load(token).finish_login(amr=["otp"]))
    assert world.run(world.sessions.list("ada")) == []


@pytest.mark.parametrize("at_limit", ["evict_oldest", "reject"])
def test_it_is_finished_once(build: Build, at_limit: AtLimit) -> None:
    """10.2: of two requests that finish one sign-in at once one signs in, and the other does not push it out again."""
    world = build(Policy(max_sessions=1, at_limit=at_limit))
    token = begun(world)
    first, second = world.load(token), world.load(token)
    world.run(first.finish_login(amr=["otp"]))
    with pytest.raises(CommitRefused):
        world.run(second.finish_login(amr=["otp"]))
    assert (world.user(token), second.user_id, world.save(second).token) == (None, None, None)
    assert world.user(world.sent(first)) == "ada"
    assert len(world.run(world.sessions.list("ada"))) == 1


def test_what_was_ended_meanwhile_is_not_finished(build: Build) -> None:
    """10.2: a half-finished sign-in that is signed out while the code is checked signs nobody in."""
    world = build()
    token = begun(world)
    ending, finishing = world.load(token), world.load(token)
    world.run(ending.logout())
    with pytest.raises(CommitRefused):
        world.run(finishing.finish_login(amr=["otp"]))
    assert world.run(world.sessions.list("ada")) == []


def test_methods_are_named_once(build: Build) -> None:
    """RFC 8176: `amr` names each method once, in the order in which they were shown, however often it was said."""
    world = build()
    session = world.load(begun(world, amr=["pwd", "pwd"]))
    world.run(session.finish_login(amr=["otp", "pwd", "otp"]))
    assert session.amr == ("pwd", "otp")
    world.run(session.step_up(amr=["hwk", "hwk", "otp"]))
    assert session.amr == ("pwd", "otp", "hwk")
    world.run(session.login("ada", amr=["otp", "otp"]))
    assert session.amr == ("otp",)


def test_another_user_who_was_signed_in_is_signed_out(build: Build) -> None:
    """Ruling 1: beginning to sign in ends another user's session and takes nothing of it along."""
    world = build()
    bobs = world.sign_in("bob", data={"cart": [1]})
    token = begun(world, bobs)
    assert (world.user(bobs), world.data(token)) == (None, {})


def test_logout_ends_it(build: Build) -> None:
    """S-47: who does not want to go on leaves nothing behind to finish."""
    world = build()
    token = begun(world)
    session = world.load(token)
    world.run(session.logout())
    world.save(session)
    with pytest.raises(SignInRequired):
        world.run(world.load(token).finish_login(amr=["otp"]))


def test_the_limit_holds_at_the_end(build: Build) -> None:
    """Promise 4: the policy's limit is asked when the sign-in is complete; then it can be tried again."""
    world = build(Policy(max_sessions=1, at_limit="reject"))
    token = begun(world)
    full = world.sign_in()
    session = world.load(token)
    with pytest.raises(SessionLimitReached):
        world.run(session.finish_login(amr=["otp"]))
    world.run(world.sessions.revoke(full[:26]))
    world.run(session.finish_login(amr=["otp"]))
    assert world.user(world.sent(session)) == "ada"
