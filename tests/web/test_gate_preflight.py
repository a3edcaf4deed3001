"""A preflight passes the gate without being judged, and so its answer leaves without a body."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from typing import Any

import pytest

from coatcheck import AsyncSessions, Sessions
from coatcheck.web.asgi import SessionMiddleware
from coatcheck.web.gate import Gate, Rule
from coatcheck.web.wsgi import SessionMiddleware as WsgiMiddleware

GATE = Gate([Rule("/open", allow="public")], default="signed_in")
SECRET = b"what only somebody who is signed in may read"
ASKS = [(b"host", b"localhost"), (b"origin", b"https://any.example"), (b"access-control-request-method", b"GET")]


async def answers_every_method(_scope: Any, _receive: Any, send: Any) -> None:
    """Answer in two pieces, whatever the method is, as a view without a look at it does."""
    length = str(2 * len(SECRET)).encode()
    headers = [(b"allow", b"GET, OPTIONS"), (b"content-length", length), (b"access-control-allow-methods", b"GET")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": SECRET, "more_body": True})
    await send({"type": "http.response.body", "body": SECRET})


def over_asgi(method: str, headers: list[tuple[bytes, bytes]]) -> list[dict[str, Any]]:
    """Return the messages of an answer."""
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    scope = {
        "type": "http", "method": method, "path": "/account", "query_string": b"", "scheme": "http", "headers": headers,
        "client": ("127.0.0.1", 1),
    }  # fmt: skip
    app: Any = SessionMiddleware(answers_every_method, sessions=AsyncSessions("memory://"), gate=GATE)
    asyncio.run(app(scope, receive, send))
    return said


def test_a_preflight_is_answered_without_a_body() -> None:
    """S-54: who is no browser and sends a preflight to a view that answers every method reads its headers alone."""
    start, body = over_asgi("OPTIONS", ASKS)

    assert start["status"] == 200
    assert start["headers"] == [(b"allow", b"GET, OPTIONS"), (b"access-control-allow-methods", b"GET")]
    assert body == {"type": "http.response.body", "body": b""}


def test_without_being_one_it_is_judged() -> None:
    """S-54: what is no preflight is refused as before, and told so in a body."""
    assert over_asgi("GET", ASKS)[0]["status"] == 401
    assert over_asgi("OPTIONS", ASKS[:2])[0]["status"] == 401


def yielded(start_response: Callable[..., Any]) -> Iterator[bytes]:
    """Answer in pieces that come one after another."""
    start_response("200 OK", [("Content-Length", str(2 * len(SECRET))), ("Allow", "GET, OPTIONS")])
    yield b""
    yield SECRET
    yield SECRET


def written(start_response: Callable[..., Any]) -> list[bytes]:
    """Answer by WSGI's ``write``."""
    write = start_response("200 OK", [("Content-Length", str(2 * len(SECRET))), ("Allow", "GET, OPTIONS")])
    write(SECRET)
    return [SECRET]


def nothing(start_response: Callable[..., Any]) -> list[bytes]:
    """Answer without a body."""
    start_response("200 OK", [("Allow", "GET, OPTIONS")])
    return []


@pytest.mark.parametrize("view", [yielded, written, nothing])
def test_a_wsgi_preflight_is_answered_without_a_body(view: Callable[[Callable[..., Any]], Iterable[bytes]]) -> None:
    """S-54: a blocking application's answer to a preflight has no body either, however it is sent."""
    said: list[Any] = []
    sent: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
        said.append((status, headers))
        return sent.append

    environ: dict[str, Any] = {
        "REQUEST_METHOD": "OPTIONS", "SCRIPT_NAME": "", "PATH_INFO": "/account", "QUERY_STRING": "",
        "wsgi.url_scheme": "http", "wsgi.input": BytesIO(), "HTTP_HOST": "localhost", "REMOTE_ADDR": "127.0.0.1",
        "HTTP_ORIGIN": "https://any.example", "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "GET",
    }  # fmt: skip
    app = WsgiMiddleware(lambda _environ, start: view(start), sessions=Sessions("memory://"), gate=GATE)
    chunks: Any = app(environ, start_response)
    sent += chunks
    chunks.close()

    assert said == [("200 OK", [("Allow", "GET, OPTIONS")])]
    assert b"".join(sent) == b""
