"""WSGI: what a request costs and says, how headers and paths are read, and what is refused when it is set up."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from coatcheck import AsyncSessions, ConfigurationError, Policy, Sessions
from coatcheck.web.csrf import Csrf
from coatcheck.web.environ import rewrite, scope_of
from coatcheck.web.wsgi import SessionMiddleware, session_in
from tests.web._wsgi import Environ, World, environ_of, plain, serve, setting

# --- laziness


def test_a_request_that_never_looks_asks_nobody() -> None:
    """With a cookie or without one, who does not look is served with no call, no Vary and no cookie (K-5, ruling 7)."""

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        return setting(environ, start_response) if environ["PATH_INFO"] == "/look" else plain(start_response)

    # The validator prints the environ, and with it the session: a look. And nothing is swept meanwhile.
    world = World(app, policy=Policy(sweep_every=None), checked=False)
    world.ask("/look")
    world.clock.advance("2h")
    world.store.calls.clear()
    for path in ("/plain", "/other"):
        answer = world.ask(path)
        assert (answer["vary"], answer["cache-control"], answer.all("set-cookie")) == (None, None, [])
    assert world.store.calls == []


def test_the_first_look_loads_and_the_second_does_not() -> None:
    """Reading costs one call however often it is read, and none to save (promise 6)."""

    def reading(environ: Environ, start_response: Any) -> list[bytes]:
        session = session_in(environ)
        return plain(start_response, repr([session.get("visits"), session.user_id, len(session)]).encode())

    world = World(setting)
    world.ask()
    reader = World(reading)
    reader.middleware.sessions, reader.token = world.sessions, world.token
    world.store.calls.clear()
    answer = reader.ask()
    assert answer.body == b"[1, None, 1]"
    assert world.store.calls == ["find"]
    assert answer["vary"] == "Cookie"


def test_a_path_outside_asks_nobody() -> None:
    """Below paths= only: elsewhere a use of the session says what to write, and costs no call."""
    world = World(setting, paths=["/app"])
    assert world.ask("/app/x").status == 200
    world.store.calls.clear()
    answer = world.ask("/static/x")
    assert (answer.status, world.store.calls) == (500, [])


# --- headers and paths


def test_paths_are_read_as_the_application_decodes_them() -> None:
    """SCRIPT_NAME and a path that is not ASCII come back in next= as a browser spells them (PEP 3333: Latin-1)."""

    def guarded(environ: Environ, start_response: Any) -> list[bytes]:
        return plain(start_response, session_in(environ).user.id.encode())

    world = World(guarded, sign_in_url="/in")
    page = world.ask("/caf%C3%A9/%FF?q=1", SCRIPT_NAME="/app", HTTP_ACCEPT="text/html")
    assert page["location"] == "/in?next=/app/caf%25C3%25A9/%25EF%25BF%25BD%3Fq%3D1"


def test_what_a_request_says_is_translated_once() -> None:
    """Headers without the prefix count, their prefixed twins do not; odd ports and sockets without a peer are read."""
    scope = scope_of(
        environ_of(
            "/a/b", SCRIPT_NAME="/root", CONTENT_TYPE="text/plain", HTTP_CONTENT_TYPE="text/evil", HTTP_X_A="\xe9",
            REMOTE_PORT="x", RAW_URI="http://host/root/a%2Fb?c",
        )
    )  # fmt: skip
    headers = dict(scope["headers"])
    assert (headers[b"content-type"], headers[b"x-a"]) == (b"text/plain", b"\xe9")
    assert len(headers) == len(scope["headers"])
    assert (scope["root_path"], scope["path"], scope["raw_path"]) == ("/root", "/root/a/b", b"/root/a%2Fb")
    assert scope["client"] == ("127.0.0.1", 0)
    assert scope_of(environ_of(REMOTE_ADDR=""))["client"] is None


def test_headers_are_rewritten_whole() -> None:
    """A header that was taken out is gone from the environ, and one that repeats is joined (RFC 9110, 5.3)."""
    environ = environ_of(HTTP_X_USER_ID="evil", CONTENT_TYPE="text/plain")
    rewrite(
        environ, [(b"x-a", b"1"), (b"x-a", b"2"), (b"cookie", b"a=1"), (b"cookie", b"b=2"), (b"content-type", b"x")]
    )
    named = {key: value for key, value in environ.items() if key.startswith(("HTTP_", "CONTENT_"))}
    assert named == {"HTTP_X_A": "1, 2", "HTTP_COOKIE": "a=1; b=2", "CONTENT_TYPE": "text/plain"}


def test_a_form_is_read_for_its_token_and_left_to_be_read_again() -> None:
    """A request that says nothing of its page is let in by the token in its form, which the application still reads."""

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        session = session_in(environ)
        if environ["REQUEST_METHOD"] == "GET":
            session["a"] = 1
            return plain(start_response, session.csrf_token().encode())
        return plain(start_response, environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))

    world = World(app, checked=False)
    world.ask()
    body = b"csrf_token=" + world.ask().body
    kind = "application/x-www-form-urlencoded"
    told: dict[str, Any] = {"CONTENT_TYPE": kind, "HTTP_SEC_FETCH_SITE": None, "method": "POST"}
    answer = world.ask(**told | {"CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body)})
    assert (answer.status, answer.body) == (200, body)
    forged = world.ask(**told | {"CONTENT_LENGTH": "12", "wsgi.input": BytesIO(b"csrf_token=x")})
    assert forged.status == 403
    assert world.ask(**told | {"HTTP_SEC_FETCH_SITE": "cross-site"}).status == 403


@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "301 Moved", "304 Not Modified", "404 No", "500 Oh"])
def test_every_status_is_guarded_from_caches(status: str) -> None:
    """A cookie forbids storing whatever the handler says, on every status; Vary is added (K-1, K-3, K-4, K-6)."""

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        session_in(environ)["a"] = 1
        start_response(status, [("Cache-Control", "public"), ("Vary", "Accept"), ("Surrogate-Control", "max-age=9")])
        return []

    answer = World(app, checked=False).ask()
    assert answer["cache-control"] == "no-store, private"
    assert answer["vary"] == "Accept, Cookie"
    assert answer["surrogate-control"] is None


def test_other_cookies_and_headers_pass_through() -> None:
    """Everything else that the application says leaves as it was, in its order (C-3)."""

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        session_in(environ)["a"] = 1
        return plain(start_response, b"x", ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Name", "\xe9"))

    answer = World(app).ask()
    assert answer.all("set-cookie")[:2] == ["a=1", "b=2"]
    assert answer["x-name"] == "\xe9"
    assert answer.token


def test_a_body_without_a_length_is_left_alone() -> None:
    """A chunked body is not read for a token: whatever is decided, the application gets all of it."""

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        session_in(environ)["a"] = 1
        return plain(start_response, environ["wsgi.input"].read(100))

    world = World(app, checked=False, csrf=Csrf(report_only=True))
    world.ask()
    told: dict[str, Any] = {
        "HTTP_SEC_FETCH_SITE": None,
        "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.input": BytesIO(b"a=1"),
    }
    kind = "application/x-www-form-urlencoded"
    assert world.ask(method="POST", CONTENT_TYPE=kind, **told).body == b"a=1"


# --- set-up


def test_two_middlewares_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    """The middleware around itself would write two cookies of one name: it says so, also where something is between."""
    world = World(setting, checked=False)
    with pytest.raises(ConfigurationError, match="added twice"):
        SessionMiddleware(world.middleware, sessions=world.sessions)

    between = SessionMiddleware(partial(world.middleware), sessions=world.sessions)
    assert serve(between, environ_of()).status == 500
    assert "added twice" in caplog.text


def test_it_wants_the_blocking_manager() -> None:
    """An asyncio manager, a class or a URL is refused with the line to write, when the application is made."""
    for wrong in (AsyncSessions("memory://"), Sessions, "memory://"):
        with pytest.raises(ConfigurationError, match=r"Sessions\(url\)"):
            SessionMiddleware(setting, sessions=wrong)  # type: ignore[arg-type]


def test_faults_are_named_at_once() -> None:
    """Options that contradict are refused together, each with its remedy (house rule)."""
    with pytest.raises(ConfigurationError) as caught:
        SessionMiddleware(setting, sessions=Sessions("memory://"), domain="shop.example", paths=["app"])
    assert len(caught.value.faults) == 2


def test_without_the_middleware_the_line_to_write_is_told() -> None:
    """session_in says what to install."""
    with pytest.raises(ConfigurationError, match="SessionMiddleware"):
        session_in(environ_of())


PREFORK = """
import os, sys
sys.path[:0] = [{root!r}]
from coatcheck import Sessions
from tests.web._wsgi import environ_of, serve, setting
from coatcheck.web.wsgi import SessionMiddleware
sessions = Sessions("sqlite:///{folder}/s.db")
app = SessionMiddleware(setting, sessions=sessions)
first = serve(app, environ_of())  # the store is open before the fork
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        serve(app, environ_of(token=first.token))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
print(serve(app, environ_of(token=first.token)).body.decode())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no fork there")
def test_prefork_workers_share_a_session(tmp_path: Path) -> None:
    """A manager that was used before the server forked serves every worker (DESIGN 3, one body)."""
    code = PREFORK.format(root=str(Path(__file__).parents[2]), folder=tmp_path)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "4"), done.stderr
