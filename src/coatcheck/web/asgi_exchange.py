"""One HTTP request over ASGI: messages are passed on as they come, and the first one waits for the commit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from coatcheck.awaiting import AsyncSession, Calls
from coatcheck.errors import CoatcheckError
from coatcheck.sessions import AsyncSessions
from coatcheck.web.answers import Answer
from coatcheck.web.bodies import AsgiBody
from coatcheck.web.exchange import Exchange
from coatcheck.web.request import Request
from coatcheck.web.settings import Settings

Message = MutableMapping[str, Any]

EXCHANGE: Final = "coatcheck.exchange"
"""Where frameworks that answer exceptions themselves find the `Exchange` in the scope."""


class AsgiExchange:
    """See the module's text."""

    __slots__ = ("_calls", "_exchange", "_replaced", "_scope", "_send", "_started")

    def __init__(self, sessions: AsyncSessions, settings: Settings, request: Request) -> None:
        """Begin; nothing is loaded yet."""
        core = sessions._core  # noqa: SLF001 - the adapter drives the manager's parts
        self._calls = Calls()
        self._exchange = Exchange(core, settings, request, self._calls.conclude)
        self._scope = request.scope
        self._started = self._replaced = False

    async def serve(
        self,
        app: Callable[..., Awaitable[None]],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Run *app*, turn what coatcheck raises into answers, and carry a changed ticket home on any failure."""
        self._send = send
        exchange, body = self._exchange, AsgiBody(receive)
        self._scope["session"] = AsyncSession(exchange.state, self._calls)
        self._scope[EXCHANGE] = exchange
        try:
            await exchange.begin(body.read)
            await app(self._scope, body.receive, self._forward)
        except CoatcheckError as error:
            if self._started:
                raise
            await self._answer(error)
            if error.status == 500:
                self._calls.explain(error)
                raise
        except Exception as error:
            self._calls.explain(error)
            if not self._started and (made := exchange.failed()) is not None:
                await self._send_whole(made)
            raise
        finally:
            exchange.close()
            self._calls.log()

    async def _forward(self, message: Message) -> None:
        """Pass a message on; the first one is preceded by the commit and carries the cookie."""
        if self._replaced:
            return
        if message["type"] != "http.response.start" or self._started:
            await self._send(message)
            return
        try:
            headers = await self._exchange.conclude(message["status"], message.get("headers", ()))
        except CoatcheckError as error:
            self._replaced = True
            await self._answer(error)
            if error.status == 500:
                raise
            return
        self._started = True
        message["headers"] = headers
        await self._send(message)
        if self._exchange.bodiless:
            self._replaced = True
            await self._send({"type": "http.response.body", "body": b""})

    async def _answer(self, error: CoatcheckError) -> None:
        await self._send_whole(await self._exchange.answer(error))

    async def _send_whole(self, made: Answer) -> None:
        self._started = True
        await self._send({"type": "http.response.start", "status": made.status, "headers": made.headers})
        await self._send({"type": "http.response.body", "body": made.body})
