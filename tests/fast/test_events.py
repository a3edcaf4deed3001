"""Events: their names, what they hold, and who hears them."""

from __future__ import annotations

import ast
import logging
from pathlib import Path
from typing import Any

import pytest

import coatcheck
from coatcheck import AsyncSessions, Event, Sessions
from coatcheck.events import EVENTS
from coatcheck.listeners import log_events
from coatcheck.stores.memory import MemoryStore
from tests.fast.conftest import Build


def emitted() -> set[str]:
    """Return the event names that the source emits."""
    found: set[str] = set()
    for path in Path(coatcheck.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in EVENTS:
                found.add(node.value)
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("emit"):
                named = node.args[0] if node.args else None
                assert not isinstance(named, ast.Constant) or named.value in EVENTS, f"{path}: {ast.unparse(node)}"
    return found


def test_names_are_fixed() -> None:
    """Ruling 16: the six names of a session's life exist, and nothing is emitted that is not described."""
    assert {
        "session.created", "session.regenerated", "session.ended", "session.expired", "session.abandoned",
        "session.theft_suspected",
    } <= EVENTS.keys()  # fmt: skip
    assert emitted() <= EVENTS.keys()
    assert all(text.endswith(".") for text in EVENTS.values())


def test_as_json() -> None:
    """S-83: an event as plain values holds its time, subject and details; the tenant only where there is one."""
    event = Event(name="session.ended", at=5, session_id="0x", user_id="ada", details={"reason": "revoked"})
    assert event.as_json() == {
        "event": "session.ended", "at": 5, "session_id": "0x", "user_id": "ada", "reason": "revoked"
    }  # fmt: skip
    assert Event(name="session.ended", at=5, tenant="t").as_json()["tenant"] == "t"


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("session.theft_suspected", logging.WARNING),
        ("store.unavailable", logging.WARNING),
        ("session.created", logging.DEBUG),
    ],
)
def test_log_lines(caplog: pytest.LogCaptureFixture, name: str, level: int) -> None:
    """S-84: what a person should look at is a warning, the rest is for debugging; absent facts are left out."""
    caplog.set_level(logging.DEBUG, "coatcheck")
    log_events(Event(name=name, at=1, session_id="0abc", details={"why": "x\ny", "nothing": None}))
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (level, f"{name} session_id='0abc' why='x\\ny'")


def test_listeners_are_told_in_order_and_after_the_write(build: Build) -> None:
    """S-83: whoever is told of a new session finds it in the store; later listeners come later."""
    world = build()
    heard: list[Any] = []
    world.sessions.subscribe(lambda event: heard.append((event.name, len(world.store.inner._rows.live))))
    world.sessions.subscribe(lambda event: heard.append(event.at))
    world.sign_in()
    assert heard == [("session.created", 1), world.clock.now_ms]


@pytest.mark.parametrize("kind", [AsyncSessions, Sessions])
def test_logging_comes_by_itself(kind: Any, caplog: pytest.LogCaptureFixture) -> None:
    """S-83: a manager logs its events without being told to."""
    caplog.set_level(logging.DEBUG, "coatcheck")
    kind(MemoryStore())._core.emit("session.created", session_id="0abc")
    assert "session.created session_id='0abc'" in caplog.text


def test_failing_listener_breaks_nothing(build: Build, caplog: pytest.LogCaptureFixture) -> None:
    """S-83: what a listener raises is logged with its event's name; the request, the write and the others go on."""

    def broken(event: Event, /) -> None:
        raise ZeroDivisionError(event.name)

    world = build(listeners=[broken])
    world.sessions.subscribe(world.events)
    token = world.sign_in()
    assert world.user(token) == "ada"
    world.run(world.sessions.revoke_user("ada"))
    assert world.events.names == ["session.created", "session.ended"]
    assert [record.getMessage() for record in caplog.records if record.exc_info] == [
        "a listener failed on session.created", "a listener failed on session.ended"
    ]  # fmt: skip
