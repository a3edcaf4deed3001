"""From a cookie's value to a session: promise 1, promise 12, and what looking costs."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from coatcheck import ConfigurationError, StoreUnavailable, UnreadableRecord, tokens
from coatcheck.lifecycle import Cookie
from coatcheck.model import Damaged, FromTheFuture, replace
from coatcheck.state import Visit
from coatcheck.stores.memory import MemoryStore
from tests.fast._world import World
from tests.fast.conftest import Build

JUNK = [
    *("", "x", "../../etc/passwd", "0" * 70, "A" * 1_000_000, "\0" * 70),
    *("{user}:*", "' OR 1=1 --", "a\r\nb", "é" * 70),
]


@pytest.mark.parametrize("token", JUNK, ids=lambda token: ascii(token[:12]))
def test_junk_costs_no_store_call(build: Build, token: str) -> None:
    """SM-11, promise 1: what cannot be a ticket is refused without a single call to the store, and reported."""
    world = build()
    session, outcome = world.visit(token)
    assert (session.user_id, session.id, session.reason) == (None, None, None)
    assert (world.store.calls, outcome.cookie) == ([], Cookie.KEEP)
    assert [event.details["why"] for event in world.events] == ["malformed"]


def test_unknown_ticket_is_never_adopted(build: Build) -> None:
    """SM-10, promise 1: a well-formed ticket that nobody minted costs one read, no row, and a write gets another id."""
    world = build()
    planted = tokens.mint(secrets.token_bytes)
    session, outcome = world.visit(planted.token)
    assert (world.store.calls, outcome.cookie, session.id) == (["find"], Cookie.KEEP, None)
    assert [event.details["why"] for event in world.events] == ["unknown"]
    session = world.load(planted.token)
    session["cart"] = 1
    sent = world.sent(session)
    assert session.id != planted.id
    assert planted.secret not in sent
    assert world.user(planted.token) is None
    assert world.data(planted.token) == {}


def test_right_id_with_a_wrong_secret_opens_and_ends_nothing(build: Build) -> None:
    """Ruling 3, promise 1: a secret that never matched is anonymous and leaves the session alone."""
    world = build()
    token = world.sign_in()
    forged = tokens.Ticket(token[:26], tokens.new_secret(secrets.token_bytes))
    session, outcome = world.visit(forged.token)
    assert (session.user_id, session.reason, outcome.cookie) == (None, None, Cookie.KEEP)
    world.run(session.logout())
    assert world.save(session).token is None
    assert world.user(token) == "ada"


def test_emptied_session_opens_nothing_for_another_tenant(build: Build) -> None:
    """Promise 1: a ticket of one tenant is a wrong secret in another, over the same store."""
    world = build()
    token = world.sign_in()
    moved = MemoryStore(tenant="other")
    moved._rows = world.store.inner._rows
    other = World(world.mode, tenant="other", store=moved)
    assert other.user(token) is None
    with pytest.raises(ConfigurationError, match="tenant"):
        World(world.mode, tenant="other", store=world.store.inner)


def test_rejected_cookie_is_reported_and_not_read(build: Build) -> None:
    """SM-11: where the adapter rejected the cookie (repeated, oversized), the store is not asked."""
    world = build()
    session = world.load(None, Visit(rejected="duplicate"))
    assert (session.user_id, world.store.calls) == (None, [])
    assert [event.details["why"] for event in world.events] == ["duplicate"]


def test_anonymous_reading_makes_no_row(build: Build) -> None:
    """S-03, promise 6: a visitor who stores nothing makes no row and gets no cookie."""
    world = build()
    session, outcome = world.visit(None)
    assert (dict(session), session.signed_in, outcome.cookie, outcome.token) == ({}, False, Cookie.KEEP, None)
    assert world.store.calls == []


def test_anonymous_writing_makes_one(build: Build) -> None:
    """S-03: a visitor who stores something gets a session that is nobody's, and finds the data again."""
    world = build()
    token = world.visitor(cart=["apple"])
    assert world.store.writes == ["create"]
    session = world.load(token)
    assert (dict(session), session.user_id, session.roles, session.signed_in) == ({"cart": ["apple"]}, None, (), False)
    assert [(event.name, event.details["by"]) for event in world.events] == [("session.created", "write")]


