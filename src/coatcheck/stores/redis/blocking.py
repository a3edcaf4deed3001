"""Connections for threads: redis-py's blocking ones, in a pool that belongs to one process.

After ``fork()`` the child has connections of its own: it never speaks on its parent's, and never waits for a lock that
another thread of the parent held.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection
from redis.exceptions import RedisError
from redis.retry import Retry

from coatcheck.errors import CoatcheckError
from coatcheck.runtime import finish
from coatcheck.stores import _forking
from coatcheck.stores.redis.address import Address, HostPort, where
from coatcheck.stores.redis.faults import REPLIES, Crowded, lost, unreached
from coatcheck.stores.redis.wire import Command, Door, Identity, Pool, Wire, arguments, crowded


class BlockingWire:
    """One of redis-py's blocking connections."""

    def __init__(self, address: Address, at: HostPort) -> None:
        """Connect to nothing yet."""
        self._where, self._timeout = where(*at), address.options.timeout / 1000
        kind = SSLConnection if address.options.tls else Connection
        self._connection: Any = kind(
            **arguments(address, at),
            socket_timeout=self._timeout,
            socket_connect_timeout=self._timeout,
            retry=Retry(NoBackoff(), 0),
        )  # the times are set anew for each exchange
        self._open = False
        self.identity: Identity | None = None
        self.greeted_at = 0.0

    @property
    def connected(self) -> bool:
        """Whether it is open and silent: one that the server closed, or that has an answer left, is closed."""
        if not self._open:
            return False
        try:
            if not self._connection.can_read(0):
                return True
        except (RedisError, OSError):
            pass
        self.drop()
        return False

    async def connect(self, deadline: float) -> None:
        """Connect, encrypt, sign in and choose the database."""
        connection = self._connection
        connection.socket_connect_timeout = connection.socket_timeout = _left(deadline)
        try:
            with _forking.whole():
                connection.connect()
        except (RedisError, OSError) as error:
            self.drop()
            raise unreached(error, self._where, self._timeout) from None
        except BaseException:
            self.drop()
            raise
        self._open = True

    async def ask(self, commands: Sequence[Command], deadline: float, *, wait: float = 0.0) -> list[Any]:
        """Send *commands* together and return their answers."""
        connection = self._connection
        answers: list[Any] = []
        try:
            # `read_response` takes a time limit only in newer releases of redis-py.
            limit = connection._sock.settimeout  # noqa: SLF001 - the socket itself has no public name in all of them
            limit(_left(deadline + wait))
            connection.send_packed_command(connection.pack_commands(commands), check_health=False)
            for _ in commands:
                limit(_left(deadline + wait))
                try:
                    answers.append(connection.read_response(disconnect_on_error=False))
                except REPLIES as error:
                    answers.append(error)
        except (RedisError, OSError) as error:
            self.drop()
            raise lost(error, self._where, self._timeout + wait) from None
        except BaseException:
            self.drop()  # a timer's, a signal's, or the end of the process: the answers to come are nobody's
            raise
        return answers

    def drop(self) -> None:
        """Close at once."""
        self._open, self.identity = False, None
        with _forking.whole():
            self._connection.disconnect()


def _left(deadline: float) -> float:
    """Return the seconds until *deadline*; a moment at least, for none at all means not to wait for anything."""
    return max(deadline - time.monotonic(), 0.001)


class _State:
    """What belongs to one process."""

    def __init__(self, size: int) -> None:
        self.pid = os.getpid()
        self.free = threading.Semaphore(size)
        self.idle: list[Wire] = []
        self.round = 0


class BlockingPool:
    """The connections of this process to one server, last used first."""

    def __init__(self, address: Address, at: HostPort) -> None:
        """Hold nothing yet."""
        self._address, self._at, self._size = address, at, address.options.pool
        self._own = _State(self._size)
        self._lent: dict[int, tuple[_State, int]] = {}

    def _state(self) -> _State:
        """Return this process's state: a child begins with none of its parent's connections."""
        if self._own.pid != os.getpid():
            self._own, self._lent = _State(self._size), {}
        return self._own

    async def take(self, deadline: float) -> Wire:
        """Return a connection that nobody else has."""
        state = self._state()
        if not state.free.acquire(timeout=_left(deadline)):
            raise Crowded(crowded(self._at, self._size))
        try:
            wire: Wire = state.idle.pop() if state.idle else BlockingWire(self._address, self._at)
        except IndexError:  # another thread took the last one between the two steps
            wire = BlockingWire(self._address, self._at)
        except BaseException:
            state.free.release()
            raise
        self._lent[id(wire)] = (state, state.round)
        return wire

    def give(self, wire: Wire) -> None:
        """Put a connection back, unless the pool was cleared meanwhile or this is another process."""
        state, began = self._lent.pop(id(wire), (None, 0))
        if state is None or state.pid != os.getpid():
            return
        if state.round != began:
            wire.drop()
        state.idle.append(wire)
        state.free.release()

    async def clear(self) -> None:
        """Close those that nobody uses; the others when they come back."""
        state = self._state()
        state.round += 1
        while state.idle:
            try:
                state.idle.pop().drop()
            except IndexError:  # another thread was faster
                return


class BlockingDoor:
    """Lets one thread of this process in at a time."""

    def __init__(self) -> None:
        """Be open."""
        self._lock, self._pid = threading.Lock(), os.getpid()

    def turn(self, deadline: float, busy: str) -> AbstractAsyncContextManager[None]:
        """Return the wait for one's turn; a child waits for no thread of its parent."""
        if self._pid != os.getpid():
            self._lock, self._pid = threading.Lock(), os.getpid()
        return _Turn(self._lock, deadline, busy)


class _Turn:
    """One thread's wait for a lock."""

    def __init__(self, lock: threading.Lock, deadline: float, busy: str) -> None:
        self._lock, self._deadline, self._busy = lock, deadline, busy

    async def __aenter__(self) -> None:
        if not self._lock.acquire(timeout=_left(self._deadline)):
            raise Crowded(self._busy)

    async def __aexit__(self, *_exc: object) -> None:
        self._lock.release()


class Threads:
    """The world of threads: nothing suspends."""

    blocking = True

    def pool(self, address: Address, at: HostPort) -> Pool:
        """Return a new pool of connections to the server *at*."""
        return BlockingPool(address, at)

    def door(self) -> Door:
        """Return a new door for threads."""
        return BlockingDoor()

    async def pause(self, seconds: float) -> None:
        """Sleep in the caller's thread."""
        time.sleep(seconds)  # noqa: ASYNC251 - driven by `finish`: there is no event loop to hold up

    async def each(self, work: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
        """Do one after the other."""
        answers: list[Any] = []
        for one in work:
            try:
                answers.append(finish(one))
            except CoatcheckError as error:
                answers.append(error)
        return answers
