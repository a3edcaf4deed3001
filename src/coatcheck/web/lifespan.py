"""The application's beginning and end: open the store, sweep in the background, close the store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from coatcheck.sessions import AsyncSessions

Message = MutableMapping[str, Any]


class Lifespan:
    """See the module's text. ``sweeping`` says whether a lifespan runs the sweeper."""

    def __init__(self, sessions: AsyncSessions) -> None:
        """Belong to *sessions*; nothing runs yet."""
        self._sessions = sessions
        self._task: asyncio.Task[None] | None = None
        self._open = False

    @property
    def sweeping(self) -> bool:
        """Whether the background sweeper runs."""
        return self._task is not None

    async def serve(
        self,
        app: Callable[..., Awaitable[None]],
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Run *app*'s lifespan; the store opens before its start-up and closes after its shutdown."""

        async def opened() -> Message:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._start()
            return message

        async def closed(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown"):
                await self._stop()
            await send(message)

        try:
            await app(scope, opened, closed)
        finally:
            await self._stop()

    async def _start(self) -> None:
        """Open the store, so that a wrong set-up stops the start, and begin to sweep."""
        await self._sessions.open()
        self._open = True
        if self._sessions.policy.sweep_ms is not None:
            self._task = asyncio.create_task(self._sessions.sweep_for_ever(), name="coatcheck sweeper")

    async def _stop(self) -> None:
        """Stop sweeping and close the store, once: a server may be gone by the time it is asked again."""
        if not self._open:
            return
        self._open = False
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self._sessions.aclose()
