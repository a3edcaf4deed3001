"""The helpers for users' tests: the frozen clock, captured events, `sign_in` on every kind of client."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from coatcheck import AsyncSessions, ConfigurationError, Event, InsecureTransport, Policy, Sessions
from coatcheck.testing import CapturedEvents, FrozenClock, freeze, sign_in
from coatcheck.testing.finding import middleware_of
from coatcheck.web.starlette import SessionMiddleware, session_of

LOCAL = "http://localhost:8000"


@pytest.mark.parametrize("first", ["contract", "contract_bench", "giving_way", "signing", "finding"])
def test_its_names_are_what_they_say(first: str) -> None:
    """Whatever was imported before, ``from coatcheck.testing import ...`` gives classes and functions, not modules."""
    code = (
        f"import coatcheck.testing.{first}, coatcheck.testing as it, types; "
        "print([name for name in it.__all__ if isinstance(getattr(it, name), types.ModuleType)])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


async def me(request: Request) -> JSONResponse:
    """Say who asks."""
    session = session_of(request)
    return JSONResponse({"user": session.user_id, "roles": list(session.roles), "reason": session.reason, **session})


async def put(request: Request) -> JSONResponse:
    """Store something."""
    session_of(request)["put"] = True
    return JSONResponse({})


async def rotate(request: Request) -> JSONResponse:
    """Answer with another cookie of the same name."""
    await session_of(request).rotate()
    return JSONResponse({})


def site(**options: Any) -> tuple[Starlette, AsyncSessions]:
    """Build an application and its manager."""
    sessions = AsyncSessions("memory://", **options)
    app = Starlette(routes=[Route("/me", me), Route("/put", put), Route("/rotate", rotate)])
    app.add_middleware(SessionMiddleware, sessions=sessions)
    return app, sessions


@asynccontextmanager
async def browser(app: Any, base_url: str = LOCAL) -> AsyncIterator[httpx.AsyncClient]:
    """Open an asyncio client of an application."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base_url) as client:
        yield client


# --- the clock


def test_the_clock_stands_still_until_it_is_moved() -> None:
    """A `FrozenClock` begins at one fixed moment, moves by text and by timedelta, and never backwards."""
    clock = FrozenClock()
    begin = clock.now_ms
    assert (begin, clock()) == (FrozenClock().now_ms, begin / 1000)

    clock.advance("31m")
    clock.advance(timedelta(milliseconds=1))

    assert clock.now_ms == begin + 31 * 60_000 + 1
    assert clock.now == datetime(2026, 1, 1, 12, 31, 0, 1000, UTC)
    assert "2026-01-01T12:31:00.001" in repr(clock)
    for wrong in ("-1s", "soon", timedelta(seconds=-1)):
        with pytest.raises(ValueError):
            clock.advance(wrong)


def test_the_clock_starts_where_it_is_told() -> None:
    """A start without a time zone would mean another moment on every machine, and is refused."""
    assert FrozenClock(datetime(1970, 1, 2, tzinfo=UTC)).now_ms == 86_400_000
    with pytest.raises(ValueError, match="time zone"):
        FrozenClock(datetime(2026, 1, 1))  # noqa: DTZ001


def test_the_clock_is_exact_to_the_millisecond() -> None:
    """Seconds as a float lose no millisecond when they are multiplied and cut off, as the manager does (promise 8)."""
    clock, inexact = FrozenClock(datetime(1970, 1, 1, tzinfo=UTC)), 0
    for _ in range(5000):
        assert int(clock() * 1000) == clock.now_ms
        inexact += int(clock.now_ms / 1000 * 1000) != clock.now_ms
        clock.advance("1ms")
    assert inexact, "these moments prove nothing: dividing alone was exact"


def test_freeze_replaces_the_clock_of_a_manager_for_a_while() -> None:
    """Inside the block a built manager reads the frozen clock, outside its own, also after a failure (promise 8)."""
    own = FrozenClock(datetime(2020, 1, 1, tzinfo=UTC))
    sessions = Sessions("memory://", policy=Policy.sensitive(), clock=own)

    def in_the_block() -> None:
        with freeze(sessions, FrozenClock()) as clock:
            session = sessions.load(None)
            sessions.login(session, "user-1")
            token = sessions.save(session).token
            clock.advance("29m")
            assert sessions.load(token).user_id == "user-1"
            clock.advance("1m")
            assert sessions.load(token).reason == "idle"
            raise RuntimeError

    with pytest.raises(RuntimeError):
        in_the_block()
    session = sessions.load(None)
    sessions.login(session, "user-2")
    assert sessions.get(session.id or "").created_at == own.now_ms  # type: ignore[union-attr]


# --- events


def test_captured_events_are_a_list_that_listens() -> None:
    """Events are kept in order, found by name, and a name that does not exist is an error, not an empty answer."""
    events = CapturedEvents()
    created, ended = Event(name="session.created", at=1), Event(name="session.ended", at=2)
    for event in (created, ended, created):
        events(event)

    assert events == [created, ended, created]
    assert events.names == ["session.created", "session.ended", "session.created"]
    assert events.only("session.created") == [created, created]
    assert events.only("session.ended", "session.created") == [created, ended, created]
    with pytest.raises(ValueError, match=r"session\.begun"):
        events.only("session.begun")


