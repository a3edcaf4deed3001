"""One connection through a `tests.servers.proxy.Proxy`, and the state of the network that all of them share."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from enum import StrEnum
from typing import Final

CHUNK: Final = 65_536
"""Bytes read at once."""
WAITING: Final = 64
"""Chunks that may be under way in a slow direction; beyond, the sender feels it, as in a full network."""
_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER of zero seconds: closing sends RST, as a firewall or a dead machine's kernel does."""


class Direction(StrEnum):
    """Which way bytes go."""

    REQUESTS = "requests"
    ANSWERS = "answers"


class Network:
    """What is wrong now; read by every connection at every chunk."""

    def __init__(self) -> None:
        """Start whole."""
        self.cut = False
        self.delay = 0.0
        self.rate = 0
        self.gates = {direction: asyncio.Event() for direction in Direction}
        self.heal()

    def heal(self) -> None:
        """End every fault."""
        self.cut, self.delay, self.rate = False, 0.0, 0
        for gate in self.gates.values():
            gate.set()


class Link:
    """One client's connection and the proxy's own to the server."""

    def __init__(self, network: Network, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take an accepted connection."""
        self._network = network
        self._client = (reader, writer)
        self._writers = [writer]

    async def run(self, host: str, port: int) -> None:
        """Pass bytes both ways until one side closes, then close the other."""
        with contextlib.suppress(OSError):
            # A stalled network does not answer a new connection's first bytes either, so the server is not told of it.
            await self._network.gates[Direction.REQUESTS].wait()
            reader, writer = await asyncio.open_connection(host, port, limit=CHUNK)
            self._writers.append(writer)
            _at_once(self._writers)
            await self._pass_both(reader, writer)
        for writer in self._writers:
            writer.close()  # in order, not with a reset: a server's last words before it closes must arrive

    async def _pass_both(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests = asyncio.create_task(self._pass(self._client[0], writer, Direction.REQUESTS))
        answers = asyncio.create_task(self._pass(reader, self._client[1], Direction.ANSWERS))
        try:
            await asyncio.wait((requests, answers), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (requests, answers):
                task.cancel()
            await asyncio.gather(requests, answers, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction) -> None:
        """Pass one direction: a task reads and stamps, this one waits for each chunk's time and writes."""
        chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(WAITING)
        filling = asyncio.create_task(self._fill(reader, chunks))
        loop = asyncio.get_running_loop()
        try:
            while True:
                due, data = await chunks.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                await self._network.gates[direction].wait()
                if not data:
                    return
                await self._write(writer, data)
        finally:
            filling.cancel()

    async def _fill(self, reader: asyncio.StreamReader, chunks: asyncio.Queue[tuple[float, bytes]]) -> None:
        loop = asyncio.get_running_loop()
        data = b"-"
        while data:
            try:
                data = await reader.read(CHUNK)
            except OSError:
                data = b""
            await chunks.put((loop.time() + self._network.delay, data))

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        """Write at the network's pace."""
        while data:
            rate = self._network.rate
            # A tenth of a second's worth at a time, so that a slow line is slow and not a pause and a burst.
            size = max(1, rate // 10) if rate else len(data)
            writer.write(data[:size])
            await writer.drain()
            if rate:
                await asyncio.sleep(size / rate)
            data = data[size:]

    def abort(self) -> None:
        """Reset both connections at once."""
        for writer in self._writers:
            sock: socket.socket | None = writer.get_extra_info("socket")
            with contextlib.suppress(OSError, ValueError):
                if sock is not None:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


def _at_once(writers: list[asyncio.StreamWriter]) -> None:
    """Send small packets at once, as clients and servers of databases do."""
    for writer in writers:
        sock: socket.socket | None = writer.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
