"""WSGI: the commit comes before the first byte, however an application answers (PEP 3333, promises 6, 9 and 11)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from coatcheck import Policy
from coatcheck.web.wsgi import session_in
from tests.web._wsgi import Environ, World, environ_of, plain, setting


def generating(environ: Environ, start_response: Any) -> Iterator[bytes]:
    """Change the session before the first byte, from inside a generator."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b""
    session_in(environ)["late"] = True
    yield b"one"
    yield b""
    yield b"two"


class Writing:
    """Answer through write(), and then through the iterable."""

    def __call__(self, environ: Environ, start_response: Any) -> list[bytes]:
        """Serve one request."""
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        session_in(environ)["early"] = True
        write(b"one")
        write(b"two")
        return [b"three"]


# --- the many ways to answer


def test_a_session_lives_from_request_to_request() -> None:
    """The cookie of the first answer opens the session in the second (S-01)."""
    world = World(setting)
    assert [world.ask().body for _ in range(3)] == [b"1", b"2", b"3"]


def test_a_generator_may_change_the_session_before_its_first_byte() -> None:
    """What a generator stores before it yields a byte is committed, and the pieces arrive as they were made."""
    world = World(generating)
    answer = world.ask()
    assert answer.body == b"onetwo"
    assert answer.token is not None
    assert world.stored() == {"late": True}


def test_write_is_preceded_by_the_commit() -> None:
    """The first write() commits and sends the headers once; more writes and the iterable follow (PEP 3333)."""
    world = World(Writing())
    answer = world.ask()
    assert answer.body == b"onetwothree"
    assert answer.order.count("headers") == 1
    assert world.stored() == {"early": True}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_an_empty_body_commits_too(method: str) -> None:
    """An answer without a body carries the cookie all the same (K-4)."""

    def empty(environ: Environ, start_response: Any) -> list[bytes]:
        session_in(environ)["a"] = 1
        start_response("302 Found", [("Location", "/next"), ("Content-Type", "text/plain")])
        return []

    world = World(empty)
    answer = world.ask(method=method)
    assert (answer.status, answer["location"], answer.body) == (302, "/next", b"")
    assert world.stored() == {"a": 1}


def test_the_commit_is_done_when_the_first_byte_leaves() -> None:
    """A client that holds the answer can rely on it: the store was written before the headers were sent."""
    seen: list[list[str]] = []

    def start_response(_status: str, _headers: Any, _exc_info: Any = None) -> Any:
        seen.append(list(world.store.calls))
        return lambda _data: None

    world = World(setting, checked=False)
    result = world.app(environ_of(), start_response)
    assert seen == [["create"]]
    assert list(result) == [b"1"]
    result.close()


# --- failures


@pytest.mark.parametrize("when", ["at once", "after start_response", "in the generator"])
def test_an_exception_before_the_first_byte_drops_the_changes(when: str) -> None:
    """An exception reaches the server before anything was sent, and the session is as it was."""

    def failing(environ: Environ, start_response: Any) -> Iterator[bytes]:
        session_in(environ)["visits"] = "no"
        if when == "at once":
            raise ValueError(when)
        start_response("200 OK", [("Content-Type", "text/plain")])
        if when == "after start_response":
            raise ValueError(when)
        return late()

    def late() -> Iterator[bytes]:
        raise ValueError(when)
        yield b""

    world = World(setting)
    world.ask()
    failed = World(failing, checked=False)
    failed.middleware.sessions, failed.token = world.sessions, world.token
    with pytest.raises(ValueError, match=when):
        failed.ask()
    assert world.stored() == {"visits": 1}


def test_an_exception_after_the_first_byte_ends_the_body() -> None:
    """What was committed stays, and the server learns that the body is not whole."""

    def breaking(environ: Environ, start_response: Any) -> Iterator[bytes]:
        session_in(environ)["a"] = 1
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"some"
        raise ValueError("in the middle")

    world = World(breaking)
    with pytest.raises(ValueError, match="in the middle"):
        world.ask()
    (listed,) = world.sessions.browse()[0]
    assert listed.live


def test_a_ticket_that_changed_goes_home_on_a_failure() -> None:
    """A sign-in holds from when it returned: an answer of 500 carries its cookie, and no change made after it."""

    def failing(environ: Environ, _start_response: Any) -> list[bytes]:
        session = session_in(environ)
        session.login("ann")
        session["lost"] = True
        raise ValueError("afterwards")

    world = World(failing)
    answer = world.ask(method="POST")
    assert answer.status == 500
    session = world.sessions.load(world.token)
    assert (session.user_id, dict(session)) == ("ann", {})


