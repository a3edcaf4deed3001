"""Signing in: what it carries, whom it ends, and what it is refused for."""

from __future__ import annotations

from typing import Any

import pytest

from coatcheck import (
    ConfigurationError,
    DataTooLarge,
    InsecureTransport,
    Policy,
    SessionLimitReached,
    SignInRequired,
    StaleLogin,
    TooLate,
)
from coatcheck.lifecycle import Cookie
from coatcheck.state import Phase, Visit
from tests.fast._world import World
from tests.fast.conftest import Build


def test_login_makes_a_new_session_and_the_old_ticket_dies(build: Build) -> None:
    """S-46, promise 5, ruling 1: new id, new secret, and the ticket from before opens nothing."""
    world = build()
    before = world.visitor(cart=[1])
    after = world.sign_in(token=before)
    assert before[:26] != after[:26]
    assert before[27:] != after[27:]
    assert (world.user(before), world.load(before).reason, world.user(after)) == (None, "superseded", "ada")
    assert world.data(after) == {"cart": [1]}
    assert world.store.writes.count("create") == 2


def test_default_role(build: Build) -> None:
    """S-06: a sign-in that names no roles gets the policy's; one that names them gets those, sorted, each once."""
    world = build()
    session = world.load(world.sign_in())
    assert (session.roles, session.user.roles, session.user.has("user")) == (("user",), ("user",), True)
    assert world.load(world.sign_in(roles=["b", "a", "b"])).roles == ("a", "b")
    assert world.load(world.sign_in(roles=[])).roles == ()


def test_data_of_an_anonymous_session_moves_with_uncommitted_changes(build: Build) -> None:
    """Ruling 1: stored keys, this request's changes and deletions, and what others stored meanwhile, all move."""
    world = build()
    token = world.visitor(kept=1, changed=1, deleted=1)
    session, other = world.load(token), world.load(token)
    session["changed"], session["new"] = 2, 2
    del session["deleted"]
    other["meanwhile"] = 3
    world.save(other)
    world.run(session.login("ada"))
    assert world.data(world.save(session).token) == {"kept": 1, "changed": 2, "new": 2, "meanwhile": 3}


def test_data_of_the_same_user_moves(build: Build) -> None:
    """Ruling 1: who signs in again keeps their data; the former session is over as superseded."""
    world = build()
    first = world.sign_in(data={"cart": [1]})
    second = world.sign_in(token=first)
    assert world.data(second) == {"cart": [1]}
    assert world.run(world.sessions.count()) == 1
    assert [event.details["reason"] for event in world.events.only("session.ended")] == ["superseded"]


def test_data_of_another_user_never_moves(build: Build) -> None:
    """Ruling 1, CS-16: neither stored data nor this request's changes, handed-out values included, reach the next."""
    world = build()
    adas = world.sign_in("ada", data={"cart": [1]})
    session = world.load(adas)
    session["note"] = "for ada"
    inside = session["cart"]
    world.run(session.login("bob"))
    inside.append(2)
    assert dict(session) == {}
    bobs = world.sent(session)
    assert (world.data(bobs), world.user(bobs)) == ({}, "bob")
    assert (world.user(adas), world.load(adas).reason) == (None, "superseded")


def test_expired_data_never_moves(build: Build) -> None:
    """Ruling 1, promise 8: what lay in a session that is over stays there, also for the same user."""
    world = build(Policy.sensitive())
    token = world.sign_in(data={"cart": [1]})
    world.clock.advance("31m")
    assert world.data(world.sign_in(token=token)) == {}


def test_a_login_in_flight_on_a_ticket_that_rotate_killed(build: Build) -> None:
    """Promise 5, ruling 1: it neither carries what was stored after the rotation nor ends the newer session."""
    world = build()
    old = world.sign_in(data={"before": 1})
    stale, fresh = world.load(old), world.load(old)
    assert stale.user_id == "ada"
    world.run(fresh.rotate())
    fresh["after"] = "for the new secret alone"
    new = world.sent(fresh)
    world.run(stale.login("ada"))
    token = world.sent(stale)
    assert "after" not in {**stale, **world.data(token)}
    assert (world.user(token), world.user(new)) == ("ada", "ada")
    assert world.data(new) == {"before": 1, "after": "for the new secret alone"}
    assert not world.events.only("session.ended")


