"""An outage is loud: what each verb's silence comes to (promise 9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from coatcheck import Policy, StoreUnavailable, Unconfirmed
from coatcheck.lifecycle import Cookie
from tests.fast._world import World
from tests.fast.conftest import Build


def change(session: Any) -> Any:
    """Store something."""
    session["n"] = 2


ACTS: dict[str, tuple[str, Callable[[World, Any], Any]]] = {
    "commit": ("commit", lambda _world, session: change(session)),
    "save": ("commit", lambda _world, session: (change(session), session.save())[1]),
    "login": ("create", lambda _world, session: session.login("ada")),
    "login, epoch": ("epoch", lambda _world, session: session.login("ada")),
    "rotate": ("rotate", lambda _world, session: session.rotate()),
    "transaction": ("find", lambda _world, session: session.transaction(dict)),
    "reload": ("find", lambda _world, session: session.reload()),
    "revoke": ("end", lambda world, session: world.sessions.revoke(session.id)),
    "revoke_user": ("end_user", lambda world, _session: world.sessions.revoke_user("ada")),
    "revoke_all": ("raise_epoch", lambda world, _session: world.sessions.revoke_all()),
    "revoke_all, later": ("end_all", lambda world, _session: world.sessions.revoke_all()),
    "set_roles": ("set_roles", lambda world, _session: world.sessions.set_roles("ada", ["x"])),
    "epoch": ("epoch", lambda world, _session: world.sessions.epoch("ada")),
    "get": ("find", lambda world, session: world.sessions.get(session.id)),
    "list": ("list_user", lambda world, _session: world.sessions.list("ada")),
    "browse": ("browse", lambda world, _session: world.sessions.browse()),
    "count": ("count", lambda world, _session: world.sessions.count()),
    "sweep": ("sweep", lambda world, _session: world.sessions.sweep()),
}


@pytest.mark.parametrize("name", ACTS)
def test_silence_is_an_outage(build: Build, name: str) -> None:
    """Promise 9: whichever verb the store does not answer, the caller gets StoreUnavailable; nothing is pretended."""
    world = build()
    token = world.sign_in(data={"n": 1})
    session = world.load(token)
    verb, act = ACTS[name]
    world.store.down = {verb}
    with pytest.raises(StoreUnavailable) as caught:
        _whole_request(world, session, act)
    assert caught.value.status == 503
    world.store.down = set()
    assert (world.user(token), world.data(token)) == ("ada", {"n": 1})


def _whole_request(world: World, session: Any, act: Callable[[World, Any], Any]) -> None:
    """Do *act* and answer."""
    world.run(act(world, session))
    world.save(session)


def test_load_during_an_outage(build: Build) -> None:
    """Promise 9: a load that is not answered raises and is told; it is never an anonymous visitor."""
    world = build()
    token = world.sign_in()
    world.store.down = {"find"}
    with pytest.raises(StoreUnavailable):
        world.load(token)
    (told,) = world.events.only("store.unavailable")
    assert told.details == {"error": "StoreUnavailable", "cause": "the test has switched this verb off"}
    assert world.load(None).user_id is None


def test_a_fault_is_told_once(build: Build) -> None:
    """Promise 9: one fault is one event, whoever comes across it on its way; another fault is another one."""
    core = build().sessions._core
    heard: list[object] = []
    core.listeners = [lambda event: heard.append(event.details)]
    first, second = StoreUnavailable("out of memory"), Unconfirmed("0 of 1 replicas")
    for fault in (first, first, second, first, second):
        core.tell_outage(fault)
    assert heard == [
        {"error": "StoreUnavailable", "cause": "out of memory"}, {"error": "Unconfirmed", "cause": "0 of 1 replicas"},
    ]  # fmt: skip


@pytest.mark.parametrize("verb", ["find", "end"])
def test_a_sign_out_says_what_was_wrong(build: Build, verb: str) -> None:
    """Promise 9, ruling 8: beside the sign-out that is owed, the fault is told, once and under its own cause."""
    world = build()
    token = world.sign_in()
    session = world.load(token)
    world.store.down = {verb}
    if verb == "find":
        state = session._state
        with pytest.raises(StoreUnavailable) as met:
            world.load(token)
        state.problem = met.value
    with pytest.raises(StoreUnavailable) as caught:
        world.run(session.logout())
    world.sessions._core.tell_outage(caught.value)
    told = [event.details["cause"] for event in world.events.only("store.unavailable")]
    assert told == ["the test has switched this verb off"]
    assert len(world.events.only("logout.unconfirmed")) == 1


def test_anonymous_write_during_an_outage(build: Build) -> None:
    """Promise 9: a visitor's first write that is not answered raises, and no cookie is made up."""
    world = build()
    session = world.load()
    session["n"] = 1
    world.store.down = {"create"}
    with pytest.raises(StoreUnavailable):
        world.save(session)
    assert (session.id, session._state.cookie) == (None, Cookie.KEEP)


def test_touch_during_an_outage_changes_nothing(build: Build) -> None:
    """Ruling 4: activity that could not be written is told and is no error for the visitor, who was already judged."""
    world = build(Policy(absolute_timeout=None))
    token = world.sign_in()
    world.clock.advance("2m")
    world.store.down = {"touch"}
    session, outcome = world.visit(token)
    assert session.user_id == "ada"
    assert outcome.cookie is not Cookie.DELETE
    assert world.events.names[-1] == "store.unavailable"


def test_rotation_by_age_during_an_outage(build: Build) -> None:
    """Ruling 3, promise 9: a due rotation that is not answered is an outage, and the old secret goes on working."""
    world = build()
    token = world.sign_in()
    world.clock.advance("24h")
    session = world.load(token)
    _ = session.user_id
    world.store.down = {"rotate"}
    try:
        sent = world.save(session).token
    except StoreUnavailable:
        sent = None
    assert sent in (None, token)
    world.store.down = set()
    assert world.user(token) == "ada"


def test_theft_is_told_during_an_outage(build: Build) -> None:
    """Ruling 3, promise 9: where the session of a stolen secret cannot be ended, the theft is told all the same."""
    world = build(Policy(on_theft="end"))
    token = world.sign_in()
    world.clock.advance("24h")
    world.visit(world.visit(token)[1].token)
    world.clock.advance("1m")
    world.store.down = {"end"}
    try:
        assert world.load(token).user_id is None
    except StoreUnavailable:
        assert world.events.only("store.unavailable")
    assert len(world.events.only("session.theft_suspected")) == 1
