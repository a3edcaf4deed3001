"""Acting for another user: who it is stays known, nothing is proved for them, and there is a way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from coatcheck import CommitRefused, Policy, SignInRequired, StoreUnavailable
from coatcheck.lifecycle import Cookie
from coatcheck.refusals import ActingForAnother, StepUpRequired
from tests.fast._world import Browser, World
from tests.fast.conftest import Build


def acting(world: World, **options: Any) -> tuple[str, str]:
    """Sign joan in and let her act for ada; return joan's cookie from before, and the one she has now."""
    before = world.sign_in("joan", roles=["operator"], data={"desk": 3})
    session = world.load(before)
    world.run(session.impersonate("ada", **options))
    return before, world.sent(session)


def test_both_identities_are_recorded(build: Build) -> None:
    """SM-23, S-07: the session is ada's, and it, its user, lists and events say that joan acts."""
    world = build()
    before, token = acting(world, roles=["user"])
    session = world.load(token)
    assert (session.user_id, session.actor_id, session.user.actor_id, session.roles) == (
        "ada",
        "joan",
        "joan",
        ("user",),
    )
    (info,) = world.run(world.sessions.list("ada"))
    assert (info.actor_id, info.as_json()["actor_id"]) == ("joan", "joan")
    (event,) = world.events.only("session.impersonated")
    assert (event.user_id, event.session_id, dict(event.details)) == (
        "ada", token[:26], {"actor_id": "joan", "from_session": before[:26]},
    )  # fmt: skip


def test_both_steps_kill_the_ticket_before(build: Build) -> None:
    """7.2.4: starting and stopping each make a new ticket, and the one of before opens nothing."""
    world = build()
    before, token = acting(world)
    assert (world.user(before), world.load(before).reason) == (None, "superseded")
    session = world.load(token)
    world.run(session.stop_impersonating())
    back = world.sent(session)
    assert (world.user(token), world.user(before), world.user(back)) == (None, None, "joan")
    assert back[:26] == before[:26]
    assert (world.load(back).roles, dict(world.load(back)), world.load(back).actor_id) == (
        ("operator",),
        {"desk": 3},
        None,
    )
    assert world.run(world.sessions.list("ada")) == []


def test_no_data_moves_either_way(build: Build) -> None:
    """Ruling 1: what joan had is not ada's, what is stored as ada is not joan's; what she had not saved is hers."""
    world = build()
    session = world.load(world.sign_in("joan", data={"desk": 3}))
    session["note"] = "joan's"
    world.run(session.impersonate("ada"))
    assert dict(session) == {}
    session["as"] = "ada"
    session = world.load(world.sent(session))
    world.run(session.stop_impersonating())
    assert dict(session) == {"desk": 3, "note": "joan's"}


def test_nothing_is_proved_for_the_user(build: Build) -> None:
    """7.5.1: joan has shown none of ada's factors: nothing is fresh, no level, and neither can be reached."""
    world = build()
    session = world.load(acting(world)[1])
    assert (session.auth_time, session.amr, session.aal) == (None, (), None)
    guards: tuple[Callable[[], Any], ...] = (lambda: session.require_fresh("30d"), lambda: session.require_aal(1))
    for guard in guards:
        with pytest.raises(StepUpRequired):
            guard()
    for verb in (session.step_up, session.revoke_others, lambda: session.impersonate("bob")):
        with pytest.raises(ActingForAnother) as caught:
            world.run(verb())
        assert caught.value.status == 403


def test_it_evicts_nobody(build: Build) -> None:
    """7.1.2: helping somebody does not sign them out, however few sessions they may have."""
    world = build(Policy(max_sessions=1))
    adas = world.sign_in("ada")
    acting(world)
    assert world.user(adas) == "ada"


@pytest.mark.parametrize("end", ["revoke", "revoke_user", "revoke_all"])
def test_it_ends_with_the_session_it_came_from(build: Build, end: str) -> None:
    """Promise 2, 7.4.5: ending joan's session, or all of joan's, ends what she does as ada with the next request."""
    world = build()
    before, token = acting(world)
    if end == "revoke":
        world.run(world.sessions.revoke(before[:26]))
    elif end == "revoke_user":
        world.run(world.sessions.revoke_user("joan"))
    else:
        world.run(world.sessions.revoke_all())
    session = world.load(token)
    assert (session.user_id, session.reason) == (None, "revoked")
    assert world.run(world.sessions.list("ada")) == []


def test_the_user_sees_and_ends_it(build: Build) -> None:
    """7.5.2: ada can end it like any session of hers; joan's own goes on, and the way back is open no more."""
    world = build()
    before, token = acting(world)
    assert world.run(world.sessions.revoke(token[:26], user_id="ada"))
    assert world.user(token) is None
    assert world.run(world.sessions.get(before[:26])).live


