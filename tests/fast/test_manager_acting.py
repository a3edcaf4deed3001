"""What ends an impersonation, what may fall between its steps, and what none of that may leave behind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coatcheck import Policy, PrivilegeChanged, SessionGone, StoreUnavailable, Unconfirmed, UnreadableRecord
from coatcheck.lifecycle import Cookie
from coatcheck.manager import opening
from coatcheck.model import replace
from tests.fast._world import Browser, World
from tests.fast.conftest import Build
from tests.fast.test_manager_impersonating import acting
from tests.fast.test_manager_unconfirmed import Replicas


def row(world: World, session_id: str) -> Any:
    """Return a live session's record."""
    return world.store.inner._rows.live[session_id]


@pytest.mark.parametrize(("whose", "roles"), [("joan", []), ("ada", ["admin"])])
def test_a_change_of_either_ones_roles_leaves_only_the_way_back(build: Build, whose: str, roles: list[str]) -> None:
    """Promise 5, SM-12: who may act no more acts no more, and new roles of ada's are not joan's."""
    world = build()
    _, token = acting(world, roles=["user"])
    world.run(world.sessions.set_roles(whose, roles))
    session, outcome = world.visit(token)
    assert (session.user_id, session.roles, session.actor_id, session.reason) == (None, (), None, "superseded")
    assert outcome.cookie is Cookie.KEEP
    session = world.load(token)
    session["a"] = 1
    with pytest.raises(SessionGone):
        world.save(session)
    session = world.load(token)
    world.run(session.stop_impersonating())
    assert world.load(world.sent(session)).roles == (tuple(roles) if whose == "joan" else ("operator",))
    assert world.run(world.sessions.list("ada")) == []


def test_signing_out_of_what_only_leads_back_ends_both(build: Build) -> None:
    """S-47: signing out works too when a change of roles has left nothing but the way back."""
    world = build()
    _, token = acting(world)
    world.run(world.sessions.set_roles("joan", []))
    session = world.load(token)
    world.run(session.logout())
    assert (world.save(session).cookie, world.run(world.sessions.count())) == (Cookie.DELETE, 0)


def test_a_late_request_does_not_wipe_the_ticket_of_the_way_back(build: Build) -> None:
    """Promise 11: an answer to the impersonation's ticket that is late deletes no cookie."""
    world = build()
    _, token = acting(world)
    session = world.load(token)
    world.run(session.stop_impersonating())
    back = world.sent(session)
    late, outcome = world.visit(token)
    assert (late.reason, outcome.cookie) == ("superseded", Cookie.KEEP)
    assert world.user(back) == "joan"


def test_of_two_ways_back_one_is_taken(build: Build) -> None:
    """Promise 5: a form sent twice: the first one's ticket stays good, the second changes nothing."""
    world = build()
    _, token = acting(world)
    first, second = world.load(token), world.load(token)
    world.run(first.stop_impersonating())
    with pytest.raises(SessionGone):
        world.run(second.stop_impersonating())
    assert (world.save(second).token, world.user(world.sent(first))) == (None, "joan")


def test_roles_that_change_on_the_way_back_do_not_close_it(build: Build) -> None:
    """S-08: they change between the look at joan's session and its new ticket; she has the new ones."""
    world = build()
    before, token = acting(world)
    session = world.load(token)

    def change() -> None:
        record = row(world, before[:26])
        world.store.put(replace(record, roles=("user",), generation=record.generation + 1, rotate_due=True))

    world.store.before["rotate"] = change
    world.run(session.stop_impersonating())
    assert world.load(world.sent(session)).roles == ("user",)


def test_roles_that_never_rest_leave_everything_as_it_was(build: Build) -> None:
    """Promise 9: the way back gives up after some tries, and the same ticket may try again."""
    world = build()
    before, token = acting(world)
    session = world.load(token)

    def change() -> None:
        record = row(world, before[:26])
        world.store.put(replace(record, generation=record.generation + 1, rotate_due=True))
        world.store.before["rotate"] = change

    change()
    with pytest.raises(PrivilegeChanged):
        world.run(session.stop_impersonating())
    del world.store.before["rotate"]
    assert world.save(session).cookie is Cookie.KEEP
    session = world.load(token)
    world.run(session.stop_impersonating())
    assert world.user(world.sent(session)) == "joan"


@pytest.mark.parametrize("user_id", ["joan", "ada", "bob"])
@pytest.mark.parametrize("begins", [False, True])
def test_signing_in_while_acting_leaves_no_session_behind(build: Build, user_id: str, *, begins: bool) -> None:
    """7.4.1, S-46: neither the impersonation nor joan's session, which would have no ticket; nothing of ada's moves."""
    world = build(Policy(max_sessions=1, at_limit="reject"))
    _, token = acting(world)
    session = world.load(token)
    session["as"] = "ada"
    if begins:
        world.run(session.begin_login(user_id))
        world.run(session.finish_login(amr=["otp"]))
    else:
        world.run(session.login(user_id))
    assert world.user(world.sent(session)) == user_id
    assert world.run(world.sessions.count()) == 1
    assert ("as" in session, session.get("desk")) == (False, 3 if user_id == "joan" and not begins else None)
    assert (world.load(token).reason, session.actor_id) == ("superseded", None)


def test_signing_in_when_there_is_no_way_back(build: Build) -> None:
    """Promise 2: joan's session ended between look-up and sign-in: that ends the impersonation and hinders nobody."""
    world = build()
    before, token = acting(world)
    session = world.load(token)
    world.run(world.sessions.revoke(before[:26]))
    world.run(session.login("bob"))
    assert world.user(world.sent(session)) == "bob"
    assert world.run(world.sessions.count()) == 1


