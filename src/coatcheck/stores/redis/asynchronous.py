"""Connections for asyncio: redis-py's, in a pool that belongs to the running event loop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

import hiredis
from redis.asyncio.connection import Connection, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from coatcheck.stores import _forking
from coatcheck.stores.redis.address import Address, HostPort, where
from coatcheck.stores.redis.faults import REPLIES, Crowded, lost, unreached
from coatcheck.stores.redis.wire import Command, Door, Identity, Pool, Wire, arguments, crowded

_pack: Callable[[Command], bytes] = cast("Any", hiredis).pack_command  # typed as taking a tuple of one


class AsyncWire:
    """One of redis-py's asyncio connections.

    Its own timeouts are off: they cost a task for each command sent. One timeout here is for a whole exchange.
    """

    def __init__(self, address: Address, at: HostPort) -> None:
        """Connect to nothing yet."""
        self._where, self._timeout = where(*at), address.options.timeout / 1000
        kind = SSLConnection if address.options.tls else Connection
        self._connection: Any = kind(
            **arguments(address, at), socket_timeout=None, socket_connect_timeout=None, retry=Retry(NoBackoff(), 0)
        )
        self.identity: Identity | None = None
        self.greeted_at = 0.0

    @property
    def connected(self) -> bool:
        """Whether it is open: the loop has noticed by now if the server closed it."""
        reader = self._connection._reader  # noqa: SLF001 - the public `can_read` is a coroutine with a timeout
        if reader is None:
            return False
        if not reader.at_eof() and reader.exception() is None:
            return True
        self.drop()
        return False

    async def connect(self, deadline: float) -> None:
        """Connect, encrypt, sign in and choose the database."""
        try:
            with _forking.whole():
                async with _until(deadline):
                    await self._connection.connect()
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            self.drop()
            raise unreached(error, self._where, self._timeout) from None
        except BaseException:
            self.drop()
            raise

    async def ask(self, commands: Sequence[Command], deadline: float, *, wait: float = 0.0) -> list[Any]:
        """Send *commands* together and return their answers."""
        connection = self._connection
        answers: list[Any] = []
        try:
            async with _until(deadline + wait):
                packed = b"".join([_pack(command) for command in commands])
                await connection.send_packed_command(packed, check_health=False)
                for _ in commands:
                    try:
                        answers.append(await connection.read_response(disconnect_on_error=False))
                    except REPLIES as error:
                        answers.append(error)
        except (RedisError, OSError) as error:
            self.drop()
            raise lost(error, self._where, self._timeout + wait) from None
        except BaseException:
            self.drop()  # cancelled in the middle: the answers that are still to come are nobody's
            raise
        return answers

    def drop(self) -> None:
        """Close at once."""
        self.identity = None
        connection = self._connection
        # Its own `disconnect` is a coroutine; closing must not wait, nor be cancelled.
        writer, connection._reader, connection._writer = connection._writer, None, None  # noqa: SLF001 - see above
        if writer is not None:
            with contextlib.suppress(RuntimeError):  # its loop was closed; the socket goes with the last reference
                writer.transport.abort()


def _until(deadline: float) -> asyncio.Timeout:
    """Return a time limit: `time.monotonic` is not every event loop's clock."""
    return asyncio.timeout(max(deadline - time.monotonic(), 0.0))


class _State:
    """What belongs to one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None, size: int) -> None:
        self.loop = loop
        self.free = asyncio.Semaphore(size)
        self.idle: list[Wire] = []
        self.round = 0


class AsyncPool:
    """The connections of one event loop to one server, last used first."""

    def __init__(self, address: Address, at: HostPort) -> None:
        """Hold nothing yet."""
        self._address, self._at, self._size = address, at, address.options.pool
        self._own = _State(None, self._size)
        self._lent: dict[int, tuple[_State, int]] = {}

    def _state(self) -> _State:
        """Return the running loop's state; what an earlier loop left behind is let go."""
        loop = asyncio.get_running_loop()
        if self._own.loop is not loop:
            left, self._own = self._own.idle, _State(loop, self._size)
            for wire in left:
                wire.drop()
        return self._own

    async def take(self, deadline: float) -> Wire:
        """Return a connection that nobody else has."""
        state = self._state()
        if state.free.locked():
            try:
                async with _until(deadline):
                    await state.free.acquire()
            except TimeoutError:
                raise Crowded(crowded(self._at, self._size)) from None
        else:
            await state.free.acquire()
        try:
            wire = state.idle.pop() if state.idle else AsyncWire(self._address, self._at)
        except BaseException:
            state.free.release()
            raise
        self._lent[id(wire)] = (state, state.round)
        return wire

    def give(self, wire: Wire) -> None:
        """Put a connection back, unless the pool was cleared meanwhile or its loop is gone."""
        state, began = self._lent.pop(id(wire))
        if state is not self._own or state.round != began:
            wire.drop()
        state.idle.append(wire)
        state.free.release()

    async def clear(self) -> None:
        """Close those that nobody uses; the others when they come back."""
        state = self._state()
        state.round += 1
        while state.idle:
            state.idle.pop().drop()
        await asyncio.sleep(0)  # the transports close in the loop's next step


class AsyncDoor:
    """Lets one task of the running event loop in at a time."""

    def __init__(self) -> None:
        """Be open."""
        self._lock = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def turn(self, deadline: float, busy: str) -> AbstractAsyncContextManager[None]:
        """Return the wait for one's turn; nobody waits for a task of an earlier loop."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._lock, self._loop = asyncio.Lock(), loop
        return _Turn(self._lock, deadline, busy)


class _Turn:
    """One task's wait for a lock."""

    def __init__(self, lock: asyncio.Lock, deadline: float, busy: str) -> None:
        self._lock, self._deadline, self._busy = lock, deadline, busy

    async def __aenter__(self) -> None:
        try:
            async with _until(self._deadline):
                await self._lock.acquire()
        except TimeoutError:
            raise Crowded(self._busy) from None

    async def __aexit__(self, *_exc: object) -> None:
        self._lock.release()


class EventLoop:
    """The world of asyncio."""

    blocking = False

    def pool(self, address: Address, at: HostPort) -> Pool:
        """Return a new pool of connections to the server *at*."""
        return AsyncPool(address, at)

    def door(self) -> Door:
        """Return a new door for tasks."""
        return AsyncDoor()

    async def pause(self, seconds: float) -> None:
        """Sleep without holding up the loop."""
        await asyncio.sleep(seconds)

    async def each(self, work: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
        """Do all at the same time; one alone without a task of its own."""
        if len(work) != 1:
            return list(await asyncio.gather(*work, return_exceptions=True))
        try:
            return [await work[0]]
        except Exception as error:  # noqa: BLE001 - as `gather` does
            return [error]
