"""A small application that the web tests talk to, and the browser they talk with.

The application's routes are words that every session library can offer, so that the same scenarios run over rivals.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from coatcheck import AsyncSessions, Policy, StoreUnavailable
from coatcheck.stores.memory import MemoryStore
from coatcheck.testing import CapturedEvents, FrozenClock
from coatcheck.web.starlette import SessionMiddleware, session_of, user_of

LOCAL = "http://localhost:8000"
PUBLIC = "https://shop.example"


class Gate:
    """Holds a request inside its handler until the test lets it go."""

    def __init__(self) -> None:
        """Begin shut."""
        self.inside = asyncio.Event()
        self.go = asyncio.Event()

    async def wait(self) -> None:
        """Say that the handler was reached, and wait."""
        self.inside.set()
        await self.go.wait()


class Outage(MemoryStore):
    """A store that stops answering when told to."""

    down = False

    async def find(self, ids: Any) -> Any:
        """Find, unless down."""
        self._check()
        return await super().find(ids)

    async def end(self, id: str, **facts: Any) -> Any:
        """End, unless down."""
        self._check()
        return await super().end(id, **facts)

    async def commit(self, id: str, **facts: Any) -> Any:
        """Commit, unless down."""
        self._check()
        return await super().commit(id, **facts)

    def _check(self) -> None:
        if self.down:
            raise StoreUnavailable("the engine did not answer")


class World:
    """One application with its manager, clock and events."""

    def __init__(
        self,
        *,
        store: Any = "memory://",
        policy: Policy | None = None,
        routes: list[Route | WebSocketRoute] | None = None,
        **options: Any,
    ) -> None:
        """Build the application; *options* are the middleware's."""
        self.clock = FrozenClock()
        self.events = CapturedEvents()
        self.sessions = AsyncSessions(store, policy=policy, clock=self.clock, listeners=[self.events])
        self.gates: dict[str, Gate] = {}
        self.app = Starlette(routes=[*(routes or []), *self._routes()])
        self.app.add_middleware(SessionMiddleware, sessions=self.sessions, **options)

    @asynccontextmanager
    async def browser(self, base: str = LOCAL, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
        """Open a browser: a client with a cookie jar of its own, which says whose pages send its requests."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        said = {"origin": base, **headers}
        async with httpx.AsyncClient(transport=transport, base_url=base, headers=said) as client:
            yield client

    def _routes(self) -> list[Route | WebSocketRoute]:
        return [
            Route("/plain", plain),
            Route("/read", read),
            Route("/set", put, methods=["POST"]),
            Route("/login", login, methods=["POST"]),
            Route("/logout", logout, methods=["POST"]),
            Route("/regenerate", regenerate, methods=["POST"]),
            Route("/slow", self._slow, methods=["POST", "GET"]),
            Route("/me", me),
            Route("/stream", stream),
            Route("/boom", boom, methods=["POST"]),
            WebSocketRoute("/ws", socket),
        ]

    async def _slow(self, request: Request) -> Response:
        """Read, wait at the gate, then set the keys in the query (none: a request that only reads)."""
        session = session_of(request)
        gate = self.gates[request.query_params["gate"]]
        before = dict(session)
        await gate.wait()
        for key, value in request.query_params.items():
            if key != "gate":
                session[key] = value
        return JSONResponse(before)


async def plain(_request: Request) -> Response:
    """Answer without looking at the session."""
    return PlainTextResponse("plain")


async def read(request: Request) -> Response:
    """Answer with all that the session holds."""
    session = session_of(request)
    return JSONResponse({"data": dict(session), "user": session.user_id, "reason": session.reason})


async def put(request: Request) -> Response:
    """Set the keys in the query."""
    session = session_of(request)
    for key, value in request.query_params.items():
        session[key] = value
    return PlainTextResponse("set", headers={"cache-control": "public, max-age=600"})


async def login(request: Request) -> Response:
    """Sign in the user in the query."""
    remember = {"yes": True, "no": False}.get(request.query_params.get("remember", ""))
    await session_of(request).login(request.query_params["user"], remember=remember)
    return PlainTextResponse("in")


async def logout(request: Request) -> Response:
    """Sign out."""
    await session_of(request).logout()
    return PlainTextResponse("out")


async def regenerate(request: Request) -> Response:
    """Change the ticket."""
    await session_of(request).rotate()
    return PlainTextResponse("rotated")


async def me(request: Request) -> Response:
    """Answer with the signed-in user; 401 or 303 for everybody else."""
    return JSONResponse({"id": user_of(request).id})


async def stream(request: Request) -> Response:
    """Answer piece by piece."""
    session = session_of(request)
    session["streamed"] = True

    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"one", b"two", b"three"):
            await asyncio.sleep(0)
            yield piece

    return StreamingResponse(pieces())


async def boom(request: Request) -> Response:
    """Change the session and fail."""
    session_of(request)["kept"] = "no"
    raise RuntimeError("a bug in the handler")


async def socket(websocket: WebSocket) -> None:
    """Do what each text message says to the session."""
    session = session_of(websocket)
    await websocket.accept()
    verbs: dict[str, Callable[[], Awaitable[Any]]] = {
        "login": lambda: session.login("u1"),
        "logout": session.logout,
        "rotate": session.rotate,
        "reload": session.reload,
        "save": session.save,
    }
    async for word in websocket.iter_text():
        if word == "set":
            session["from"] = "socket"
            await websocket.send_text("set")
            continue
        if word == "user":
            await websocket.send_text(str(session.user_id))
            continue
        try:
            await verbs[word]()
            await websocket.send_text("done")
        except Exception as fault:  # noqa: BLE001 - the test asserts what it was
            await websocket.send_text(f"{type(fault).__name__}: {fault}")


def cookies_of(response: httpx.Response) -> list[str]:
    """Return the response's Set-Cookie headers."""
    return response.headers.get_list("set-cookie")


def cookie_header(token: str, name: str = "session") -> dict[str, str]:
    """Return the header a client sends by hand."""
    return {"cookie": f"{name}={token}"}
