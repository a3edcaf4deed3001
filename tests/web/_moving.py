"""An application on the middleware it had before, and the same application on coatcheck's, which moves its sessions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import itsdangerous
import pytest
import starsessions
import starsessions.session
from starlette.applications import Starlette
from starlette.middleware.sessions import SessionMiddleware as SignedCookies
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from coatcheck import AsyncSessions, Policy
from coatcheck.moving import Moving, Source, StarletteCookies, StarsessionsStore
from coatcheck.testing import CapturedEvents, FrozenClock
from coatcheck.testing.clock import START
from coatcheck.web.starlette import SessionMiddleware, session_of

SITE = "https://shop.example"
LOCAL = "http://localhost:8000"
DOMAINS = {SITE: "shop.example", LOCAL: "localhost.local"}
"""What the client's jar files cookies under."""

KEY = "the key of the application before"
DAY = 86_400_000
TWO_WEEKS = 14 * 86_400
DATA = {"user_id": "ada", "cart": ["apple", {"pear": 2}], "grüße": "ä\u2028", "none": None, "price": 1.5}


async def sign_in(request: Request) -> Response:
    """Sign in as applications of these libraries do: by writing it down."""
    request.session.update({**DATA, **request.query_params})
    return PlainTextResponse("in")


async def visit(request: Request) -> Response:
    """Store something as nobody in particular."""
    request.session["cart"] = ["apple"]
    return PlainTextResponse("stored")


FORGETFUL = Policy(keep_ended="1s", max_ended=1, max_sessions=1)
"""What remembers as little as it may."""


class Before:
    """The application before; each kind says which middleware it had, and what reads its sessions."""

    cookie = "session"

    def app(self) -> Starlette:
        """Build it."""
        routes = [Route("/sign-in", sign_in, methods=["POST"]), Route("/visit", visit, methods=["POST"])]
        app = Starlette(routes=routes)
        self.install(app)
        return app

    def install(self, app: Starlette) -> None:
        """Add the middleware."""
        raise NotImplementedError

    def source(self, **other: Any) -> Source:
        """Return what reads its sessions; *other* arguments differ on purpose."""
        raise NotImplementedError

    async def holds(self) -> int | None:
        """Count the sessions in its store, ``None`` where it has none."""
        return None


class Starlettes(Before):
    """Starlette's own sessions."""

    max_age: int | None = TWO_WEEKS

    def install(self, app: Starlette) -> None:
        """Add the middleware."""
        app.add_middleware(SignedCookies, secret_key=KEY, max_age=self.max_age)

    def source(self, **other: Any) -> Source:
        """Return what reads its sessions."""
        return StarletteCookies(**{"secret_key": KEY, "max_age": self.max_age, **other})


class Starsessions(Before):
    """Sessions of starsessions, in any of its stores."""

    lifetime, rolling = TWO_WEEKS, False

    def __init__(self, store: Any = None) -> None:
        """Take the store."""
        self.store = store or starsessions.InMemoryStore()

    def install(self, app: Starlette) -> None:
        """Add the middleware."""
        app.add_middleware(starsessions.SessionAutoloadMiddleware)
        app.add_middleware(
            starsessions.SessionMiddleware, store=self.store, lifetime=self.lifetime, rolling=self.rolling
        )

    def source(self, **other: Any) -> Source:
        """Return what reads its sessions."""
        return StarsessionsStore(**{"store": self.store, "lifetime": self.lifetime, "rolling": self.rolling, **other})

    async def holds(self) -> int | None:
        """Count the sessions in its store."""
        held: dict[str, bytes] | None = getattr(self.store, "data", None)
        return None if held is None else len(held)


def in_a_cookie() -> Before:
    """Sessions of starsessions in a signed cookie."""
    return Starsessions(starsessions.CookieStore(KEY))


KINDS: dict[str, Callable[[], Before]] = {
    "starlette": Starlettes,
    "starsessions": Starsessions,
    "starsessions, in a cookie": in_a_cookie,
}
SIGNED = frozenset({"starlette", "starsessions, in a cookie"})
EVERY = pytest.mark.parametrize("kind", KINDS)