def test_stale_epoch_is_refused(build: Build) -> None:
    """Promise 2, ruling 1: a password checked before everybody was signed out opens nothing; checked after, it does."""
    world = build()
    for end in (world.sessions.revoke_user, lambda _user: world.sessions.revoke_all()):
        epoch = world.run(world.sessions.epoch("ada"))
        world.run(end("ada"))
        session = world.load()
        with pytest.raises(StaleLogin):
            world.run(session.login("ada", epoch=epoch))
        assert (session.user_id, world.save(session).cookie) == (None, Cookie.KEEP)
        assert world.user(world.sign_in(epoch=world.run(world.sessions.epoch("ada")))) == "ada"
    assert [event.details["why"] for event in world.events.only("login.refused")] == ["stale_epoch"] * 2


def test_epoch_of_another_user_is_another(build: Build) -> None:
    """Promise 2: signing bob out everywhere does not hinder ada's sign-in."""
    world = build()
    epoch = world.run(world.sessions.epoch("ada"))
    world.run(world.sessions.revoke_user("bob"))
    assert world.user(world.sign_in(epoch=epoch)) == "ada"


def test_refused_login_leaves_the_session_as_it_was(build: Build) -> None:
    """Ruling 1: a sign-in that is refused changes nothing: whoever was signed in still is, and reads their data."""
    world = build(Policy(max_sessions=1, at_limit="reject"))
    world.sign_in("bob")
    adas = world.sign_in("ada", data={"cart": [1]})
    session = world.load(adas)
    session["note"] = "kept"
    with pytest.raises(SessionLimitReached):
        world.run(session.login("bob"))
    assert (session.user_id, dict(session)) == ("ada", {"cart": [1], "note": "kept"})
    assert world.save(session).cookie is Cookie.KEEP
    assert world.data(adas) == {"cart": [1], "note": "kept"}


@pytest.mark.parametrize(
    ("remember", "idle", "absolute", "persistent", "lifetime"),
    [(None, 2, 3, True, "default"), (True, 20, 20, True, "remember_me"), (False, 2, 3, False, "default")],
)
def test_remember(
    build: Build, remember: bool | None, idle: int, absolute: int, persistent: bool, lifetime: str
) -> None:
    """Ruling 2, S-09: remember chooses the lifetime and whether the cookie survives the browser."""
    policy = Policy(
        idle_timeout="2d", absolute_timeout="3d", remember_idle_timeout="20d", remember_absolute_timeout="20d"
    )
    world = build(policy)
    session = world.load()
    world.run(session.login("ada", remember=remember))
    outcome, row = world.save(session), world.store.row()
    lived = [(end - row.created_at) // 86_400_000 for end in (row.idle_expires_at, row.expires_at)]
    assert (lived, row.persistent, row.lifetime) == ([idle, absolute], persistent, lifetime)
    assert session.persistent is persistent
    assert outcome.deadline == (row.expires_at if persistent else None)


def test_remembering_can_be_refused(build: Build) -> None:
    """Ruling 2, N-7: a policy that allows no remembered sign-ins says so, and nobody is signed in."""
    world = build(Policy.sensitive())
    session = world.load()
    with pytest.raises(ConfigurationError, match="allow_remember=True"):
        world.run(session.login("ada", remember=True))
    assert (session.user_id, world.store.writes) == (None, [])


@pytest.mark.parametrize(
    ("policy", "remember", "claimed", "aal"),
    [
        (Policy(), None, None, None),
        (Policy(), None, 2, 2),
        (Policy(aal=2), None, None, 2),
        (Policy(aal=2), None, 3, 2),
        (Policy(aal=2), None, 1, 1),
        (Policy(aal=2), True, 2, 1),
        (Policy.remember_me(), None, 3, 1),
    ],
)
def test_assurance_level(build: Build, policy: Policy, remember: bool | None, claimed: int | None, aal: int) -> None:
    """N-7, section 3.2: no sign-in claims more than the policy allows, a remembered one never more than 1."""
    world = build(policy)
    session = world.load(world.sign_in(remember=remember, aal=claimed, amr=["pwd", "otp"]))
    assert session.user.aal == aal
    assert world.store.row().amr == ("pwd", "otp")
    assert session.user.auth_time == session.auth_time == world.clock.now


@pytest.mark.parametrize(
    ("at_limit", "ended"), [("evict_least_recent", "second"), ("evict_oldest", "first"), ("reject", None)]
)
def test_limit(build: Build, at_limit: Any, ended: str | None) -> None:
    """Promise 4, ruling 10: at the limit the least recent or the oldest session goes, or the sign-in is refused."""
    world = build(Policy(max_sessions=2, at_limit=at_limit))
    tokens = {}
    for name in ("first", "second"):
        tokens[name] = world.sign_in()
        world.clock.advance("2m")
    world.visit(tokens["first"])
    if ended is None:
        with pytest.raises(SessionLimitReached, match="2 sessions"):
            world.sign_in()
        assert world.events.only("login.refused")[0].details["why"] == "limit"
    else:
        world.sign_in()
        assert world.load(tokens[ended]).reason == "evicted"
    alive = {name for name, token in tokens.items() if world.user(token)}
    assert alive == {"first", "second"} - {ended}
    assert world.run(world.sessions.count()) == 2


def test_own_replaced_session_does_not_count(build: Build) -> None:
    """Ruling 10: who signs in again in the same browser needs no room for it, even where further ones are rejected."""
    world = build(Policy(max_sessions=1, at_limit="reject"))
    assert world.user(world.sign_in(token=world.sign_in())) == "ada"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"user_id": 5}, TypeError),
        ({"user_id": ""}, ValueError),
        ({"user_id": "a\0b"}, ValueError),
        ({"user_id": "x" * 256}, ValueError),
        ({"user_id": "\ud800"}, ValueError),
        ({"user_id": "ada", "roles": "admin"}, TypeError),
        ({"user_id": "ada", "roles": ["", "b"]}, TypeError),
        ({"user_id": "ada", "roles": [1]}, TypeError),
        ({"user_id": "ada", "roles": ["a\0b"]}, ValueError),
        ({"user_id": "ada", "roles": ["editor", "\ud800"]}, ValueError),
        ({"user_id": "ada", "amr": "pwd"}, TypeError),
        ({"user_id": "ada", "amr": [1]}, TypeError),
        ({"user_id": "ada", "amr": ["\udfff"]}, ValueError),
        ({"user_id": "ada", "amr": ["p\0"]}, ValueError),
    ],
    ids=str,
)
def test_bad_arguments(build: Build, arguments: dict[str, Any], error: type[Exception]) -> None:
    """S-07: what cannot name a user, a role or a method is refused before anything is written."""
    world = build()
    session = world.load()
    with pytest.raises(error):
        world.run(session.login(**arguments))
    assert (session.user_id, world.store.writes) == (None, [])


