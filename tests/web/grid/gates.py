"""Gates: a request waits inside its handler until the scenario lets it go on, in a coroutine or in a thread."""

from __future__ import annotations

import asyncio
import threading
from typing import Final

_PATIENCE: Final = 20.0
"""Seconds after which a forgotten gate fails the scenario instead of holding up the run."""


class Gate:
    """One gate, made in the scenario's event loop."""

    def __init__(self, *, blocking: bool) -> None:
        """Begin shut; handlers that are *blocking* wait in their threads."""
        self._blocking = blocking
        self._loop = asyncio.get_running_loop()
        self._reached, self._open = asyncio.Event(), asyncio.Event()
        self._open_for_threads = threading.Event()

    async def wait(self) -> None:
        """Say that the handler is here, and wait; what a handler calls."""
        if self._blocking:
            self._loop.call_soon_threadsafe(self._reached.set)
            if not self._open_for_threads.wait(_PATIENCE):
                raise TimeoutError("nobody opened the gate")
            return
        self._reached.set()
        await asyncio.wait_for(self._open.wait(), _PATIENCE)

    async def reached(self) -> None:
        """Wait until a handler is here."""
        await asyncio.wait_for(self._reached.wait(), _PATIENCE)

    def open(self) -> None:
        """Let it go on, and everybody after it."""
        self._open.set()
        self._open_for_threads.set()
