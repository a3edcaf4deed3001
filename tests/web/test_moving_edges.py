"""Sessions that are moved, at the edges: sockets, other lifetimes, what is told, and what nobody may end by hand."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from coatcheck import Policy
from coatcheck.moving.marks import LABEL
from coatcheck.web.starlette import SessionMiddleware, session_of
from tests.web._moving import DAY, EVERY, KINDS, SITE, Move, Starsessions, set_cookies, told

MonkeyPatch = pytest.MonkeyPatch


async def _socket(websocket: WebSocket) -> None:
    session = session_of(websocket)
    await websocket.accept()
    await websocket.send_text(str(session.user_id))
    await websocket.close()


def test_a_websocket_is_served_and_keeps_the_credential(monkeypatch: MonkeyPatch) -> None:
    """Ruling 14: a handshake can send no cookie, so it is served with the credential, which stays good."""
    move = Move(KINDS["starlette"](), monkeypatch)
    shown: list[str] = []

    async def story() -> None:
        shown.append(await move.credential())

    told(story)
    app = Starlette(routes=[WebSocketRoute("/ws", _socket)])
    app.add_middleware(SessionMiddleware, sessions=move.sessions, moving=move.moving)
    headers = {"cookie": f"session={shown[0]}", "origin": SITE}
    with TestClient(app, base_url=SITE) as client:
        for _ in range(2):
            with client.websocket_connect(f"{SITE.replace('https', 'wss')}/ws", headers=headers) as socket:
                assert socket.receive_text() == "ada"
                sent: list[tuple[bytes, bytes]] = socket.extra_headers or []
                assert b"set-cookie" not in dict(sent)


@pytest.mark.parametrize(("rolling", "left"), [(False, 4), (True, 13)])
def test_how_starsessions_counts(rolling: bool, left: int, monkeypatch: MonkeyPatch) -> None:
    """Issue 5.1: a lifetime of starsessions runs from the beginning, or from the last use where it is rolling."""
    before = Starsessions()
    vars(before)["rolling"] = rolling
    policy = Policy(idle_timeout="60d", absolute_timeout="60d")
    move = Move(before, monkeypatch, policy=policy)

    async def story() -> None:
        credential = await move.credential()
        move.clock.advance("9d")
        assert await move.credential("/visit", cookie=credential) == credential
        move.clock.advance("1d")
        await move.moved(credential)
        (info,) = await move.sessions.list("ada")
        assert info.expires_at == move.clock.now_ms + left * DAY

    told(story)


def test_a_session_of_starsessions_without_a_lifetime(monkeypatch: MonkeyPatch) -> None:
    """Issue 5.1: a cookie that ended with the browser still does; the policy's clock runs from its beginning."""
    before = Starsessions()
    vars(before)["lifetime"] = 0
    move = Move(before, monkeypatch)

    async def story() -> None:
        began, credential = move.clock.now_ms, await move.credential()
        move.clock.advance("10d")
        async with move.browser(credential) as client:
            assert "Max-Age" not in set_cookies(await client.get("/"))["__Host-session"]
        (info,) = await move.sessions.list("ada")
        assert info.expires_at == began + 30 * DAY

    told(story)


@EVERY
def test_nothing_tells_the_credential(kind: str, monkeypatch: MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Promise 7: neither log nor event nor answer holds the credential, nor the secret that follows from it."""
    move = Move(KINDS[kind](), monkeypatch, policy=Policy(keep_ended="1s"))

    async def story() -> None:
        with caplog.at_level(logging.DEBUG, "coatcheck"):
            credential = await move.credential()
            async with move.browser(credential) as client:
                answer = await client.get("/")
                ticket = set_cookies(answer)["__Host-session"].partition(";")[0]
                await client.post("/act?do=logout")
            await move.whose(credential)
            await move.whose(credential[:-1])
        secret = ticket.partition(".")[2]
        everything = caplog.text + repr([event.as_json() for event in move.events]) + answer.text
        assert credential not in everything
        assert secret not in everything

    told(story)


def test_what_remembers_an_end_is_not_ended_by_hand(monkeypatch: MonkeyPatch) -> None:
    """Promise 2: the rows beside sessions say what they are, and revoke leaves them, whoever finds them on a page."""
    move = Move(KINDS["starlette"](), monkeypatch, policy=Policy(keep_ended="1s"))

    async def story() -> None:
        credential = await move.credential()
        await move.sessions.revoke(await move.moved(credential))
        store: Any = move.sessions.store
        rows = [item for item in (await store.browse(limit=100)).items if getattr(item, "origin", None)]
        assert {row.origin.label for row in rows} == {LABEL}
        other = move.manager(move.sessions.store)
        for row in rows:
            assert not await other.revoke(row.id)
            assert not await move.sessions.revoke(row.id)
        for _ in range(2):
            move.clock.advance("1d")
            await move.sessions.sweep()
        assert await move.whose(credential) is None

    told(story)


@pytest.mark.parametrize(
    ("user_of", "fault"),
    [(lambda _: 42, "write str"), (lambda data: data["nobody"], "nobody")],
)
def test_a_mistake_in_user_of_is_loud(user_of: Callable[[Any], Any], fault: str, monkeypatch: MonkeyPatch) -> None:
    """Promise 9: an application that cannot say whose a session is signs nobody out in silence."""
    move = Move(KINDS["starsessions"](), monkeypatch, user_of=user_of)

    async def story() -> None:
        credential = await move.credential()
        async with move.browser(credential) as client:
            assert (await client.get("/")).status_code == 500
        assert await move.before.holds() == 1

    told(story)


def test_roles_may_be_looked_up(monkeypatch: MonkeyPatch) -> None:
    """Issue 5.1: under ASGI roles_of may await; None stands for the policy's default."""

    async def editor(_: Any) -> list[str]:
        return ["editor"]

    async def default(_: Any) -> None:
        return None

    found: list[Any] = []
    ask: list[Callable[[Any], Awaitable[Any]]] = [editor, default]
    for roles_of in ask:
        move = Move(KINDS["starlette"](), monkeypatch, roles_of=roles_of)

        async def story(move: Move = move) -> None:
            await move.moved(await move.credential())
            found.append((await move.sessions.list("ada"))[0].roles)

        told(story)
    assert found == [("editor",), ("user",)]


def test_a_full_house_keeps_who_is_in(monkeypatch: MonkeyPatch) -> None:
    """Promise 4: a limit that rejects holds for moved sessions too; the credential is kept, and it is told."""
    move = Move(KINDS["starsessions"](), monkeypatch, policy=Policy(max_sessions=1, at_limit="reject"))

    async def story() -> None:
        laptop, phone = await move.credential(), await move.credential()
        first = await move.moved(laptop)
        assert await move.whose(phone) is None
        await move.sessions.revoke(first)
        assert await move.whose(phone) == "ada"

    told(story)
    assert move.refusals() == ["limit"]