@pytest.mark.parametrize("aal", [4, -1, True, "2", 1.5])
def test_impossible_assurance_level(build: Build, aal: Any) -> None:
    """Section 3.2: an assurance level is 0, 1, 2 or 3; anything else is refused and nothing is written."""
    world = build()
    session = world.load()
    with pytest.raises((TypeError, ValueError)):
        world.run(session.login("ada", aal=aal))
    assert (session.user_id, world.store.writes) == (None, [])


def test_too_late_and_too_open(build: Build) -> None:
    """Rulings 6 and 15: no sign-in after the headers left, in a snapshot, or over plain http."""
    world = build()
    for phase in (Phase.ANSWERED, Phase.SNAPSHOT):
        session = world.load()
        session._state.phase = phase
        with pytest.raises(TooLate, match=r"login\(\)"):
            world.run(session.login("ada"))
    with pytest.raises(InsecureTransport, match="the remedy"):
        world.run(world.load(None, Visit(insecure="the remedy")).login("ada"))
    assert world.store.writes == []


def test_login_needs_room_for_the_data(build: Build) -> None:
    """Section 3 of the design: data that would pass the limit is refused at sign-in, and nothing is made."""
    world = build(Policy(data_warning=10, data_limit=100))
    session = world.load()
    session["big"] = "x" * 200
    with pytest.raises(DataTooLarge):
        world.run(session.login("ada"))
    assert world.store.writes == []


def test_nobody_is_signed_in(build: Build) -> None:
    """S-39: asking for the user of a request that has none raises with the reason."""
    world = build()
    with pytest.raises(SignInRequired) as caught:
        _ = world.load().user
    assert caught.value.reason == "none"
    token = world.sign_in()
    world.run(world.sessions.revoke_user("ada"))
    with pytest.raises(SignInRequired) as caught:
        _ = world.load(token).user
    assert caught.value.reason == "revoked"


def test_device_is_described_and_the_agent_not_kept() -> None:
    """Section 3 of the design: the browser is hashed with the store's key and never stored as it was sent."""
    world = World("blocking")
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"
    visit = Visit(user_agent=agent, address="192.0.2.1")
    session = world.load(None, visit)
    session.login("ada")
    device = session.device
    assert device is not None
    assert (device.first_address, device.last_address, len(device.agent_hash)) == ("192.0.2.1", "192.0.2.1", 8)
    assert "Mozilla" not in str(world.run(world.sessions.list("ada"))[0].as_json())
