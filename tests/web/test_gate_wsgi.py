"""The gate before a WSGI application: the same decisions, and an environment in which nobody else has written."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import Any

import pytest

from coatcheck import Sessions
from coatcheck.testing import FrozenClock
from coatcheck.web.gate import Gate, Rule
from coatcheck.web.wsgi import SessionMiddleware

GATE = Gate(
    [Rule("/open", allow="public"), Rule("/admin", role="admin"), Rule("/account")],
    default="deny",
    skip="/static/:path*",
)
SPOOFED = {"HTTP_X_USER_ID": "root", "HTTP_X_USER_ROLE": "admin", "HTTP_X_SESSION_ID": "0root"}


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer with what the environment says of a user."""
    start_response("200 OK", [("content-type", "application/json")])
    return [json.dumps({key: environ[key] for key in sorted(SPOOFED) if key in environ}).encode()]


class Site:
    """One application with its sessions."""

    def __init__(self) -> None:
        """Build it."""
        self.sessions = Sessions("memory://", clock=FrozenClock())
        self.app = SessionMiddleware(application, sessions=self.sessions, gate=GATE)

    def ask(self, path: str, token: str | None = None, **environ: str) -> tuple[str, dict[str, str], Any]:
        """Send one request; returns status, headers and body."""
        said: list[Any] = []
        cookie = {} if token is None else {"HTTP_COOKIE": f"session={token}"}
        whole: dict[str, Any] = {
            "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "", "HTTP_HOST": "localhost",
            "SERVER_NAME": "localhost", "SERVER_PORT": "80", "REMOTE_ADDR": "127.0.0.1", "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(), **SPOOFED, **cookie, **environ,
        }  # fmt: skip

        def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
            said.append((status, dict(headers)))

        chunks = self.app(whole, start_response)
        body = b"".join(chunks)
        getattr(chunks, "close", lambda: None)()
        return said[0][0], said[0][1], json.loads(body)

    def sign_in(self) -> str:
        """Sign somebody in; returns the cookie's value."""
        session = self.sessions.load(None)
        session.login("ann", roles=["editor", "admin"])
        token = self.sessions.save(session).token
        assert token is not None
        return token


@pytest.mark.parametrize("path", ["/open", "/static/a"])
def test_a_wsgi_environment_is_stripped_everywhere(path: str) -> None:
    """S-59: where nobody is looked at, the variables that a client's headers became are gone."""
    assert Site().ask(path)[2] == {}


def test_a_wsgi_application_is_told_who_it_is() -> None:
    """S-59: for a guarded path the variables hold what the gate says, and the answer is private."""
    site = Site()

    _, headers, told = site.ask("/admin", site.sign_in())

    assert (told["HTTP_X_USER_ID"], told["HTTP_X_USER_ROLE"]) == ("ann", "admin,editor")
    assert told["HTTP_X_SESSION_ID"] != "0root"
    assert (headers["cache-control"], headers["vary"]) == ("no-store, private", "Cookie")


@pytest.mark.parametrize(
    ("path", "environ", "status"),
    [
        ("/open", {}, "200"),
        ("/account", {}, "401"),
        ("/unlisted", {}, "403"),
        ("//admin", {}, "400"),
        ("/a/../admin", {}, "400"),
        ("/a/b", {"RAW_URI": "/a%2Fb"}, "400"),
        ("/open", {"HTTP_X_HTTP_METHOD_OVERRIDE": "DELETE"}, "200"),
        ("/account", {"REQUEST_METHOD": "OPTIONS", "HTTP_ORIGIN": "http://localhost"}, "401"),
        ("", {}, "403"),
    ],
)
def test_wsgi_requests_are_judged_alike(path: str, environ: dict[str, str], status: str) -> None:
    """S-54: a WSGI application's requests get the decisions that an ASGI application's get."""
    assert Site().ask(path, **environ)[0][:3] == status


def test_a_public_path_loads_nothing() -> None:
    """S-61: a public rule adds no Vary: Cookie and no Set-Cookie, for the holder of a cookie either."""
    site = Site()

    _, headers, _ = site.ask("/open", site.sign_in())

    assert headers.keys() == {"content-type"}
