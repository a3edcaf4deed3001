"""A small shop behind the real middleware, and browsers that talk to it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from coatcheck import AsyncSessions, Policy
from coatcheck.testing import CapturedEvents
from coatcheck.web.starlette import SessionMiddleware, session_of

LOCAL = "http://localhost:8000"
PATIENCE = 20.0
"""Seconds that a client here waits: far more than any store's timeout, so whoever is answered was answered by that."""
PAGE = {"accept": "text/html"}


class Shop:
    """One worker: the application, its manager, and what its listeners heard."""

    def __init__(self, store: Any, *, policy: Policy | None = None, clock: Callable[[], float] = time.time) -> None:
        """Build the worker; nothing is opened."""
        self.events = CapturedEvents()
        self.sessions = AsyncSessions(store, policy=policy, clock=clock, listeners=[self.events])
        self.app = Starlette(routes=ROUTES)
        self.app.add_middleware(SessionMiddleware, sessions=self.sessions)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Shop]:
        """Begin as a server does, and end."""
        async with self.sessions:
            yield self

    @asynccontextmanager
    async def browser(self, token: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
        """Open a browser, with a cookie that it had before."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url=LOCAL, timeout=PATIENCE, headers={"origin": LOCAL}
        ) as client:
            if token is not None:
                client.cookies.set("session", token, domain="localhost.local", path="/")
            yield client


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a story; one that hangs fails instead."""

    async def bounded() -> None:
        async with asyncio.timeout(3 * PATIENCE):
            await story()

    asyncio.run(bounded())


async def plain(_request: Request) -> Response:
    """Answer without looking at the session."""
    return PlainTextResponse("plain")


async def read(request: Request) -> Response:
    """Say who is there and what the session holds."""
    session = session_of(request)
    return JSONResponse({"user": session.user_id, "data": dict(session), "reason": session.reason})


async def put(request: Request) -> Response:
    """Set the keys in the query."""
    session_of(request).update(request.query_params)
    return PlainTextResponse("set")


async def login(request: Request) -> Response:
    """Sign in the user in the query."""
    await session_of(request).login(request.query_params["user"])
    return PlainTextResponse("in")


async def logout(request: Request) -> Response:
    """Sign out."""
    await session_of(request).logout()
    return PlainTextResponse("out")


async def rotate(request: Request) -> Response:
    """Change the ticket for a new privilege."""
    await session_of(request).rotate()
    return PlainTextResponse("rotated")


ROUTES = [
    Route("/plain", plain),
    Route("/read", read),
    Route("/set", put, methods=["POST"]),
    Route("/login", login, methods=["POST"]),
    Route("/logout", logout, methods=["POST"]),
    Route("/rotate", rotate, methods=["POST"]),
]


async def sign_in(client: httpx.AsyncClient, user: str = "ada", **data: str) -> str:
    """Sign in, put *data* into the session, and return the cookie's value."""
    assert (await client.post(f"/login?user={user}")).status_code == 200
    if data:
        assert (await client.post("/set", params=data)).status_code == 200
    return str(client.cookies["session"])


async def user_of(client: httpx.AsyncClient) -> str | None:
    """Return who the shop takes the browser for."""
    answer = await client.get("/read")
    assert answer.status_code == 200, answer.text
    user: str | None = answer.json()["user"]
    return user


def unavailable(answer: httpx.Response) -> bool:
    """Whether *answer* is the one of an outage: 503, when to come back, and no cookie touched.

    A wrong one fails here, with what it was.
    """
    seen = (answer.status_code, int(answer.headers.get("retry-after", 0)) > 0, cookies_of(answer))
    assert seen == (503, True, []), f"{seen}: {answer.text}"
    return True


def cookies_of(answer: httpx.Response) -> list[str]:
    """Return the answer's Set-Cookie headers."""
    return answer.headers.get_list("set-cookie")


def deleted(answer: httpx.Response) -> bool:
    """Whether *answer* deletes the cookie."""
    return [("Max-Age=0" in cookie) for cookie in cookies_of(answer)] == [True]


async def until(ready: Callable[[], Coroutine[Any, Any, bool]], seconds: float = PATIENCE) -> None:
    """Ask *ready* until it says yes: a real server needs its time to come back."""
    async with asyncio.timeout(seconds):
        while not await ready():  # noqa: ASYNC110 - the server is another process
            await asyncio.sleep(0.05)


async def served(client: httpx.AsyncClient, path: str = "/read", method: str = "GET") -> None:
    """Ask until the shop serves *path*; until then every answer is that of an outage."""

    async def ready() -> bool:
        answer = await client.request(method, path)
        return answer.status_code == 200 or not unavailable(answer)

    await until(ready)


def said(records: list[logging.LogRecord]) -> str:
    """Return everything that was logged, tracebacks and causes included."""
    formatter = logging.Formatter()
    return "\n".join(formatter.format(record) for record in records)
