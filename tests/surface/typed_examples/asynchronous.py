"""The types that the asyncio side hands out, on Starlette."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, assert_type

from msgspec import Struct
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from coatcheck import AsyncSession, AsyncSessions, Event, Policy, SessionInfo, User
from coatcheck.stores.memory import MemoryStore
from coatcheck.web.starlette import SessionMiddleware, session_of, user_of


@dataclass
class Cart:
    """Data as a dataclass."""

    items: list[str] = field(default_factory=list[str])


class Settings(Struct):
    """Data as a struct."""

    theme: str = "light"


def hear(event: Event) -> None:
    """Listen."""
    assert_type(event.session_id, str | None)


sessions = AsyncSessions(policy=Policy(idle_timeout="30m", absolute_timeout=timedelta(hours=12)), listeners=[hear])
on_a_store = AsyncSessions(MemoryStore(), policy=Policy.sensitive().adjusted(max_sessions=3), tenant="shop")
from_variables = AsyncSessions.from_env({"COATCHECK_STORE": "memory://"}, policy=Policy.from_profile("nist_aal2"))
assert_type(from_variables, AsyncSessions)
assert_type(sessions.policy, Policy)


def count(data: MutableMapping[str, Any]) -> int:
    """Change data, and answer with a number."""
    data["count"] = data.get("count", 0) + 1
    return int(data["count"])


async def home(request: Request) -> Response:
    """Look at the session in each way there is."""
    session = session_of(request)
    assert_type(session, AsyncSession)
    assert_type(session_of(request, Cart), Cart)
    assert_type(session_of(request, Settings), Settings)
    assert_type(session.typed(Cart), Cart)
    assert_type(user_of(request), User)
    assert_type(session.user, User)
    assert_type((session.id, session.user_id, session.reason), tuple[str | None, str | None, str | None])
    assert_type(session.roles, tuple[str, ...])
    assert_type(session.signed_in, bool)
    assert_type(session.expires_at, datetime | None)
    session_of(request, Cart).items.append("pear")
    return JSONResponse(dict(session))


async def verbs(request: Request) -> Response:
    """Use each verb of a session."""
    session = session_of(request)
    epoch = await sessions.epoch("ada")
    assert_type(epoch, int)
    await session.login("ada", epoch=epoch, roles=("editor",), remember=True, amr=["pwd"], aal=1)
    assert_type(await session.transaction(count, deadline=timedelta(seconds=1)), int)
    await session.rotate()
    await session.save()
    await session.logout()
    return Response()


async def operate() -> None:
    """Use each verb of a manager."""
    infos = await sessions.list("ada", ended=True)
    assert_type(infos, list[SessionInfo])
    page, cursor = await sessions.browse(limit=10)
    assert_type(page, list[SessionInfo])
    assert_type(cursor, str | None)
    assert_type(await sessions.get(infos[0].id), SessionInfo | None)
    assert_type(await sessions.transaction(infos[0].id, count, deadline="1s"), int)
    assert_type(await sessions.revoke(infos[0].id, user_id="ada"), bool)
    assert_type(await sessions.revoke_user("ada", keep=infos[0].id), int)
    assert_type(await sessions.set_roles("ada", ["editor"]), int)
    async with AsyncSessions("memory://") as opened:
        assert_type(opened, AsyncSessions)


async def socket(websocket: WebSocket) -> None:
    """Look at the session of a WebSocket."""
    assert_type(session_of(websocket), AsyncSession)
    await session_of(websocket).reload()


app = Starlette(
    routes=[Route("/", home), Route("/verbs", verbs), WebSocketRoute("/ws", socket)],
    middleware=[Middleware(SessionMiddleware, sessions=sessions, same_site="strict", load="on_demand")],
)
