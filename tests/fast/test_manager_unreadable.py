"""What a request meets when a newer release has written its session since it was loaded (promise 12)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from coatcheck import Policy, SessionGone, UnreadableRecord
from coatcheck.lifecycle import Cookie
from coatcheck.model import Damaged, FromTheFuture
from tests.fast._world import World
from tests.fast.conftest import Build


def upgraded(world: World, verb: str) -> None:
    """Let *verb* find a session that a newer release wrote a moment ago."""
    session_id = world.store.row().id

    async def refuse(*_args: Any, **_terms: Any) -> Any:
        raise UnreadableRecord.written_in(session_id, 9)

    setattr(world.store.inner, verb, refuse)


def told(world: World) -> list[object]:
    """Return the formats that were told of."""
    return [event.details["schema"] for event in world.events.only("session.record_unreadable")]


def test_a_change_is_refused_loudly(build: Build) -> None:
    """Promise 12: changes that cannot be merged are an error of 503, told once, and no cookie is touched."""
    world = build()
    session = world.load(world.sign_in())
    session["n"] = 1
    upgraded(world, "commit")
    with pytest.raises(UnreadableRecord, match="format 9"):
        world.save(session)
    assert (told(world), session._state.cookie, UnreadableRecord.status) == ([9], Cookie.KEEP, 503)


@pytest.mark.parametrize(("verb", "later"), [("touch", "2m"), ("rotate", "24h")])
def test_reading_goes_on(build: Build, verb: str, later: str) -> None:
    """Ruling 4: activity or a due rotation that cannot be written changes nothing in an answer that only read."""
    world = build(Policy(absolute_timeout=None))
    token = world.sign_in()
    world.clock.advance(later)
    upgraded(world, verb)
    session, outcome = world.visit(token)
    assert (session.user_id, outcome.cookie, told(world)) == ("ada", Cookie.KEEP, [9])


ACTS: dict[str, tuple[str, Callable[[World, Any], Any]]] = {
    "rotate": ("rotate", lambda _world, session: session.rotate()),
    "set_roles": ("set_roles", lambda world, _session: world.sessions.set_roles("ada", ["guest"])),
    "transaction": ("commit", lambda world, session: world.sessions.transaction(session.id, lambda d: d.update(n=1))),
}


@pytest.mark.parametrize("name", ACTS)
def test_a_privilege_is_not_pretended(build: Build, name: str) -> None:
    """Promises 5 and 12: a rotation for a new privilege, new roles, or a transaction, not made, raises and is told."""
    world = build()
    session = world.load(world.sign_in())
    verb, act = ACTS[name]
    upgraded(world, verb)
    with pytest.raises(UnreadableRecord):
        world.run(act(world, session))
    assert told(world) == [9]


@pytest.mark.parametrize(
    ("kind", "error", "event"),
    [
        (lambda name: FromTheFuture(name, 9), UnreadableRecord, "session.record_unreadable"),
        (lambda name: Damaged(name, "column data"), SessionGone, "session.record_damaged"),
    ],
)
def test_a_transaction_by_id_tells_what_it_found(
    build: Build, kind: Callable[[str], Any], error: type[Exception], event: str
) -> None:
    """Promise 12: a newer session is not called gone, a damaged one is; both are told."""
    world = build()
    world.sign_in()
    session_id = world.store.row().id

    async def find(_ids: Any) -> list[Any]:
        return [kind(session_id)]

    inner: Any = world.store.inner
    inner.find = find
    with pytest.raises(error):
        world.run(world.sessions.transaction(session_id, lambda data: data.update(n=1)))
    assert [each.session_id for each in world.events.only(event)] == [session_id]