def answering(world: World, found: Any) -> None:
    """Let the store answer *found* to the next look-up of any id."""

    async def find(ids: Any) -> list[Any]:
        return [found for _ in ids]

    world.store.inner.find = find  # type: ignore[method-assign]


def test_undecodable_record_signs_out_with_an_event(build: Build) -> None:
    """Promise 12: a row that cannot be decoded is a signed-out visitor and an event, not an error."""
    world = build()
    token = world.sign_in()
    answering(world, Damaged(token[:26], "torn"))
    session, outcome = world.visit(token)
    assert (session.user_id, session.reason, outcome.cookie) == (None, None, Cookie.KEEP)
    (event,) = world.events.only("session.record_damaged")
    assert (event.session_id, event.details["why"]) == (token[:26], "torn")


def test_record_of_a_newer_release_is_left_alone(build: Build) -> None:
    """Promise 12: a record from the future is refused as unreadable (503), reported, and not written to."""
    world = build()
    token = world.sign_in()
    answering(world, FromTheFuture(token[:26], 9))
    world.store.calls.clear()
    with pytest.raises(UnreadableRecord, match="format 9, which a newer release"):
        world.load(token)
    assert world.store.writes == []
    assert world.events.only("session.record_unreadable")[0].details["schema"] == 9


def test_undecodable_value_is_no_crash(build: Build) -> None:
    """Promise 12: a single value that cannot be decoded is reported and raises nothing foreign to the library."""
    world = build()
    token = world.sign_in(data={"good": 1})
    row = world.store.row()
    world.store.put(replace(row, data={**row.data, "bad": b"\xc1"}))
    session = world.load(token)
    try:
        _ = session.get("bad")
    except Exception as fault:  # noqa: BLE001 - whichever it is, the next line judges it
        assert type(fault).__module__ == "coatcheck.errors"  # noqa: PT017
    assert world.events.only("session.record_damaged")


def test_reload_reads_again(build: Build) -> None:
    """Ruling 15: reload() sees what others did, judges again, and drops uncommitted changes."""
    world = build()
    token = world.sign_in(data={"n": 1})
    session, other = world.load(token), world.load(token)
    session["mine"] = 1
    other["n"] = 2
    world.save(other)
    world.run(session.reload())
    assert (session.user_id, dict(session)) == ("ada", {"n": 2})
    world.run(world.sessions.revoke_user("ada"))
    world.run(session.reload())
    assert (session.user_id, session.reason, dict(session)) == (None, "revoked", {})


def test_reload_during_an_outage_is_not_anonymous(build: Build) -> None:
    """Promise 9: after a reload() that the store did not answer, the user is not taken for nobody."""
    world = build()
    session = world.load(world.sign_in(data={"n": 1}))
    world.store.down = {"find"}
    with pytest.raises(StoreUnavailable):
        world.run(session.reload())
    assert (session.user_id, session["n"]) == ("ada", 1)


def test_repr_shows_no_secret(build: Build) -> None:
    """Promise 7: neither a session nor its state, outcome, record or manager prints the secret, a digest or a datum."""
    world = build()
    token = world.sign_in(data={"key": "the-datum"})
    session, _ = world.visit(token)
    outcome = world.save(session)
    printed = [session, session._state, outcome, world.store.row(), world.sessions, world.store.inner]
    shown = " ".join(map(repr, printed))
    shown += repr(session._state.ticket) + repr(world.run(world.sessions.list("ada")))
    for secret in (token[27:], token[27:35], "the-datum", repr(world.store.row().secret_digest)[2:-1]):
        assert secret not in shown
