"""A WSGI server in a function, as strict as PEP 3333 allows, and a world to call it in."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.validate import validator

from coatcheck import Policy, Sessions, StoreUnavailable
from coatcheck.stores.memory import MemoryStore
from coatcheck.testing import CapturedEvents, FrozenClock
from coatcheck.web.wsgi import SessionMiddleware, session_in

Environ = dict[str, Any]
App = Callable[[Environ, Any], Iterable[bytes]]


@dataclass
class Answer:
    """What a server has sent, and in which order it did things."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    order: list[str] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        """Return every value of a header."""
        return [value for each, value in self.headers if each.lower() == name]

    def __getitem__(self, name: str) -> str | None:
        """Return a header's only value."""
        found = self.all(name)
        assert len(found) <= 1
        return found[0] if found else None

    @property
    def token(self) -> str | None:
        """Return the session cookie that the answer sets."""
        for value in self.all("set-cookie"):
            if value.startswith("session="):
                return value.partition(";")[0].partition("=")[2]
        return None


def environ_of(path: str = "/", *, method: str = "GET", token: str | None = None, **more: Any) -> Environ:
    """Return what a server would say of a request from this machine; *more* are keys of the environ."""
    environ: Environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path.partition("?")[0]).decode("latin-1"),
        "QUERY_STRING": path.partition("?")[2],
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost:8000",
        "HTTP_SEC_FETCH_SITE": "same-origin",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if token is not None:
        environ["HTTP_COOKIE"] = f"session={token}"
    environ.update(more)
    return {key: value for key, value in environ.items() if value is not None}


def serve(app: App, environ: Environ, *, until: int | None = None) -> Answer:
    """Serve one request; *until* is after how many chunks the client leaves."""
    answer, held = Answer(), list[Any]()

    def write(data: bytes) -> None:
        if held:
            answer.status, answer.headers = int(held[0][:3]), list(held[1])
            held.clear()
            answer.order.append("headers")
        assert answer.status, "write() before start_response()"
        answer.body += data
        answer.order.append("bytes")

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        if exc_info and answer.status:
            raise exc_info[1]
        assert exc_info or not held, "start_response() twice"
        held[:] = [status, headers]
        return write

    result = app(environ, start_response)
    try:
        for count, chunk in enumerate(result, 1):
            write(chunk)
            if count == until:
                break
        else:
            if not answer.status:
                write(b"")
    finally:
        if close := getattr(result, "close", None):
            close()
    answer.order.append("closed")
    return answer


class Counting(MemoryStore):
    """A store that remembers which of its verbs were called, and fails when told to."""

    def __init__(self) -> None:
        """Begin with none."""
        super().__init__()
        self.calls: list[str] = []
        self.down = False

    def __getattribute__(self, name: str) -> Any:
        """Take note of the verbs of a session."""
        if name in ("find", "create", "commit", "touch", "rotate", "end", "epoch", "sweep"):
            object.__getattribute__(self, "calls").append(name)
            if object.__getattribute__(self, "down"):
                raise StoreUnavailable("the engine did not answer")
        return object.__getattribute__(self, name)


class World:
    """An application behind the middleware, with PEP 3333 checked on both sides of it."""

    def __init__(self, app: App, *, policy: Policy | None = None, checked: bool = True, **options: Any) -> None:
        """Build it; *options* are the middleware's."""
        self.clock, self.events, self.store = FrozenClock(), CapturedEvents(), Counting()
        self.sessions = Sessions(self.store, policy=policy, clock=self.clock, listeners=[self.events])
        inside: Any = validator(app) if checked else app
        self.middleware = SessionMiddleware(inside, sessions=self.sessions, **options)
        self.app: Any = validator(self.middleware) if checked else self.middleware
        self.token: str | None = None

    def ask(self, path: str = "/", *, until: int | None = None, **asked: Any) -> Answer:
        """Send one request with the cookie that the answers before it left."""
        answer = serve(self.app, environ_of(path, token=self.token, **asked), until=until)
        if answer.token is not None:
            self.token = answer.token or None
        return answer

    def stored(self) -> dict[str, Any]:
        """Return the data that the cookie opens, whatever the application does."""
        return dict(self.sessions.load(self.token))


def plain(start_response: Any, body: bytes = b"ok", *headers: tuple[str, str]) -> list[bytes]:
    """Answer with a text."""
    start_response("200 OK", [("Content-Type", "text/plain"), *headers])
    return [body]


def setting(environ: Environ, start_response: Any) -> list[bytes]:
    """Count the visits."""
    session = session_in(environ)
    session["visits"] = session.get("visits", 0) + 1
    return plain(start_response, str(session["visits"]).encode())
