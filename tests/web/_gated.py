"""An application behind a gate, and the raw ASGI requests that no well-behaved client would send."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from coatcheck import Policy
from coatcheck.web.gate import Gate, Rule
from tests.web._site import World

PAGE = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PROGRAM = {"accept": "application/json"}

RULES = [
    Rule(["/", "/blog/:slug+", "/plain", "/read", "/set", "/seen"], allow="public"),
    Rule("/hello", allow="public", identify=True),
    Rule("/account/password", fresh="5m"),
    Rule("/account/keys", aal=2),
    Rule("/account/feed", may_store=True),
    Rule("/account/:path*"),
    Rule("/docs/:id", methods=["GET"], allow="public"),
    Rule("/docs/:id", role="admin"),
    Rule("/admin/:path*", role=["admin", "ops"]),
    Rule("/ws"),
    Rule(["/logout", "/regenerate"]),
]
GATE = Gate(RULES, default="deny", step_up_url="/confirm")


def gated(gate: Gate | None = GATE, **options: Any) -> World:
    """Build the application behind *gate*; *options* are the middleware's and the manager's."""
    names = ("/", "/account", "/account/password", "/account/keys", "/admin", "/admin/users", "/confirm", "/unlisted")
    routes: list[Route | WebSocketRoute] = [Route(name, seen, methods=["GET", "POST", "DELETE"]) for name in names]
    routes += [Route(name, kept) for name in ("/account/feed", "/blog/{slug}")]
    routes += [
        Route("/hello", seen),
        Route("/seen", seen),
        Route("/docs/{id}", seen, methods=["GET", "POST", "DELETE"]),
        Route("/login", sign_in_page, methods=["GET"]),
        Route("/api/{name}", seen),
        WebSocketRoute("/ws", socket),
    ]
    return World(routes=routes, gate=gate, **options)


async def seen(request: Request) -> Response:
    """Answer with the headers that the gate writes, as the handler sees them, without looking at the session."""
    told = [[name.decode(), value.decode()] for name, value in request.headers.raw if is_about_a_user(name)]
    return JSONResponse(told)


def is_about_a_user(name: bytes) -> bool:
    """Whether somebody might take a header for the gate's."""
    return name.lower().replace(b"_", b"-") in (b"x-user-id", b"x-user-role", b"x-session-id")


async def kept(_request: Request) -> Response:
    """Answer with something that caches may keep."""
    return PlainTextResponse("kept", headers={"cache-control": "public, max-age=600"})


async def sign_in_page(_request: Request) -> Response:
    """Show a form; nobody looks at the session."""
    return PlainTextResponse("sign in here", headers={"cache-control": "public, max-age=600"})


async def socket(websocket: WebSocket) -> None:
    """Tell who is there, by the gate's header."""
    await websocket.accept()
    await websocket.send_text(websocket.headers.get("x-user-id", "nobody"))
    await websocket.close()


async def sign_in(world: World, user: str = "ann", **facts: Any) -> str:
    """Sign a user in without a request; returns the cookie's value."""
    session = await world.sessions.load(None)
    await session.login(user, **facts)
    token = (await world.sessions.save(session)).token
    assert token is not None
    return token


@dataclass
class Got:
    """A raw answer."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


async def ask(
    world: World,
    sent: str,
    *,
    method: str = "GET",
    headers: list[tuple[bytes, bytes]] | None = None,
    token: str | None = None,
    scope: dict[str, Any] | None = None,
) -> Got:
    """Send one request as it stands, in a server's place; *sent* is the path before it is decoded."""
    raw, _, query = sent.partition("?")
    all_headers = [(b"host", b"localhost"), (b"origin", b"http://localhost"), *(headers or [])]
    if token is not None:
        all_headers.append((b"cookie", f"session={token}".encode()))
    got = Got(0, [], b"")

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            got.status, got.headers = message["status"], list(message.get("headers", []))
        elif message["type"] == "http.response.body":
            got.body += message.get("body", b"")

    await world.app(
        {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": unquote(raw), "raw_path": raw.encode("latin-1"), "query_string": query.encode(), "root_path": "",
            "headers": all_headers, "client": ("127.0.0.1", 5), "server": ("localhost", 80), **(scope or {}),
        },
        receive,
        send,
    )  # fmt: skip
    return got


STRICT = Policy(touch_every="1s")
"""Writes activity at almost every request, so that it can be counted."""
