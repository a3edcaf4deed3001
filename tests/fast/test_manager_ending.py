"""Every way a session ends by somebody's hand, also while the store is down."""

from __future__ import annotations

from typing import Any

import pytest

from coatcheck import StoreUnavailable, TooLate, tokens
from coatcheck.lifecycle import Cookie
from coatcheck.manager.core import PendingLogout
from coatcheck.state import Phase
from tests.fast._world import World
from tests.fast.conftest import Build


def test_logout(build: Build) -> None:
    """S-47, promise 2: signing out ends the session and deletes the cookie; the ticket is refused from then on."""
    world = build()
    token = world.sign_in(data={"n": 1})
    session = world.load(token)
    world.run(session.logout())
    assert (session.user_id, dict(session), world.load(token).reason) == (None, {}, "signed_out")
    assert world.save(session).cookie is Cookie.DELETE
    (event,) = world.events.only("session.ended")
    assert event.details == {"reason": "signed_out", "had_data": True, "signed_in": True}


def test_logout_twice_and_without_a_session(build: Build) -> None:
    """S-47: signing out is idempotent: again, with junk, with an ended ticket and without a cookie it succeeds."""
    world = build()
    ended = world.sign_in()
    world.run(world.load(ended).logout())
    world.events.clear()
    for token, cookie in ((None, Cookie.KEEP), ("junk", Cookie.DELETE), (ended, Cookie.DELETE)):
        session = world.load(token)
        world.run(session.logout())
        world.run(session.logout())
        assert world.save(session).cookie is cookie
    assert not world.events.only("session.ended")


def test_sign_in_after_logout_in_one_request(build: Build) -> None:
    """Promise 5: after a sign-out a request may store data anew, under another id and without the old data."""
    world = build()
    token = world.sign_in(data={"n": 1})
    session = world.load(token)
    world.run(session.logout())
    session["m"] = 2
    fresh = world.sent(session)
    assert (world.data(fresh), fresh[:26] != token[:26]) == ({"m": 2}, True)


@pytest.mark.parametrize("phase", [Phase.ANSWERED, Phase.SNAPSHOT])
def test_logout_cannot_come_too_late(build: Build, phase: Phase) -> None:
    """Ruling 15: once the headers left, or in a snapshot, logout() says what to write instead, and ends nothing."""
    world = build()
    token = world.sign_in()
    session = world.load(token)
    session._state.phase = phase
    with pytest.raises(TooLate, match=r"logout\(\)"):
        world.run(session.logout())
    assert world.user(token) == "ada"


def fail_to_log_out(world: World, token: str) -> Any:
    """Sign out while the store is down."""
    session = world.load(token)
    world.store.down = {"all"}
    with pytest.raises(StoreUnavailable, match="not confirmed"):
        world.run(session.logout())
    world.store.down = set()
    return session


def test_logout_during_an_outage_is_retried(build: Build) -> None:
    """Ruling 8, S-48: an unanswered sign-out deletes the cookie, says so, and is done once the store is back."""
    world = build()
    token = world.sign_in()
    session = fail_to_log_out(world, token)
    assert session.user_id is None
    assert world.save(session).cookie is Cookie.DELETE
    assert world.events.only("logout.unconfirmed")[0].session_id == token[:26]
    world.visit(world.sign_in("bob"))
    assert world.load(token).reason == "signed_out"
    assert [event.session_id for event in world.events.only("logout.confirmed")] == [token[:26]]
    assert len(world.events.only("session.ended")) == 1
    assert not world.sessions._core.pending


def test_retried_logout_never_ends_what_it_cannot_open(build: Build) -> None:
    """Ruling 8, promise 1: the retry judges the secret again; a forged one in the queue ends nobody's session."""
    world = build()
    token, core = world.sign_in(), world.sessions._core
    forged = tokens.Ticket(token[:26], "A" * 43)
    core.unjudged.append(PendingLogout(forged.id, core.digest(forged), verified=False))
    world.visit(token)
    assert (world.user(token), len(core.unjudged)) == ("ada", 0)
    assert not world.events.only("session.ended")


def test_queue_of_logouts_is_bounded(build: Build) -> None:
    """Ruling 8: a long outage cannot fill the memory: the queue has a limit, and it drains."""
    world = build()
    held = [world.load(world.sign_in(f"user-{number}")) for number in range(1100)]
    world.store.down = {"all"}
    core = world.sessions._core
    for session in held:
        with pytest.raises(StoreUnavailable):
            world.run(session.logout())
    assert len(core.pending) == core.pending.maxlen == 1000
    world.store.down = set()
    world.clock.advance("2s")
    token = world.sign_in("somebody")
    for _ in range(250):
        world.visit(token)
    assert not core.pending
    assert len(world.events.only("logout.confirmed")) == 1000
    assert world.run(world.sessions.count()) == 101, "the hundred oldest were dropped, and somebody is signed in"