@pytest.mark.parametrize("verb", ["rotate", "create"])
def test_an_outage_begins_no_impersonation(build: Build, verb: str) -> None:
    """Promises 5, 9: one stays who one is, with the ticket that the answer carries if it became another."""
    world = build()
    before = world.sign_in("joan")
    session = world.load(before)
    session["note"] = 1
    world.store.down.add(verb)
    with pytest.raises(StoreUnavailable):
        world.run(session.impersonate("ada"))
    world.store.down.clear()
    after = world.save(session).token
    assert (after is None) is (verb == "rotate")
    assert (world.user(after or before), world.data(after or before)) == ("joan", {"note": 1})
    assert world.run(world.sessions.list("ada")) == []
    assert not world.events.only("session.impersonated")


def test_a_new_ticket_that_is_not_confirmed_begins_none(build: Build) -> None:
    """Promise 9: joan's new ticket was written and too few replicas have it: she keeps it, and acts for nobody."""
    world = build()
    session = world.load(world.sign_in("joan"))
    replicas = Replicas(world)
    with pytest.raises(Unconfirmed):
        world.run(session.impersonate("ada"))
    replicas.missing = False
    assert (world.user(world.sent(session)), world.run(world.sessions.list("ada"))) == ("joan", [])


@pytest.mark.parametrize("missed", ["rotate", "end", "both"])
def test_a_way_back_that_is_not_confirmed_is_taken(build: Build, missed: str) -> None:
    """Promise 9: it is told, the answer carries joan's ticket, and the impersonation is over."""
    world = build()
    _, token = acting(world)
    session = world.load(token)
    inner: Any = world.store.inner
    confirmed = {"rotate": inner.rotate, "end": inner.end}
    replicas = Replicas(world)
    for verb in confirmed.keys() - {missed} if missed != "both" else ():
        setattr(inner, verb, confirmed[verb])
    with pytest.raises(Unconfirmed):
        world.run(session.stop_impersonating())
    replicas.missing = False
    assert (world.user(world.sent(session)), world.user(token)) == ("joan", None)
    assert world.run(world.sessions.list("ada")) == []


def test_a_sign_in_survives_what_fails_after_it(build: Build) -> None:
    """Promise 5: signing in and acting in one request: where the second fails the ticket of the first still leaves."""
    world = build()
    session = world.load()
    world.run(session.login("joan"))
    world.store.down.add("rotate")
    with pytest.raises(StoreUnavailable):
        world.run(session.impersonate("ada"))
    world.store.down.clear()
    assert world.user(world.sent(session)) == "joan"


def test_a_request_with_a_ticket_of_two_before_is_told_so(build: Build) -> None:
    """Ruling 5: joan's browser never got the successor of its ticket; a late request with it makes no session."""
    world = build(Policy(rotate_every="1h"))
    token = world.sign_in("joan")
    world.clock.advance("2h")
    Browser(world, token).request(lost=True)
    session = world.load(token)
    world.run(session.impersonate("ada"))
    late = world.load(token)
    assert late.reason == "superseded"
    late["a"] = 1
    with pytest.raises(SessionGone):
        world.save(late)


def test_a_sign_out_that_is_not_answered_owes_both(build: Build) -> None:
    """Promise 9: both are ended as soon as the store answers, and neither opens anything before."""
    world = build()
    _, token = acting(world)
    session = world.load(token)
    world.store.down.add("end")
    with pytest.raises(StoreUnavailable):
        world.run(session.logout())
    assert world.user(token) is None
    world.store.down.clear()
    world.clock.advance("5s")
    world.load(token)
    assert world.run(world.sessions.count()) == 0


def test_it_is_over_whether_or_not_its_end_can_be_written(build: Build) -> None:
    """Promise 2: joan's session is over: what she does as ada is, also while the store writes nothing."""
    world = build()
    before, token = acting(world)
    world.run(world.sessions.revoke(before[:26]))
    world.store.down.add("end")
    session, outcome = world.visit(token)
    assert (session.user_id, session.reason, outcome.cookie) == (None, "revoked", Cookie.DELETE)
    assert len(world.events.only("store.unavailable")) == 1


def test_an_outage_between_the_two_look_ups_opens_nothing(build: Build) -> None:
    """Promise 9: nobody can say whether joan's session stands: the outage is told, and nothing counts as live."""
    world = build()
    _, token = acting(world)
    state = opening.accept(world.sessions._core, token)
    world.store.before["find"] = lambda: world.store.down.add("find")
    with pytest.raises(StoreUnavailable):
        asyncio.run(opening.fill(state))
    assert (state.live, state.id, len(world.events.only("store.unavailable"))) == (None, None, 1)


def test_what_nobody_can_read_does_not_spoil_what_was_written(build: Build) -> None:
    """Ruling 4: a newer release has just written joan's session: activity is not recorded there, and no more."""
    world = build()
    _, token = acting(world)
    world.clock.advance("59m")
    session = world.load(token)
    session["a"] = 1

    def unreadable() -> None:
        raise UnreadableRecord.written_in("id", 9)

    world.store.before["touch"] = unreadable
    world.save(session)
    assert (world.store.calls[-1], world.data(token)) == ("touch", {"a": 1})


def test_nobody_is_left_signed_in_twice_in_one_request(build: Build) -> None:
    """S-46: going there, back and out within one request ends with no session and a deleted cookie."""
    world = build()
    session = world.load(world.sign_in("joan"))
    world.run(session.impersonate("ada"))
    world.run(session.stop_impersonating())
    assert (session.user_id, session.actor_id) == ("joan", None)
    world.run(session.logout())
    assert (session.user_id, world.run(world.sessions.count())) == (None, 0)
