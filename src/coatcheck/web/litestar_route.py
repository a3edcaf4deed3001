"""One route of a Litestar application inside the session middleware: what Litestar does in its own way is put right.

Litestar builds its middleware once a route, catches exceptions within it, and lets an application put another session
in the place of the one it was given. And it routes first: the path that its middleware sees has no ``root_path`` any
more, and below a mount not the mount's own path either. Rules are about the path that was asked for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, cast
from urllib.parse import unquote

from litestar.types import Empty
from litestar.types import Receive as LitestarReceive
from litestar.types import Scope as LitestarScope
from litestar.types import Send as LitestarSend
from litestar.utils import normalize_path
from litestar.utils.scope.state import ScopeState

from coatcheck.awaiting import AsyncSession
from coatcheck.errors import CoatcheckError
from coatcheck.web.asgi_exchange import EXCHANGE
from coatcheck.web.exchange import Exchange

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[..., Awaitable[None]]

_UNKNOWN: Final = "*"
"""No path (RFC 9112, 3.2.4), so that every gate refuses it."""

_INSIDE: Final = "coatcheck.litestar.inside"
FAILURE: Final = "coatcheck.litestar.failure"
"""Where a WebSocket's exception waits for Litestar's close message, which it replaces."""


async def onward(scope: Scope, receive: Receive, send: Send) -> None:
    """Go on to the route that the connection came for; what the one middleware of all routes has inside."""
    inside: Route
    inside, scope["path"], scope["root_path"], headers = scope.pop(_INSIDE)
    if scope["headers"] is not headers:
        # Litestar's CORS has read them by now, and its requests would go on reading what a gate has taken out.
        ScopeState.from_scope(cast("LitestarScope", scope)).headers = Empty
    await inside.serve(scope, receive, send)


async def answered_before(scope: LitestarScope, receive: LitestarReceive, send: LitestarSend) -> None:
    """Stand at a path that the middleware answers by itself; nobody comes here."""


class Route:
    """See the module's text."""

    __slots__ = ("_app", "_middleware")

    def __init__(self, app: App, middleware: App) -> None:
        """Serve *app* within *middleware*, which all routes share."""
        self._app, self._middleware = app, middleware

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        root: str = scope.get("root_path", "")
        scope[_INSIDE] = self, scope["path"], root, scope["headers"]
        scope["path"], scope["root_path"] = _asked_for(scope, root), root.rstrip("/")
        await self._middleware(scope, receive, send)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application; the session is in the scope by now."""
        session: AsyncSession = scope["session"]
        replaced = False

        async def forward(message: Message) -> None:
            nonlocal replaced
            if replaced:
                return
            if message["type"] == "websocket.close" and FAILURE in scope:
                raise cast("CoatcheckError", scope.pop(FAILURE))
            if message["type"] == "http.response.start":
                replaced = await _taken_over(scope, session, send)
            if not replaced:
                await send(message)

        await self._app(scope, receive, forward)


def _asked_for(scope: Scope, root: str) -> str:
    """Return the path as ASGI has it: whole, below ``root_path``; what no rule is for where a mount's cannot be told.

    Litestar takes a mount's path off by the length of its text, so that ``/adminx`` is ``x`` below ``/admin``: two
    readings of one path.
    """
    path: str = scope["path"]
    if getattr(scope.get("route_handler"), "is_mount", False):
        path = _above(path.rstrip("/"), scope.get("raw_path", b""), root)
    return root.rstrip("/") + path if path.startswith("/") else path


def _above(below: str, raw: bytes, root: str) -> str:
    """Return the path that was asked for, of which a mount sees *below*; `_UNKNOWN` where that cannot be told."""
    sent = unquote(raw.partition(b"?")[0].decode("latin-1"))
    whole = normalize_path(sent.split(root, maxsplit=1)[-1] if root else sent)
    whole_segments = below[:1] in ("", "/") or whole == f"/{below}"
    return whole if sent and whole_segments and whole.endswith(below) else _UNKNOWN


async def _taken_over(scope: Scope, session: AsyncSession, send: Send) -> bool:
    """Do to *session* what the application did to ``scope["session"]``; return whether the answer was replaced.

    ``request.set_session(value)`` replaces the data, ``request.clear_session()`` ends the session: that is how a
    Litestar application signs somebody out.
    """
    found, scope["session"] = scope.get("session"), session
    if found is session:
        return False
    try:
        if isinstance(found, Mapping):
            _replace(session, cast("Mapping[str, Any]", found))
        else:
            await session.logout()
    except CoatcheckError as error:
        exchange: Exchange = scope[EXCHANGE]
        made = await exchange.answer(error)
        await send({"type": "http.response.start", "status": made.status, "headers": made.headers})
        await send({"type": "http.response.body", "body": made.body})
        return True
    return False


def _replace(session: AsyncSession, data: Mapping[str, Any]) -> None:
    for key in [key for key in session if key not in data]:
        del session[key]
    session.update(data)