def test_retry_stops_while_the_store_is_down(build: Build) -> None:
    """Ruling 8: while the store stays down nothing leaves the queue and requests get the outage, not a wrong answer."""
    world = build()
    token, other = world.sign_in(), world.sign_in("bob")
    fail_to_log_out(world, token)
    world.store.down = {"find"}
    with pytest.raises(StoreUnavailable):
        world.load(other)
    assert len(world.sessions._core.pending) == 1
    assert world.load(token).reason == "signed_out", "whoever signed out is out, whatever the store says"


def test_revoke(build: Build) -> None:
    """S-49, promise 2: revoking by the public id holds for the next request, and answers whether there was anything."""
    world = build()
    token = world.sign_in()
    assert world.run(world.sessions.revoke(token[:26], user_id="bob")) is False
    assert world.user(token) == "ada"
    assert world.run(world.sessions.revoke(token[:26], user_id="ada")) is True
    assert world.run(world.sessions.revoke(token[:26])) is False
    assert world.run(world.sessions.revoke("no such id")) is False
    assert (world.user(token), world.load(token).reason) == (None, "revoked")
    assert [event.details["reason"] for event in world.events.only("session.ended")] == ["revoked"]


def test_revoke_user_but_one(build: Build) -> None:
    """S-49: all of a user's sessions but the one at hand end; others' stay."""
    world = build()
    mine, other, bobs = world.sign_in(), world.sign_in(), world.sign_in("bob")
    assert world.run(world.sessions.revoke_user("ada", keep=mine[:26])) == 1
    assert [world.user(token) for token in (mine, other, bobs)] == ["ada", None, "bob"]


def test_revoke_all_is_acknowledged_when_nothing_older_is_live(build: Build) -> None:
    """Ruling 11: more sessions than one batch holds all end, anonymous ones too, and a later sign-in lives."""
    world = build()
    tokens = [world.sign_in(f"user-{number}") for number in range(600)] + [world.visitor(n=1)]
    assert world.run(world.sessions.revoke_all()) == 601
    assert world.run(world.sessions.count()) == 0
    assert world.store.calls.count("end_all") >= 3
    assert world.load(tokens[0]).reason == world.load(tokens[-1]).reason == "revoked"
    assert len(world.events.only("session.ended")) == 601
    assert world.user(world.sign_in()) == "ada"


def test_revoking_what_a_clock_had_ended_is_nobodys_doing(build: Build) -> None:
    """S-83: a session whose time was over before it was revoked is told once, and not counted as revoked."""
    world = build()
    world.sign_in()
    world.clock.advance("31d")
    assert world.run(world.sessions.revoke_user("ada")) == 0
    world.run(world.sessions.sweep())
    assert not world.events.only("session.ended")
    assert len(world.events.only("session.expired", "session.abandoned")) == 1


def test_lists_show_no_secret_and_no_data(build: Build) -> None:
    """Promise 7, S-05: a user's list, one session and a page hold public facts alone, live ones first."""
    world = build()
    ended = world.sign_in()
    world.run(world.sessions.revoke(ended[:26]))
    world.clock.advance("1m")
    token = world.sign_in(data={"clé": "the-datum"})
    listed = world.run(world.sessions.list("ada", ended=True))
    assert [(info.id, info.live, info.reason) for info in listed] == [
        (token[:26], True, None), (ended[:26], False, "revoked")
    ]  # fmt: skip
    assert world.run(world.sessions.list("ada")) == listed[:1]
    assert world.run(world.sessions.get(token[:26])) == listed[0]
    page, after = world.run(world.sessions.browse(limit=1))
    rest, end = world.run(world.sessions.browse(limit=1, after=after))
    assert ([*page, *rest], end) == (listed, None)
    shown = repr([info.as_json() for info in listed]) + repr(listed)
    assert "the-datum" not in shown
    assert token[27:35] not in shown
    row = world.store.row()
    assert listed[0].data_bytes == len("clé".encode()) + len(row.data["clé"])


@pytest.mark.parametrize("session_id", ["", "x", "../..", "0" * 26 + "\n"])
def test_get_of_no_id_asks_nobody(build: Build, session_id: str) -> None:
    """SM-11: what cannot be an id is not looked up."""
    world = build()
    assert world.run(world.sessions.get(session_id)) is None
    assert world.store.calls == []


@pytest.mark.parametrize("arguments", [{"limit": 0}, {"limit": 1001}, {"after": "nonsense"}], ids=str)
def test_bad_pages_are_refused(build: Build, arguments: dict[str, Any]) -> None:
    """Ruling 12: a page of no size, of too many rows or after a cursor that nobody issued is a ValueError."""
    world = build()
    with pytest.raises(ValueError, match=r"limit|cursor"):
        world.run(world.sessions.browse(**arguments))
