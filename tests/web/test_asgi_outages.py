"""What an outage leaves behind: a word for the operator, whatever was asked, and no ticket lost (promises 5 and 9)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from coatcheck import StoreUnavailable, Unconfirmed
from coatcheck.stores.memory import MemoryStore
from coatcheck.web.starlette import session_of
from tests.web._site import LOCAL, World, cookies_of

CAUSE = "Redis at 10.0.0.5:6379 is out of memory"


class Full(MemoryStore):
    """A store that answers questions and refuses to write."""

    full = False

    def __getattribute__(self, name: str) -> Any:
        """Refuse every verb that writes."""
        verb = super().__getattribute__(name)
        if name not in {"create", "commit", "rotate", "touch", "end_user"} or not self.full:
            return verb

        async def refuse(*_terms: object, **_more: object) -> None:
            raise StoreUnavailable(CAUSE)

        return refuse


def told(world: World) -> list[object]:
    """Return the causes that were told."""
    return [event.details["cause"] for event in world.events.only("store.unavailable")]


@pytest.mark.parametrize("path", ["/set?x=1", "/login?user=eve", "/regenerate", "/everywhere"])
def test_a_refused_write_is_told(path: str) -> None:
    """Promise 9: the visitor gets 503 without the cause, and the listeners get the cause, once for each answer."""

    async def everywhere(request: Request) -> Response:
        await world.sessions.revoke_user(session_of(request).user.id)
        return PlainTextResponse("out")

    store = Full()
    world = World(store=store, routes=[Route("/everywhere", everywhere, methods=["POST"])])

    async def story() -> None:
        async with world.browser() as client:
            await client.post("/login?user=ada")
            store.full = True
            for count in (1, 2):
                answer = await client.post(path)
                assert (answer.status_code, cookies_of(answer)) == (503, [])
                assert CAUSE not in answer.text
                assert told(world) == [CAUSE] * count

    asyncio.run(story())


def test_a_failed_load_is_told_once() -> None:
    """Promise 9: the fault that the load has told of is the one that the answer comes from: one event, not two."""

    class Silent(MemoryStore):
        async def find(self, ids: Any) -> Any:
            raise StoreUnavailable(CAUSE)

    world = World(store=Silent())

    async def story() -> None:
        headers = {"cookie": "session=0" + "A" * 25 + "." + "A" * 43}
        async with world.browser(LOCAL, **headers) as client:
            assert (await client.get("/read")).status_code == 503
            assert told(world) == [CAUSE]
            assert (await client.post("/logout")).status_code == 503
            assert told(world) == [CAUSE] * 2

    asyncio.run(story())


def test_a_refused_write_of_a_socket_is_told() -> None:
    """Promise 9: a connection that is closed for an outage is told of like an answer."""
    store = Full()

    async def act(websocket: WebSocket) -> None:
        session_of(websocket)["x"] = 1
        await session_of(websocket).save()

    world = World(store=store, routes=[WebSocketRoute("/act", act)])

    async def story() -> None:
        session = await world.sessions.load(None)
        await session.login("ada")
        token = (await world.sessions.save(session)).token or ""
        store.full = True
        sent: list[Any] = []
        scope = {
            "type": "websocket", "scheme": "ws", "path": "/act", "raw_path": b"/act", "query_string": b"",
            "root_path": "", "subprotocols": [], "client": ("127.0.0.1", 1), "server": ("localhost", 8000),
            "headers": [(b"host", b"localhost:8000"), (b"origin", b"http://localhost:8000"),
                        (b"cookie", b"session=" + token.encode())], "extensions": {},
        }  # fmt: skip

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(dict(message))

        await world.app(scope, receive, send)
        assert sent == [{"type": "websocket.close", "code": 1013, "reason": "store_unavailable"}]

    asyncio.run(story())
    assert told(world) == [CAUSE]


class Unheard(MemoryStore):
    """A store whose replicas never confirm a change of privilege."""

    async def rotate(self, id: str, **terms: Any) -> Any:
        """Rotate, and say that nobody has confirmed it."""
        await super().rotate(id, **terms)
        raise Unconfirmed(CAUSE)


def test_an_unconfirmed_rotation_signs_nobody_out() -> None:
    """Promise 5: the answer is 503 and carries the new ticket, because the old one is dead already."""
    world = World(store=Unheard())

    async def story() -> None:
        async with world.browser() as client:
            await client.post("/login?user=ada")
            before = client.cookies["session"]
            answer = await client.post("/regenerate")
            assert (answer.status_code, answer.json()["code"]) == (503, "unconfirmed")
            assert (CAUSE in answer.text, len(cookies_of(answer))) == (False, 1)
            assert answer.headers["cache-control"] == "no-store, private"
            assert client.cookies["session"] != before
            assert (await client.get("/read")).json()["user"] == "ada"

    asyncio.run(story())
    assert told(world) == [CAUSE]
