"""No secret in any log line, event, error or repr of a whole journey (S-84, promise 7)."""

from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import Struct

import coatcheck
from coatcheck import CoatcheckError, Policy
from coatcheck.model import Record
from coatcheck.state import Outcome, Visit
from coatcheck.tokens import Ticket
from coatcheck.verbs import Seen
from tests.fast._world import World
from tests.fast.conftest import Build


class Journey:
    """Everything that can happen, with every secret that was ever in a cookie and all that was printed of it."""

    def __init__(self, world: World) -> None:
        """Begin."""
        self.world = world
        self.secrets: set[str] = set()
        self.printed: list[str] = []

    def answer(self, session: Any) -> str | None:
        """Answer a request, keeping its secret and what its objects print."""
        self.printed += [repr(session), repr(session._state), str(session._state.judgement)]
        try:
            outcome = self.world.save(session)
        except CoatcheckError as error:
            self.printed += [str(error), repr(error)]
            return None
        self.printed.append(repr(outcome))
        if outcome.token:
            self.secrets.add(outcome.token[27:])
        return outcome.token

    def request(self, token: str | None, act: Any = None, **visit: Any) -> str | None:
        """Make a request; what it raises is printed."""
        try:
            session = self.world.load(token, Visit(**visit))
            _ = session.user_id
            if act is not None:
                self.world.run(act(session))
        except CoatcheckError as error:
            self.printed += [str(error), repr(error)]
            return None
        return self.answer(session)

    def travel(self) -> None:
        """Sign in, change, rotate, be robbed, lose the store, be refused, sign out."""
        world = self.world
        first = self.request(None, lambda session: session.update(cart=["datum-in-the-cart"]))
        token = self.request(first, lambda session: session.login("ada", roles=["admin"]), user_agent="Agent/1")
        world.clock.advance("24h")
        after = self.request(token)
        self.request(after)
        world.clock.advance("1m")
        self.request(token)
        after = self.request(after, lambda session: session.rotate())
        self.request(token, lambda session: session.update(n=1))
        world.run(world.sessions.set_roles("ada", ["reader"]))
        after = self.request(after, lambda session: session.update(big="x" * 5000))
        self.request(after, lambda session: session.update(huge="datum-in-the-cart" * 5000))
        self.request(after, lambda session: session.transaction(lambda data: data.pop("nothing", None)))
        self.request(str(after)[:-1] + "!")
        self.request(str(after)[:27] + "A" * 43)
        world.store.down = {"all"}
        self.request(after)
        world.store.down = {"end", "touch"}
        world.clock.advance("2m")
        self.request(after)
        self.request(after, lambda session: session.logout())
        world.store.down = set()
        self.request(after)
        world.run(world.sessions.revoke_all())
        world.clock.advance("40d")
        self.printed.append(repr(world.run(world.sessions.sweep())))
        self.printed.append(repr(world.sessions._core.pending))
        self.printed += [repr(each) for each in world.run(world.sessions.browse())[0]]


def test_no_secret_is_ever_printed(build: Build, caplog: pytest.LogCaptureFixture) -> None:
    """S-84, promise 7: neither a secret, nor any 8 characters of one, nor a datum, stands in what a journey printed."""
    caplog.set_level(logging.DEBUG)

    def broken(event: Any, /) -> None:
        raise ZeroDivisionError(event)

    journey = Journey(build(Policy(rotate_every="12h"), listeners=[]))
    journey.world.sessions.subscribe(journey.world.events)
    journey.world.sessions.subscribe(broken)
    journey.travel()
    lines = [caplog.text, *(str(vars(record)) for record in caplog.records), *journey.printed]
    lines += [repr(event) + str(event.as_json()) for event in journey.world.events]
    shown = "\n".join(lines)
    assert len(journey.secrets) >= 4
    assert {"session.theft_suspected", "logout.unconfirmed", "session.data_large"} <= set(journey.world.events.names)
    for secret in journey.secrets:
        for start in range(len(secret) - 7):
            assert secret[start : start + 8] not in shown
    assert "datum-in-the-cart" not in shown
    assert "Agent/1" not in shown


def _structs(kind: type = Struct) -> Iterator[type]:
    """Return every struct of coatcheck's."""
    for each in kind.__subclasses__():
        if each.__module__.startswith("coatcheck."):
            yield each
        yield from _structs(each)


def test_what_hides_from_repr_hides_from_rich_too() -> None:
    """Promise 7: a traceback drawn by ``rich`` shows local variables, and asks a struct for all of its fields."""
    importlib.import_module("tests.web._django")  # sets Django up, without which its models cannot be imported
    for module in pkgutil.walk_packages(coatcheck.__path__, "coatcheck."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    plain: Any = Struct
    hiding: list[Any] = [each for each in _structs() if each.__repr__ is not plain.__repr__]
    assert {Ticket, Record, Seen, Outcome} <= set(hiding)
    assert [each.__qualname__ for each in hiding if each.__rich_repr__ is plain.__rich_repr__] == []
    assert Ticket("0" * 26, "A" * 43).__rich_repr__() == []
