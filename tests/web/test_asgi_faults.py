"""What strangers learn from faults, what damaged data comes to, and how refused requests and sockets are answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from coatcheck import ConfigurationError, StoreUnavailable
from coatcheck.model import replace
from coatcheck.stores.memory import MemoryStore
from coatcheck.web.starlette import SessionMiddleware, session_of, user_of
from tests.web._site import World, cookie_header, cookies_of

NGINX = "http://127.0.0.1:8000"
"""What a request says of its host when nginx passes on its own default, whatever the browser asked for."""
PAGE = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def page(handler: Callable[[Request], Awaitable[Response]]) -> list[Route | WebSocketRoute]:
    """Return the routes of a site with one more page, ``/act``."""
    return [Route("/act", handler, methods=["GET", "POST"])]


async def signed_in(world: World, **data: Any) -> str:
    """Sign in without a browser and return the cookie's value."""
    session = await world.sessions.load(None)
    await session.login("u1")
    session.update(data)
    token = (await world.sessions.save(session)).token
    assert token is not None
    return token


# -- a proxy that nobody named


@pytest.mark.parametrize(
    "headers",
    [{"x-forwarded-proto": "https"}, {"x-forwarded-proto": "HTTPS"}, {"forwarded": "for=9.9.9.9;proto=https"}],
)
def test_a_proxys_https_makes_a_local_host_insecure(headers: dict[str, str]) -> None:
    """Promise 10, ruling 6: behind an https proxy a local Host is not local; a cookie without Secure is refused."""
    world = World()

    async def story() -> None:
        token = await signed_in(world)
        async with world.browser(NGINX, **headers) as client:
            for path in ("/set?x=1", "/login?user=u2"):
                refused = await client.post(path)
                assert (refused.status_code, refused.json()["code"]) == (500, "insecure_transport")
                assert "trusted_proxies" in refused.json()["detail"]
                assert cookies_of(refused) == []
            for name in ("session", "__Host-session"):
                read = await client.get("/read", headers=cookie_header(token, name))
                assert (read.status_code, read.json()["user"]) == (200, None)

    asyncio.run(story())


@pytest.mark.parametrize("headers", [{}, {"x-forwarded-proto": "http"}, {"forwarded": "for=127.0.0.1;proto=http"}])
def test_a_proxys_http_on_a_local_host_says_nothing(headers: dict[str, str]) -> None:
    """Ruling 6: a development proxy that speaks plain http leaves a local host local."""
    world = World()

    async def story() -> None:
        async with world.browser(NGINX, **headers) as client:
            answer = await client.post("/set?x=1")
            assert (answer.status_code, len(cookies_of(answer))) == (200, 1)
            assert (await client.get("/read")).json()["data"] == {"x": "1"}

    asyncio.run(story())


def test_a_named_proxy_is_believed() -> None:
    """Ruling 6: the remedy works: with trusted proxies the same request gets a ``__Host-`` cookie."""
    world = World(trusted_proxies=1)
    forwarded = {"x-forwarded-proto": "https", "x-forwarded-host": "shop.example", "x-forwarded-for": "9.9.9.9"}

    async def story() -> None:
        async with world.browser(NGINX, origin="https://shop.example", **forwarded) as client:
            (cookie,) = cookies_of(await client.post("/set?x=1"))
        assert cookie.startswith("__Host-session=")
        assert "; Secure" in cookie

    asyncio.run(story())


