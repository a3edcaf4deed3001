"""Streams, sockets, background work, and middleware that is missing, doubled or confined to paths."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from coatcheck import AsyncSessions
from coatcheck.web.starlette import SessionMiddleware, session_of
from tests.web._site import PUBLIC, Outage, World, cookie_header


def test_streaming_is_untouched() -> None:
    """A streamed body passes piece by piece, and its first byte comes after the commit (promise 13)."""
    world = World()
    seen: list[tuple[str, int]] = []

    async def story() -> None:
        async def receive() -> dict[str, Any]:
            await asyncio.Event().wait()  # a client that stays
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            live = await world.sessions.count()
            seen.append((message["type"] + str(message.get("body", b"")), live))

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "method": "GET", "path": "/stream", "raw_path": b"/stream",
            "root_path": "", "scheme": "http", "query_string": b"", "headers": [(b"host", b"localhost")],
            "client": ("127.0.0.1", 1), "server": ("localhost", 80), "http_version": "1.1",
        }  # fmt: skip
        await world.app(scope, receive, send)

    asyncio.run(story())
    bodies = [text for text, _ in seen]
    assert bodies[0].startswith("http.response.start")
    assert [text for text in bodies if "one" in text or "two" in text or "three" in text] == bodies[1:4]
    assert all(live == 1 for _, live in seen)


async def _background(request: Request) -> Response:
    session = session_of(request)
    told: list[str] = request.app.state.told

    async def later() -> None:
        try:
            await session.login("u2")
        except Exception as fault:  # noqa: BLE001 - the test asserts what it was
            told.append(f"{type(fault).__name__}")
        session["late"] = 1

    return PlainTextResponse("ok", background=BackgroundTask(later))


def test_after_the_answer_the_ticket_cannot_change_and_lost_changes_are_told() -> None:
    """A background task cannot sign anybody in, and changes that nobody saves raise an event (ruling 15)."""
    world = World(routes=[Route("/background", _background, methods=["POST"])])
    world.app.state.told = []

    async def story() -> None:
        async with world.browser() as client:
            await client.post("/login?user=u1")
            await client.post("/background")
        assert world.app.state.told == ["TooLate"]
        assert world.events.only("session.changes_lost")[0].details["keys"] == "late"

    asyncio.run(story())


def test_a_socket_holds_a_snapshot() -> None:
    """A WebSocket reads, reloads and saves; sign-in, sign-out and rotation are refused (ruling 15)."""
    world = World()
    with TestClient(world.app, base_url="http://localhost", headers={"origin": "http://localhost"}) as client:
        client.post("/login?user=u1")
        with client.websocket_connect("ws://localhost/ws") as socket:

            def say(word: str) -> str:
                socket.send_text(word)
                return str(socket.receive_text())

            assert say("user") == "u1"
            for verb in ("login", "logout", "rotate"):
                assert say(verb).startswith("TooLate")
            say("set")
            assert say("save") == "done"
            assert client.get("/read").json()["data"] == {"from": "socket"}
            client.post("/logout")
            assert say("reload") == "done"
            assert say("user") == "None"


def test_a_socket_left_with_unsaved_changes_warns() -> None:
    """Leaving a WebSocket with changes that nobody saved raises an event (ruling 15)."""
    world = World()
    with TestClient(world.app, base_url="http://localhost", headers={"origin": "http://localhost"}) as client:
        client.post("/login?user=u1")
        with client.websocket_connect("ws://localhost/ws") as socket:
            socket.send_text("set")
            socket.receive_text()
    assert world.events.only("session.changes_lost")[0].details["keys"] == "from"


def test_on_demand_loading_says_what_to_write() -> None:
    """With load="on_demand" an unloaded use says to load, and loading works (design, section 3, Lazy)."""

    async def loading(request: Request) -> Response:
        session = session_of(request)
        await session.load()
        return PlainTextResponse(str(session.user_id))

    world = World(routes=[Route("/loading", loading)], load="on_demand")

    async def story() -> None:
        async with world.browser() as client:
            await client.post("/login?user=u1")
            refused = await client.get("/read")
            assert refused.status_code == 500
            assert "await session.load()" in refused.json()["detail"]
            assert (await client.get("/loading")).text == "u1"
            token = client.cookies["session"]
            await client.post("/logout")
            assert world.events.only("session.ended")[-1].details["reason"] == "signed_out"
            assert (await client.get("/loading", headers=cookie_header(token))).text == "None"

    asyncio.run(story())


def test_outside_the_configured_paths_nothing_is_asked() -> None:
    """Outside `paths` the store is never asked, and a use says why (design, section 3, Lazy)."""
    store = Outage()
    world = World(store=store, paths=["/login", "/plain"])

    async def story() -> None:
        async with world.browser() as client:
            await client.post("/login?user=u1")
            store.down = True
            answer = await client.get("/read")
            assert answer.status_code == 500
            assert "paths" in answer.json()["detail"]

    asyncio.run(story())


def test_two_middlewares_are_refused_by_name() -> None:
    """Starlette's own middleware beside ours is refused with the line to remove (issue 4's first-hour mistakes)."""
    from starlette.middleware.sessions import SessionMiddleware as Signed

    async def home(request: Request) -> Response:
        return PlainTextResponse(str(session_of(request).id))

    sessions = AsyncSessions("memory://")
    outer = Starlette(routes=[Route("/", home)])
    outer.add_middleware(SessionMiddleware, sessions=sessions)
    outer.add_middleware(Signed, secret_key="k" * 32)
    with pytest.raises(Exception, match="two session middlewares"):
        TestClient(outer, base_url="http://localhost").get("/")
    inner = Starlette(routes=[Route("/", home)])
    inner.add_middleware(Signed, secret_key="k" * 32)
    inner.add_middleware(SessionMiddleware, sessions=sessions)
    with pytest.raises(Exception, match="one inside this one put a"):
        TestClient(inner, base_url="http://localhost").get("/")


def test_no_middleware_says_the_line_to_write() -> None:
    """Using a session without the middleware says the line to write."""

    async def home(request: Request) -> Response:
        return PlainTextResponse(str(session_of(request).id))

    app = Starlette(routes=[Route("/", home)])
    with pytest.raises(Exception, match=r"app\.add_middleware"):
        TestClient(app).get("/")


def test_login_is_remembered_over_a_dropped_cookie_jar_name() -> None:
    """A sign-in on https and one on local http of the same browser do not mix (ruling 6)."""
    world = World()

    async def story() -> None:
        async with world.browser(PUBLIC) as client:
            await client.post("/login?user=u1")
            assert (await client.get("/me")).json() == {"id": "u1"}
        async with world.browser("http://localhost") as client:
            assert (await client.get("/me")).status_code == 401

    asyncio.run(story())
