"""The same three-route application, bare and under each session library."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct
from starlette.applications import Starlette
from starlette.middleware.sessions import SessionMiddleware as SignedCookies
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from coatcheck import AsyncSessions
from coatcheck.web.starlette import SessionMiddleware, session_of

Endpoint = Callable[[Request], Any]


class Contender(Struct, frozen=True):
    """An application to measure; ``close`` lets go of what it opened."""

    name: str
    app: Any
    close: Callable[[], Any] | None = None


def build_all(folder: Path) -> list[Contender]:
    """Build every contender; files go below *folder*."""
    return [bare(), signed_cookie(), starsessions_memory(), ours("memory://"), ours(f"sqlite:///{folder}/bench.db")]


def bare() -> Contender:
    """No sessions at all: what the others' figures are measured against."""

    async def endpoint(_request: Request) -> Response:
        return PlainTextResponse("ok")

    return Contender("bare", _app(endpoint, endpoint, endpoint))


def signed_cookie() -> Contender:
    """Starlette's own sessions: the data itself in a signed cookie, nothing on the server."""

    async def read(request: Request) -> Response:
        return PlainTextResponse(str(request.session.get("user")))

    async def change(request: Request) -> Response:
        request.session["n"] = request.session.get("n", 0) + 1
        return PlainTextResponse("ok")

    async def login(request: Request) -> Response:
        request.session.clear()
        request.session["user"] = "u1"
        return PlainTextResponse("ok")

    app = _app(read, change, login)
    app.add_middleware(SignedCookies, secret_key=os.urandom(32).hex())
    return Contender("starlette signed cookie", app)


def starsessions_memory() -> Contender:
    """Starsessions with its in-memory store."""
    from starsessions import InMemoryStore, SessionAutoloadMiddleware, regenerate_session_id
    from starsessions import SessionMiddleware as Starsessions

    async def read(request: Request) -> Response:
        return PlainTextResponse(str(request.session.get("user")))

    async def change(request: Request) -> Response:
        request.session["n"] = request.session.get("n", 0) + 1
        return PlainTextResponse("ok")

    async def login(request: Request) -> Response:
        regenerate_session_id(request)
        request.session["user"] = "u1"
        return PlainTextResponse("ok")

    app = _app(read, change, login)
    app.add_middleware(SessionAutoloadMiddleware)
    app.add_middleware(Starsessions, store=InMemoryStore(), cookie_https_only=False, lifetime=86400)
    return Contender("starsessions memory", app)


def ours(url: str) -> Contender:
    """Coatcheck on the store that *url* names."""
    sessions = AsyncSessions(url)

    async def read(request: Request) -> Response:
        return PlainTextResponse(str(session_of(request).user_id))

    async def change(request: Request) -> Response:
        session = session_of(request)
        session["n"] = session.get("n", 0) + 1
        return PlainTextResponse("ok")

    async def login(request: Request) -> Response:
        await session_of(request).login("u1")
        return PlainTextResponse("ok")

    app = _app(read, change, login)
    app.add_middleware(SessionMiddleware, sessions=sessions)
    return Contender(f"coatcheck {url.partition(':')[0]}", app, sessions.aclose)


def _app(read: Endpoint, change: Endpoint, login: Endpoint) -> Starlette:
    return Starlette(
        routes=[
            Route("/read", read),
            Route("/change", change, methods=["POST"]),
            Route("/login", login, methods=["POST"]),
        ]
    )