# --- signing in


@pytest.mark.parametrize("opened", [True, False])
def test_sign_in_on_a_test_client(opened: bool) -> None:
    """A ``TestClient`` is signed in before its first request, on its own loop when it is open, else on another."""
    events = CapturedEvents()
    app, sessions = site(listeners=[events])
    client = TestClient(app, base_url=LOCAL, headers={"origin": LOCAL})
    if opened:
        client.__enter__()

    info = sign_in(client, "user-1", roles=["editor", "admin"], data={"cart": ["apples"]})

    assert client.get("/me").json() == {
        "user": "user-1",
        "roles": ["admin", "editor"],
        "reason": None,
        "cart": ["apples"],
    }
    assert (info.user_id, info.roles, info.live) == ("user-1", ("admin", "editor"), True)
    assert events.names == ["session.created"]
    if opened:
        client.__exit__()
    assert asyncio.run(sessions.get(info.id)) == info


def test_sign_in_is_replaced_by_the_applications_own_cookie() -> None:
    """The cookie is the one that the application sets, so a later answer replaces it and never doubles it (C-10)."""
    app, _ = site()
    with TestClient(app, base_url=LOCAL, headers={"origin": LOCAL}) as client:
        sign_in(client, "user-1")
        before = client.cookies["session"]
        client.get("/rotate")

        assert client.cookies["session"] != before  # `cookies[...]` refuses two of one name
        assert client.get("/me").json()["user"] == "user-1"
        sign_in(client, "user-2")
        assert client.get("/me").json()["user"] == "user-2"


def test_sign_in_on_https() -> None:
    """On https the cookie has its ``__Host-`` name, as in production (promise 10)."""
    app, _ = site()
    with TestClient(app, base_url="https://shop.example") as client:
        sign_in(client, "user-1")

        assert list(client.cookies) == ["__Host-session"]
        assert client.get("/me").json()["user"] == "user-1"


def test_sign_in_says_where_plain_http_is_refused() -> None:
    """On a host where the application would refuse the cookie there is no session, and the remedy told (ruling 6)."""
    app, sessions = site()
    with TestClient(app, base_url="http://shop.example") as client, pytest.raises(InsecureTransport, match="shop"):
        sign_in(client, "user-1")
    assert asyncio.run(sessions.count()) == 0


def test_sign_in_keeps_the_policy() -> None:
    """The session is a real one: the limit holds, and ``remember`` chooses its lifetime (promise 4, ruling 2)."""
    app, sessions = site(policy=Policy(max_sessions=1))
    evicted = sign_in(TestClient(app, base_url=LOCAL, headers={"origin": LOCAL}), "user-1")

    info = sign_in(TestClient(app, base_url=LOCAL, headers={"origin": LOCAL}), "user-1", remember=True)

    assert info.lifetime == "remember_me"
    assert asyncio.run(sessions.get(evicted.id)).reason == "evicted"  # type: ignore[union-attr]


def test_sign_in_with_asyncio() -> None:
    """An asyncio client is signed in on the running loop, with ``await``."""

    async def story() -> None:
        app, sessions = site(policy=Policy(anonymous=False))
        async with browser(app) as client:
            info = await sign_in(client, "user-1", data={"n": 1})
            told = (await client.get("/me")).json()
            assert (told["user"], told["n"]) == ("user-1", 1)
            await sessions.revoke(info.id)
            assert (await client.get("/me")).json()["reason"] == "revoked"

    asyncio.run(story())


def test_sign_in_from_a_running_loop() -> None:
    """A blocking client may be signed in where a loop runs in the same thread, as an async test does."""

    async def story() -> None:
        app, _ = site()
        client = TestClient(app, base_url=LOCAL, headers={"origin": LOCAL})
        sign_in(client, "user-1")
        assert client.get("/me").json()["user"] == "user-1"

    asyncio.run(story())


def plain(app: Any) -> Any:
    """Wrap an application in something that keeps it under ``app``."""

    class Wrapper:
        def __init__(self) -> None:
            self.app = app

        async def __call__(self, *connection: Any) -> None:
            await self.app(*connection)

    return Wrapper()


def test_the_middleware_is_found_wherever_it_is() -> None:
    """It is found before and after the application is built, around it, below wrappers, and in mounted ones."""
    app, sessions = site()
    around = SessionMiddleware(app=me, sessions=sessions)  # type: ignore[arg-type]
    for candidate in (app, plain(app), plain(plain(app)), Starlette(routes=[Mount("/shop", app)]), around):
        assert middleware_of(candidate).sessions is sessions

    with TestClient(app, base_url=LOCAL, headers={"origin": LOCAL}) as client:
        client.get("/me")
        built = middleware_of(app)
        assert built is middleware_of(app)
        assert built.sessions is sessions


def test_sign_in_says_what_it_needs() -> None:
    """A client of no application, and an application without sessions, are told what to write."""
    with httpx.Client() as stranger, pytest.raises(ConfigurationError, match="TestClient"):
        sign_in(stranger, "user-1")
    with pytest.raises(ConfigurationError, match="add_middleware"):
        sign_in(TestClient(Starlette()), "user-1")


# --- the plugin