@pytest.mark.parametrize("headers", [(), ((b"x-forwarded-proto", b"http"),)])
def test_hosts_that_nobody_has_are_not_remembered(headers: tuple[tuple[bytes, bytes], ...]) -> None:
    """A stranger who sends long Host headers fills no memory: what is remembered is bounded in bytes, not in number."""

    async def silent(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    middleware = SessionMiddleware(silent, sessions=World().sessions)

    async def ask(host: bytes) -> int:
        async def nothing(*_: Any) -> Any:
            return None

        scope = {"type": "http", "scheme": "https", "path": "/", "method": "GET", "client": ("192.0.2.1", 1)}
        await middleware({**scope, "headers": [(b"host", host), *headers]}, nothing, nothing)
        return middleware.settings._direct.cache_info().currsize

    async def story() -> list[int]:
        return [await ask(host) for host in (b"shop.example", b"a" * 261, b"b" * 60_000, b"shop.example")]

    assert asyncio.run(story()) == [0 if headers else 1] * 4


# -- what a fault tells


def test_a_wrong_set_up_is_told_to_the_log_alone(tmp_path: Path) -> None:
    """An anonymous visitor learns neither the database's path nor what is wrong with it (OWASP ASVS 16.5.1)."""
    world = World(store=f"sqlite:///{tmp_path}/private/sessions.db")

    async def story() -> None:
        async with world.browser() as client:
            for headers in ({}, PAGE):
                answer = await client.post("/login?user=u1", headers=headers)
                assert answer.status_code == 500
                for word in (str(tmp_path), "private", "sessions.db", "sqlite"):
                    assert word not in answer.text.lower()

    asyncio.run(story())


class Unreadable:
    """Nothing that a session can hold; its name is the application's business."""


async def configuration(_request: Request) -> Response:
    """Fail as a wrong set-up does."""
    raise ConfigurationError("postgresql://admin:hunter2@db.internal cannot be opened")


async def not_encodable(request: Request) -> Response:
    """Store what cannot be stored."""
    session_of(request)["internal_key"] = Unreadable()
    return PlainTextResponse("never")


async def not_encodable_later(request: Request) -> Response:
    """Put what cannot be stored inside a value that was stored, so that the commit finds it."""
    session = session_of(request)
    session["internal_key"] = []
    session["internal_key"].append(Unreadable())
    return PlainTextResponse("never")


@pytest.mark.parametrize("handler", [configuration, not_encodable, not_encodable_later])
@pytest.mark.parametrize("headers", [{}, PAGE], ids=["problem", "page"])
def test_a_500_tells_strangers_nothing_of_the_application(
    handler: Callable[[Request], Awaitable[Response]], headers: dict[str, str]
) -> None:
    """The body of a 500 is a fixed sentence; keys, types, passwords and remedies go to the log (ASVS 16.5.1)."""
    world = World(routes=page(handler))

    async def story() -> None:
        async with world.browser() as client:
            answer = await client.post("/act", headers=headers)
        assert answer.status_code == 500
        assert "Its log says which" in answer.text
        for word in ("hunter2", "db.internal", "internal_key", "Unreadable"):
            assert word not in answer.text

    asyncio.run(story())


# -- a damaged value

USES: dict[str, Callable[[Any], Any]] = {
    "dict": dict,
    "items": lambda session: list(session.items()),
    "values": lambda session: list(session.values()),
    "==": lambda session: session == {"good": 1, "bad": 2},
    "[]": lambda session: session.get("bad"),
    "pop": lambda session: session.pop("bad", None),
    "copy": lambda session: session.copy(),
    "|": lambda session: session | {},
}


def damaged(handler: Callable[[Request], Awaitable[Response]]) -> World:
    """Build a site whose store will hold damaged values."""
    return World(store=MemoryStore(), routes=page(handler))


async def damage(world: World, token: str) -> None:
    """Break the value of ``bad`` in the stored record."""
    store: Any = world.sessions.store
    (record,) = await store.find([token[:26]])
    store._rows.keep(replace(record, data={**record.data, "bad": b"\xc1"}))


@pytest.mark.parametrize("use", USES)
def test_a_damaged_value_signs_out_and_is_no_500(use: str) -> None:
    """Promise 12: whichever way it is read, the visitor is signed out, the damage is told, and the row is left."""

    async def act(request: Request) -> Response:
        session = session_of(request)
        USES[use](session)
        return JSONResponse({"user": session.user_id, "left": dict(session)})

    world = damaged(act)

    async def story() -> None:
        token = await signed_in(world, good=1, bad=2)
        await damage(world, token)
        async with world.browser() as client:
            answer = await client.get("/act", headers=cookie_header(token))
        assert (answer.status_code, answer.json()) == (200, {"user": None, "left": {}})
        assert [event.session_id for event in world.events.only("session.record_damaged")] == [token[:26]]
        assert cookies_of(answer) == []
        assert await world.sessions.count() == 1

    asyncio.run(story())


def test_a_transaction_on_a_damaged_value_is_refused() -> None:
    """Promise 12: `transaction()` raises SessionGone, which is 401, and never the codec's own error."""

    async def act(request: Request) -> Response:
        await session_of(request).transaction(lambda data: data.get("bad"))
        return PlainTextResponse("never")

    world = damaged(act)

    async def story() -> None:
        token = await signed_in(world, good=1, bad=2)
        await damage(world, token)
        async with world.browser() as client:
            answer = await client.post("/act", headers=cookie_header(token))
        assert (answer.status_code, answer.json()["code"]) == (401, "session_gone")
        assert world.events.only("session.record_damaged")

    asyncio.run(story())


# -- refusals


@pytest.mark.parametrize(("headers", "status"), [({}, 401), (PAGE, 303)])
def test_being_sent_to_sign_in_is_stored_nowhere(headers: dict[str, str], status: int) -> None:
    """K-1, K-2: a cache that kept the 401 or the 303 would show it to whoever is signed in."""
    world = World(sign_in_url="/sign-in")

    async def story() -> None:
        async with world.browser() as client:
            answer = await client.get("/me", headers=headers)
        assert answer.status_code == status
        assert answer.headers["cache-control"] == "no-store, private"
        assert answer.headers["vary"] == "Cookie"

    asyncio.run(story())


class Down(MemoryStore):
    """A store that never finds."""

    async def find(self, ids: Any) -> Any:
        """Do not answer."""
        raise StoreUnavailable("the engine did not answer")


async def guarded(websocket: WebSocket) -> None:
    """Ask who is there, after the handshake or in it."""
    if "late" in websocket.query_params:
        await websocket.accept()
    user_of(websocket)


async def knock(world: World, *, extension: bool, query: bytes = b"") -> list[dict[str, Any]]:
    """Open a socket as a server does and return what the application sent."""
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "websocket", "scheme": "ws", "path": "/guarded", "raw_path": b"/guarded", "query_string": query,
        "root_path": "", "subprotocols": [], "client": ("127.0.0.1", 1), "server": ("localhost", 8000),
        "headers": [
            (b"host", b"localhost:8000"), (b"origin", b"http://localhost:8000"),
            (b"cookie", b"session=0" + b"A" * 25 + b"." + b"A" * 43),
        ],
        "extensions": {"websocket.http.response": {}} if extension else {},
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    await world.app(scope, receive, send)
    return sent


@pytest.mark.parametrize(
    ("store", "status", "close", "code"),
    [("memory://", 401, 1008, "sign_in_required"), (Down(), 503, 1013, "store_unavailable")],
    ids=["nobody", "outage"],
)
def test_a_refused_socket_is_answered_or_closed(store: Any, status: int, close: int, code: str) -> None:
    """Promise 9, RFC 6455 7.4: the handshake gets a status where the server can; else the close says what it was."""
    world = World(store=store, routes=[WebSocketRoute("/guarded", guarded)])
    start, body = asyncio.run(knock(world, extension=True))
    headers = dict(start["headers"])
    assert (start["type"], start["status"]) == ("websocket.http.response.start", status)
    assert (headers[b"cache-control"], headers[b"vary"]) == (b"no-store, private", b"Cookie")
    assert b"set-cookie" not in headers
    assert code.encode() in body["body"]
    closed = {"type": "websocket.close", "code": close, "reason": code}
    assert asyncio.run(knock(world, extension=False)) == [closed]
    accepted, last = asyncio.run(knock(world, extension=True, query=b"late=1"))
    assert (accepted["type"], last) == ("websocket.accept", closed)
