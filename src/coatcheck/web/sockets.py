"""One WebSocket: its session is a snapshot, re-read on request, and it never gets another ticket (ruling 15)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from coatcheck.manager import opening
from coatcheck.session import AsyncSession
from coatcheck.sessions import AsyncSessions
from coatcheck.state import Phase, State
from coatcheck.web.exchange import load_into, tell_lost_changes
from coatcheck.web.request import Request
from coatcheck.web.settings import Settings

Message = MutableMapping[str, Any]


class Socket:
    """See the module's text."""

    __slots__ = ("_request", "_settings", "state")

    def __init__(self, sessions: AsyncSessions, settings: Settings, request: Request) -> None:
        """Begin; nothing is loaded yet."""
        core = sessions._core  # noqa: SLF001 - the adapter drives the manager's parts
        self._settings = settings
        self._request = request
        self.state: State = opening.accept(core, request.token, request.visit)

    async def serve(
        self,
        app: Callable[..., Awaitable[None]],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Run *app* on the connection with a snapshot of the session."""
        await load_into(self.state, self._request, self._settings)
        self.state.phase = Phase.SNAPSHOT
        self._request.scope["session"] = AsyncSession(self.state)
        try:
            await app(self._request.scope, receive, send)
        finally:
            tell_lost_changes(self.state)
