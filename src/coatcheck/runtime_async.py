"""The asyncio side of `coatcheck.runtime.Runtime`. The only module of the manager that imports asyncio."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager

from coatcheck.errors import WrongEventLoop


class AsyncRuntime:
    """One event loop: a turn is an `asyncio.Lock`, a pause is an `asyncio.sleep`."""

    def __init__(self) -> None:
        """Belong to nobody yet."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turns: dict[str, tuple[asyncio.Lock, int]] = {}

    def enter(self) -> None:
        """Belong to the running loop, unless an earlier one is still running.

        A loop that was closed gives way, so that test suites which make a loop for each test work.
        """
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return
        if self._loop is not None and self._loop.is_running():
            raise WrongEventLoop(
                "this AsyncSessions belongs to another event loop that is still running; make one AsyncSessions for "
                "each event loop, or use the blocking Sessions in threads"
            )
        self._loop = loop
        self._turns.clear()

    def turn(self, name: str, seconds: float | None = None) -> AbstractAsyncContextManager[None]:
        """Hold the lock of *name*, kept only while somebody wants it."""
        return _Turn(self._turns, name, seconds)

    async def pause(self, seconds: float) -> None:
        """Sleep without holding up the loop."""
        await asyncio.sleep(seconds)

    def elapsed(self) -> float:
        """Return `time.monotonic`."""
        return time.monotonic()


class _Turn:
    """One task's wait for a turn."""

    __slots__ = ("_name", "_seconds", "_turns")

    def __init__(self, turns: dict[str, tuple[asyncio.Lock, int]], name: str, seconds: float | None) -> None:
        self._turns, self._name, self._seconds = turns, name, seconds

    async def __aenter__(self) -> None:
        lock, waiting = self._turns.get(self._name) or (asyncio.Lock(), 0)
        self._turns[self._name] = (lock, waiting + 1)
        try:
            if self._seconds is None:
                await lock.acquire()
            else:
                await asyncio.wait_for(lock.acquire(), max(self._seconds, 0))
        except BaseException:
            self._leave()
            raise

    async def __aexit__(self, *_exc: object) -> None:
        self._leave().release()

    def _leave(self) -> asyncio.Lock:
        """Forget the lock with the last task that wants it."""
        lock, waiting = self._turns.pop(self._name)
        if waiting > 1:
            self._turns[self._name] = (lock, waiting - 1)
        return lock