class Move:
    """The application before and after, one clock for both, and what coatcheck told."""

    def __init__(
        self,
        before: Before,
        monkeypatch: pytest.MonkeyPatch,
        *,
        store: Any = "memory://",
        policy: Policy | None = None,
        source: Source | None = None,
        until: Any = "2026-03-31",
        start: datetime = START,
        middleware: dict[str, Any] | None = None,
        **moving: Any,
    ) -> None:
        """Build both. *moving* are options of `Moving`, *middleware* those of the middleware."""
        self.clock, self.events, self.before = FrozenClock(start), CapturedEvents(), before
        signer: Any = itsdangerous.TimestampSigner
        monkeypatch.setattr(signer, "get_timestamp", lambda _: self.clock.now_ms // 1000)
        monkeypatch.setattr(starsessions.session, "time", SimpleNamespace(time=self.clock))
        self.old = before.app()
        self.sessions = self.manager(store, policy)
        known: dict[str, Any] = {"user_of": lambda data: data.get("user_id"), **moving}
        self.moving = Moving(source or before.source(), until, **known)
        self.app = self.after(self.sessions, moving=self.moving, **(middleware or {}))

    def manager(self, store: Any, policy: Policy | None = None) -> AsyncSessions:
        """Build a manager as another process would."""
        return AsyncSessions(store, policy=policy, clock=self.clock, listeners=[self.events])

    def after(self, sessions: AsyncSessions, **options: Any) -> Any:
        """Build the application after."""
        routes = [Route("/", read), Route("/plain", plain), Route("/act", act, methods=["POST"])]
        app = Starlette(routes=routes)
        app.add_middleware(SessionMiddleware, sessions=sessions, **options)
        return app

    async def credential(self, path: str = "/sign-in", cookie: str | None = None) -> str:
        """Let the application before begin a session, or go on with one, and return its cookie."""
        transport = httpx.ASGITransport(self.old)
        async with httpx.AsyncClient(transport=transport, base_url=SITE) as client:
            if cookie is not None:
                client.cookies.set(self.before.cookie, cookie)
            answer = await client.post(path)
            return str(answer.cookies[self.before.cookie])

    @asynccontextmanager
    async def browser(self, *credentials: str, base: str = SITE) -> AsyncIterator[httpx.AsyncClient]:
        """Open a browser at the application after, with the cookie of the one before."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=base, headers={"origin": base}) as client:
            for credential in credentials:
                client.cookies.set(self.before.cookie, credential, domain=DOMAINS[base])
            yield client

    async def whose(self, credential: str, base: str = SITE) -> Any:
        """Say who a browser with nothing but this credential is."""
        async with self.browser(credential, base=base) as client:
            return (await client.get("/")).json()["user"]

    async def moved(self, credential: str) -> str:
        """Move a session, and return its id."""
        async with self.browser(credential) as client:
            return str((await client.get("/")).json()["id"])

    def refusals(self) -> list[Any]:
        """Return why credentials were not taken over."""
        return [event.details["why"] for event in self.events.only("moving.refused")]


async def read(request: Request) -> Response:
    """Tell all that the session holds."""
    session = session_of(request)
    return JSONResponse(
        {"user": session.user_id, "id": session.id, "data": dict(session), "roles": list(session.roles)}
    )


async def plain(_request: Request) -> Response:
    """Answer without a look at the session."""
    return PlainTextResponse("plain")


async def act(request: Request) -> Response:
    """Do what the query says."""
    session, do = session_of(request), request.query_params["do"]
    if do == "login":
        await session.login(request.query_params["user"])
    elif do == "set":
        session["set"] = "yes"
    else:
        await getattr(session, do)()
    return PlainTextResponse("done")


async def sign_out(move: Move, credential: str) -> None:
    """Sign out a browser that has this credential."""
    async with move.browser(credential) as client:
        assert (await client.post("/act?do=logout")).status_code == 200


def url(store: str, folder: Path) -> str:
    """Return the URL of a store in a folder of its own."""
    return f"sqlite:///{folder}/sessions.db" if store == "sqlite" else store


def told(story: Callable[[], Awaitable[None]]) -> None:
    """Run a story."""

    async def run() -> None:
        await story()

    asyncio.run(run())


def set_cookies(answer: httpx.Response) -> dict[str, str]:
    """Return what an answer says of each cookie."""
    said = answer.headers.get_list("set-cookie")
    found = {text.partition("=")[0]: text.partition("=")[2] for text in said}
    assert len(found) == len(said)
    return found
