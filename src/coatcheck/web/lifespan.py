"""The application's beginning and end: open the store, sweep and count in the background, close the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, MutableMapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from coatcheck.errors import StoreUnavailable
from coatcheck.sessions import AsyncSessions

Message = MutableMapping[str, Any]

_NOT_STARTED: Final = (
    "The application did not start, because nobody could sign in. Start the store, or mend its URL: "
    "AsyncSessions(url), or what AsyncSessions.from_env() reads"
)


class Lifespan:
    """See the module's text."""

    def __init__(self, sessions: AsyncSessions) -> None:
        """Belong to *sessions*; nothing runs yet."""
        self._sessions = sessions
        self._tasks: list[asyncio.Task[None]] = []
        self._open = False

    @property
    def running(self) -> bool:
        """Whether a lifespan does the upkeep in the background."""
        return self._open

    @asynccontextmanager
    async def around(self) -> AsyncGenerator[None]:
        """Open the store and do the upkeep for the length of a block, in frameworks that have their own lifespans."""
        await self._start()
        try:
            yield
        finally:
            await self._stop()

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
        """Open the store, so that a wrong set-up stops the start, and begin to sweep and to count."""
        try:
            await self._sessions.open()
        except StoreUnavailable as error:
            error.add_note(_NOT_STARTED)
            raise
        self._open = True
        if self._sessions.policy.sweep_ms is not None:
            self._begin(self._sessions.sweep_for_ever(), "coatcheck sweeper")
        self._begin(self._sessions.count_for_ever(), "coatcheck counter")

    def _begin(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))

    async def _stop(self) -> None:
        """Stop sweeping and counting, and close the store, once: a server may be gone by the time it is asked again."""
        if not self._open:
            return
        self._open = False
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self._sessions.aclose()
