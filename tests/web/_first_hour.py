"""The application that the first hour's mistakes are made in, and the messages that developers see."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.middleware.sessions import SessionMiddleware as Signed
from starlette.testclient import TestClient

from coatcheck import AsyncSessions
from coatcheck.web.fastapi import CurrentSession, SessionMiddleware, SignedIn

LOCAL = "http://localhost"
CONFIGURATION = "See docs/reference/errors.md#configuration"

NO_SESSION = (
    "this request has no session. If SessionMiddleware is not installed, write "
    "app.add_middleware(SessionMiddleware, sessions=AsyncSessions(...)). If it is, a middleware asks that runs before "
    "it: the one added last runs first, so add SessionMiddleware below the one that asks"
)
STARLETTES = "AssertionError: SessionMiddleware must be installed to access request.session"
REMOVE = "Remove its line, such as app.add_middleware(starlette.middleware.sessions.SessionMiddleware, ...)"
OUTSIDE = (
    f"two session middlewares are installed: another one put a {Signed.__module__}.Session into scope['session'] "
    f"before this one. {REMOVE}"
)
INSIDE = (
    f"two session middlewares are installed: one inside this one put a {Signed.__module__}.Session into "
    f"scope['session'], so request.session is not coatcheck's. {REMOVE}"
)
TWICE = (
    "two session middlewares are installed: coatcheck's SessionMiddleware was added twice. Keep one; two managers on "
    "one application would write two cookies of one name"
)
NO_MANAGER = (
    "SessionMiddleware needs sessions=AsyncSessions(...), not coatcheck.blocking.Sessions: an ASGI application awaits "
    "its store. Write sessions=AsyncSessions(url) with the store's URL"
)
MISSING = 'a redis:// store needs redis, which is not installed: pip install "coatcheck[redis]"'
UNREACHED = "Redis at localhost:6379 cannot be reached"
NOT_STARTED = (
    "The application did not start, because nobody could sign in. Start the store, or mend its URL: "
    "AsyncSessions(url), or what AsyncSessions.from_env() reads"
)
POSSIBLE = (
    "Possible are None, bool, int, float, str, bytes, datetime, date, time, timedelta, Decimal, UUID, and list, tuple, "
    "set, frozenset and dict of them"
)
NOT_ENCODABLE = (
    "session['user'] has the type Member, which a session cannot restore; store its id or its plain fields, or read "
    f"the session as a typed object. {POSSIBLE}"
)
INSECURE = (
    "a session over plain http to 'shop.example' could be read on the way. Serve https; behind a proxy that does, name "
    "it: SessionMiddleware(trusted_proxies=[...]); for a network you trust write "
    "SessionMiddleware(allow_http_hosts=['shop.example'])"
)
HOST_AND_DOMAIN = (
    "browsers drop a '__Host-' cookie that has a domain: remove domain='shop.example', or write "
    'cookie_name="__Secure-session"'
)
NOT_LOADED = 'the session is loaded on demand here: write "await session.load()" before using it'


class Member:
    """An object of the application's own."""


def site(*, sessions: AsyncSessions | None = None, **options: Any) -> FastAPI:
    """Return an application without the middleware, or with it if *sessions* are given."""
    app = FastAPI()

    @app.get("/typed")
    async def typed(session: CurrentSession) -> None:
        session["visits"] = session.get("visits", 0) + 1

    @app.get("/mapping")
    async def mapping(request: Request) -> None:
        request.session["visits"] = 1

    @app.get("/object")
    async def keep_an_object(session: CurrentSession) -> None:
        session["user"] = Member()

    @app.get("/me")
    async def me(user: SignedIn) -> str:
        return user.id

    if sessions is not None:
        app.add_middleware(SessionMiddleware, sessions=sessions, **options)
    return app


def memory() -> AsyncSessions:
    """Return a manager that needs no server."""
    return AsyncSessions("memory://")


def shown(app: FastAPI, path: str = "/typed", *, base: str = LOCAL, **headers: str) -> str:
    """Return how the traceback in the developer's terminal ends."""
    with pytest.raises(Exception) as caught:
        TestClient(app, base_url=base).get(path, headers=headers)
    return ending(caught.value)


def ending(error: BaseException) -> str:
    """Return the last lines of a traceback, without the error's name."""
    return "".join(traceback.format_exception_only(error)).rstrip("\n").removeprefix("coatcheck.errors.")