def test_it_has_an_end_of_its_own(build: Build) -> None:
    """Policy `impersonate_for`: it is over after that, however busy; joan's session is not."""
    world = build(Policy(impersonate_for="1h"))
    before, token = acting(world)
    browser = Browser(world, token)
    for _ in range(5):
        world.clock.advance("10m")
        assert browser.request() == "ada"
    world.clock.advance("10m")
    assert world.load(token).reason == "expired"
    assert world.run(world.sessions.get(before[:26])).live


def test_it_does_not_outlive_the_session_it_came_from(build: Build) -> None:
    """Promise 8: joan's absolute deadline is its too."""
    world = build(Policy(absolute_timeout="2h", idle_timeout="2h", impersonate_for="1d"))
    before = world.sign_in("joan")
    world.clock.advance("1h")
    session = world.load(before)
    deadline = session.expires_at
    world.run(session.impersonate("ada"))
    assert session.expires_at == deadline


def test_activity_keeps_the_way_back_open(build: Build) -> None:
    """A sure way back: while joan acts as ada her own session does not run out for want of use."""
    world = build(Policy(idle_timeout="30m", impersonate_for="8h"))
    _, token = acting(world)
    browser = Browser(world, token)
    for _ in range(8):
        world.clock.advance("20m")
        assert browser.request() == "ada"
    browser.request(lambda session: session.stop_impersonating())
    assert world.user(browser.token) == "joan"


def test_the_way_back_survives_a_change_of_joans_roles(build: Build) -> None:
    """S-08: her roles were changed meanwhile; going back gives the new ones."""
    world = build()
    _, token = acting(world)
    world.run(world.sessions.set_roles("joan", ["user"]))
    session = world.load(token)
    world.run(session.stop_impersonating())
    assert world.load(world.sent(session)).roles == ("user",)


def test_no_way_back_to_a_session_that_is_over(build: Build) -> None:
    """Promise 2: between look-up and going back joan was signed out: both are over, and the cookie is deleted."""
    world = build()
    before, token = acting(world)
    session = world.load(token)
    world.run(world.sessions.revoke(before[:26]))
    with pytest.raises(SignInRequired):
        world.run(session.stop_impersonating())
    assert world.save(session).cookie.value == "delete"
    assert (world.user(token), world.run(world.sessions.list("ada"))) == (None, [])


def test_signing_out_ends_both(build: Build) -> None:
    """S-47: whoever signs out while acting for somebody is signed out, and leaves no session without a ticket."""
    world = build()
    before, token = acting(world)
    session = world.load(token)
    world.run(session.logout())
    assert world.run(world.sessions.count()) == 0
    assert world.run(world.sessions.get(before[:26])).reason == "signed_out"


def test_a_lost_race_changes_nothing(build: Build) -> None:
    """Promise 5: another request changed joan's ticket first: no session of ada's is left, and joan's is as it was."""
    world = build()
    token = world.sign_in("joan")
    session, other = world.load(token), world.load(token)
    world.run(other.rotate())
    fresh = world.sent(other)
    with pytest.raises(CommitRefused):
        world.run(session.impersonate("ada"))
    assert (world.user(fresh), world.run(world.sessions.list("ada"))) == ("joan", [])
    assert world.save(session).token is None


def test_nobody_acts_for_themselves_or_as_nobody(build: Build) -> None:
    """Errors speak: oneself is refused by name, and a visitor acts for nobody."""
    world = build()
    with pytest.raises(ValueError, match="nobody impersonates themselves"):
        world.run(world.load(world.sign_in("joan")).impersonate("joan"))
    with pytest.raises(SignInRequired):
        world.run(world.load(world.visitor(a=1)).impersonate("ada"))


def test_stopping_elsewhere_is_harmless(build: Build) -> None:
    """A form sent twice: an ordinary session and a visitor's stay as they are."""
    world = build()
    for token in (None, world.sign_in("joan")):
        session = world.load(token)
        world.run(session.stop_impersonating())
        assert world.save(session).token is None


@pytest.mark.parametrize("verb", ["find", "rotate"])
def test_an_outage_at_the_way_back_is_loud(build: Build, verb: str) -> None:
    """Promise 9, ruling 8: nothing is taken for done, no cookie is deleted, and the same ticket goes back later."""
    world = build()
    _, token = acting(world)
    session = world.load(token)
    world.store.down.add(verb)
    with pytest.raises(StoreUnavailable):
        world.run(session.stop_impersonating())
    assert world.save(session).cookie is Cookie.KEEP
    world.store.down.clear()
    session = world.load(token)
    world.run(session.stop_impersonating())
    assert world.user(world.sent(session)) == "joan"


def test_an_outage_after_the_way_back_is_loud_too(build: Build) -> None:
    """Promises 5, 9: the answer carries joan's ticket home; the other opens nothing here and is ended later."""
    world = build()
    _, token = acting(world)
    session = world.load(token)
    world.store.down.add("end")
    with pytest.raises(StoreUnavailable):
        world.run(session.stop_impersonating())
    back = world.sent(session)
    world.store.down.clear()
    assert (world.user(token), world.user(back)) == (None, "joan")
    assert world.run(world.sessions.list("ada")) == []
