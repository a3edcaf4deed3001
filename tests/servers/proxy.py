"""A TCP proxy whose network a test can break: cut, half-open, slow, or deaf in one direction.

It runs an event loop in a thread of its own; every verb returns when it has taken effect.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from enum import StrEnum
from typing import Final, Self

from tests.servers.ports import HOST, free_port
from tests.servers.proxy_link import CHUNK, Direction, Link, Network

__all__ = ["Direction", "Fault", "Proxy"]


class Fault(StrEnum):
    """What is wrong with the network now, for a report."""

    NONE = "none"
    CUT = "cut"
    STALLED = "stalled"
    SLOW = "slow"


class Proxy:
    """Passes connections from a loopback port of its own to one server."""

    def __init__(self, host: str, port: int) -> None:
        """Prepare a proxy to a server; nothing listens before `start`."""
        self.host: Final = HOST
        self.port = 0
        self._target = (host, port)
        self._network = Network()
        self._links: set[Link] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._listener: asyncio.Server | None = None
        self._owner = os.getpid()

    @property
    def fault(self) -> Fault:
        """What is wrong with the network now."""
        network = self._network
        if network.cut:
            return Fault.CUT
        if any(not gate.is_set() for gate in network.gates.values()):
            return Fault.STALLED
        return Fault.SLOW if network.delay or network.rate else Fault.NONE

    @property
    def connections(self) -> int:
        """How many connections it passes now."""
        return len(self._links)

    def start(self) -> Self:
        """Listen.

        Raises:
            OSError: no port was free.
        """
        loop = self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self.port = free_port()
        asyncio.run_coroutine_threadsafe(self._listen(), loop).result(5)
        return self

    def retarget(self, host: str, port: int) -> None:
        """Send new connections elsewhere, as a virtual address does after a failover; cuts the old ones."""

        def change() -> None:
            self._target = (host, port)
            self._abort_all()

        self._call(change)

    def cut(self) -> None:
        """Reset every connection, and every new one at once, until `heal`."""

        def change() -> None:
            self._network.cut = True
            self._abort_all()

        self._call(change)

    def stall(self, direction: Direction | None = None) -> None:
        """Accept and keep connections but pass nothing (half-open), until `heal`; what was sent then arrives.

        Args:
            direction: only the requests, or only the answers: the server works and nobody hears of it.
        """

        def change() -> None:
            for each in (direction,) if direction else Direction:
                self._network.gates[each].clear()

        self._call(change)

    def delay(self, milliseconds: float) -> None:
        """Let every byte take so much longer, each way, until `heal`; the order and the throughput stay."""
        self._call(lambda: setattr(self._network, "delay", milliseconds / 1000))

    def throttle(self, bytes_per_second: int) -> None:
        """Pass no more than so many bytes a second, each connection and each way, until `heal`."""
        self._call(lambda: setattr(self._network, "rate", bytes_per_second))

    def heal(self) -> None:
        """End every fault. Connections that were cut stay cut; stalled ones go on."""
        self._call(self._network.heal)

    def stop(self) -> None:
        """Close everything. Stopping twice is harmless."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None or self._owner != os.getpid():
            return
        self._loop = None
        asyncio.run_coroutine_threadsafe(self._close(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def _call(self, change: Callable[[], None]) -> None:
        """Run *change* in the proxy's thread and wait for it."""
        if self._loop is None:
            raise RuntimeError("this proxy was not started")

        async def step() -> None:
            change()

        asyncio.run_coroutine_threadsafe(step(), self._loop).result(5)

    def _abort_all(self) -> None:
        for link in list(self._links):
            link.abort()

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(self._accept, HOST, self.port, limit=CHUNK)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection, until either side or a fault ends it."""
        if self._network.cut:
            writer.transport.abort()
            return
        link = Link(self._network, reader, writer)
        self._links.add(link)
        try:
            with contextlib.suppress(asyncio.CancelledError):  # only `stop` cancels, and asyncio would log it
                await link.run(*self._target)
        finally:
            self._links.discard(link)

    async def _close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        self._abort_all()
        current = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not current]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