def test_an_application_may_replace_its_answer_before_the_first_byte() -> None:
    """start_response with exc_info replaces what was said before, and drops the changes of what failed (PEP 3333)."""

    def recovering(environ: Environ, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        session_in(environ)["a"] = 1
        try:
            int("no number")
        except ValueError:
            start_response("500 Oh", [("Content-Type", "text/plain")], sys.exc_info())
        return [b"sorry"]

    answer = World(recovering).ask()
    assert (answer.status, answer.body, answer.token) == (500, b"sorry", None)


def test_exc_info_after_the_first_byte_is_raised() -> None:
    """When the headers have left, start_response raises what it is given (PEP 3333)."""

    def too_late(_environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"some"
        try:
            int("too late")
        except ValueError:
            start_response("500 Oh", [("Content-Type", "text/plain")], sys.exc_info())

    with pytest.raises(ValueError, match="too late"):
        World(too_late).ask()


@pytest.mark.parametrize("times", [0, 2])
def test_start_response_is_called_once(times: int) -> None:
    """An application that never calls start_response, or calls it twice, is told so and nothing is sent."""

    def wrong(_environ: Environ, start_response: Any) -> list[bytes]:
        for _ in range(times):
            start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"x"]

    with pytest.raises(RuntimeError, match="start_response"):
        World(wrong, checked=False).ask()


def test_a_refused_save_replaces_the_answer() -> None:
    """A session that ended meanwhile is 401 in the place of the handler's answer, without a cookie (ruling 4)."""

    def revoked(environ: Environ, start_response: Any) -> list[bytes]:
        session = session_in(environ)
        session["more"] = 1
        world.sessions.revoke(session.id or "")
        return plain(start_response)

    world = World(setting)
    world.ask()
    again = World(revoked)
    again.middleware.sessions, again.token = world.sessions, world.token
    answer = again.ask()
    assert (answer.status, answer["content-type"]) == (401, "application/problem+json")
    assert not answer.all("set-cookie")


def test_a_guard_is_answered() -> None:
    """session.user without a sign-in is 401 for programs and a redirect for pages (ruling 18)."""

    def guarded(environ: Environ, start_response: Any) -> list[bytes]:
        return plain(start_response, session_in(environ).user.id.encode())

    world = World(guarded, sign_in_url="/sign-in")
    assert world.ask("/a?b=1").status == 401
    page = world.ask("/a?b=1", HTTP_ACCEPT="text/html")
    assert (page.status, page["location"], page.body) == (303, "/sign-in?next=/a%3Fb%3D1", b"")
    head = world.ask("/a", method="HEAD")
    assert (head.status, head.body) == (401, b"")


def test_misuse_is_answered_with_its_remedy_and_logged_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """A session over plain http on a public host is 500 with the remedy; the log has it although the client left."""
    world = World(setting)
    answer = world.ask(HTTP_HOST="shop.example", until=1)
    assert (answer.status, b"trusted_proxies" in answer.body) == (500, True)
    assert "used wrongly" in caplog.text


def test_an_outage_is_loud_for_who_looks_and_nobody_else() -> None:
    """A store that is down is 503 for a request that looks, without deleting the cookie (promise 9, ruling 7)."""

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        return setting(environ, start_response) if environ["PATH_INFO"] == "/look" else plain(start_response)

    world = World(app)
    world.ask("/look")
    world.store.down = True
    assert world.ask("/plain").status == 200
    answer = world.ask("/look")
    assert (answer.status, answer["retry-after"], answer.all("set-cookie")) == (503, "5", [])


# --- the end of a request


def test_close_is_passed_on_once_and_upkeep_comes_last() -> None:
    """The application's close() is called exactly once, and upkeep runs after the response (PEP 3333)."""
    order: list[str] = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            yield b"x"

        def close(self) -> None:
            order.append("application")

    def app(_environ: Environ, start_response: Any) -> Body:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Body()

    world = World(app, policy=Policy(sweep_every="5m"))
    world.ask()
    order.clear()
    world.clock.advance("6m")
    world.store.calls = order
    answer = world.ask()
    assert order[:2] == ["application", "sweep"]
    assert answer.order[-1] == "closed"

    order.clear()
    result = world.middleware(environ_of(), lambda *_: lambda _data: None)
    list(result)
    for _ in range(2):
        result.close()  # type: ignore[attr-defined]  # what it returns has one
    assert order == ["application"]


def test_close_is_called_when_the_client_leaves() -> None:
    """A client that leaves in the middle ends the application's iterable too (PEP 3333)."""
    closed: list[str] = []

    def app(_environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        try:
            yield b"one"
            yield b"two"
        finally:
            closed.append("yes")

    assert World(app).ask(until=1).body == b"one"
    assert closed == ["yes"]


def test_changes_after_the_first_byte_are_told() -> None:
    """What a generator stores when the headers have left cannot be committed, and is told of (ruling 15)."""

    def late(environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"one"
        session_in(environ)["late"] = 1
        yield b"two"

    world = World(late)
    world.ask()
    assert world.events.only("session.changes_lost")[0].details["keys"] == "late"
