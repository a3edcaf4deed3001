"""One WebSocket: its session is a snapshot, re-read on request, and it never gets another ticket (ruling 15)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from coatcheck.errors import CoatcheckError, StoreUnavailable
from coatcheck.manager import opening
from coatcheck.session import AsyncSession
from coatcheck.sessions import AsyncSessions
from coatcheck.state import Phase, State
from coatcheck.web.answers import Places, answer
from coatcheck.web.bearer import challenge, settle
from coatcheck.web.caching import forbid_storing
from coatcheck.web.exchange import admit, tell_lost_changes
from coatcheck.web.request import Request
from coatcheck.web.settings import Settings

Message = MutableMapping[str, Any]

# RFC 6455, 7.4.1, and the IANA registry of close codes.
_POLICY_VIOLATION: Final = 1008
_TRY_AGAIN_LATER: Final = 1013


async def _no_body() -> None:
    """A handshake has none."""


class Socket:
    """See the module's text."""

    __slots__ = ("_accepted", "_request", "_send", "_settings", "state")

    def __init__(self, sessions: AsyncSessions, settings: Settings, request: Request) -> None:
        """Begin; nothing is loaded yet."""
        core = sessions._core  # noqa: SLF001 - the adapter drives the manager's parts
        self._settings = settings
        self._request = request
        self._accepted = False
        self.state: State = opening.accept(core, request.token, request.visit)
        if settings.legacy is not None:
            settings.legacy.arrive(self.state, request)

    async def serve(
        self,
        app: Callable[..., Awaitable[None]],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Run *app* on the connection with a snapshot of the session, and turn what coatcheck raises into a close."""
        self._send = send
        self._request.scope["session"] = AsyncSession(self.state)
        try:
            await admit(self.state, self._request, self._settings, _no_body)
            self.state.phase = Phase.SNAPSHOT
            await app(self._request.scope, receive, self._forward)
        except CoatcheckError as error:
            if error.status == 500:
                raise
            await self._refuse(error)
        finally:
            tell_lost_changes(self.state)

    async def _forward(self, message: Message) -> None:
        """Pass a message on, and remember whether the handshake is over."""
        self._accepted = self._accepted or message["type"] == "websocket.accept"
        await self._send(message)

    async def _refuse(self, error: CoatcheckError) -> None:
        """Answer the handshake like a request where the server can, else close: "policy" or "try again later"."""
        if isinstance(error, StoreUnavailable):
            self.state.core.tell_outage(error)
        scope = self._request.scope
        if not self._accepted and "websocket.http.response" in scope.get("extensions", {}):
            made, offered = answer(error, self._request.asked, Places()), self._settings.bearer
            made = challenge(made, error, self.state) if offered else made
            headers = settle(forbid_storing(made.headers), self.state, offered=offered)
            headers = self._request.settle_aside(headers, self.state)
            await self._send({"type": "websocket.http.response.start", "status": made.status, "headers": headers})
            await self._send({"type": "websocket.http.response.body", "body": made.body})
            return
        code = _TRY_AGAIN_LATER if error.status == 503 else _POLICY_VIOLATION
        await self._send({"type": "websocket.close", "code": code, "reason": error.code})
