"""One event loop's connections: a pool for most verbs, and one aside that looks sessions up."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, TypeVar

import psycopg
from psycopg import waiting
from psycopg.abc import PQGen
from psycopg.pq.abc import PGconn

from coatcheck.runtime import finish
from coatcheck.stores import _forking
from coatcheck.stores.postgres import connecting, faults, sql
from coatcheck.stores.postgres.connecting import Ready
from coatcheck.stores.postgres.options import Options
from coatcheck.stores.postgres.rows import RawRow
from coatcheck.stores.postgres.terms import Parameters

T = TypeVar("T")


class BoundedAsyncConnection(psycopg.AsyncConnection[Any]):
    """A connection that waits for an answer only so long. One that had to give up is of no use any more."""

    patience: float = 60.0
    era: object = None

    def __init__(self, pgconn: PGconn) -> None:
        """Listen to what the server says beside its answers."""
        super().__init__(pgconn)
        self.doubts = connecting.Doubts()
        self.add_notice_handler(self.doubts.note)

    async def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:  # noqa: ASYNC109 - psycopg's signature
        """Drive an operation to its end, for as long as the patience lasts.

        A caller that is cancelled leaves at once. The connection is then in the middle of something and is given up.
        """
        patience = timeout or self.patience
        try:
            return await waiting.wait_async(gen, self.pgconn.socket, interval=interval, timeout=patience)
        except psycopg.Error as error:
            if faults.gave_up(error):
                connecting.abandon(self, gen)
            raise
        except BaseException:
            connecting.abandon(self, gen)
            raise


class AsyncPool:
    """The connections of one event loop, the last one used first."""

    def __init__(self, options: Options) -> None:
        """Begin with none."""
        self._options = options
        self._idle: deque[BoundedAsyncConnection] = deque()
        self._aside: BoundedAsyncConnection | None = None
        self._room = asyncio.Semaphore(options.pool)
        self._checking = asyncio.Lock()
        self._ready: Ready | None = None
        self._plain = False
        self._closed = False
        self._era = object()
        self._texts: dict[str, bytes] = {}

    async def ready(self) -> Ready:
        """Return what is known of the server, asked once.

        Raises:
            ConfigurationError: a person has to set something right first.
            StoreUnavailable: the server cannot be used at the moment.
        """
        if self._ready is not None:
            return self._ready
        try:
            async with asyncio.timeout(self._options.patience):
                await self._checking.acquire()
        except TimeoutError:
            raise faults.silent(self._options) from None
        try:
            if self._ready is None:
                self._ready = await self._look()
            return self._ready
        finally:
            self._checking.release()

    async def answer(
        self, statement: str, parameters: Parameters, *, reading: bool, aside: bool = False
    ) -> list[RawRow]:
        """Run a statement, on the connection for look-ups if it is to run *aside*; again where that does no harm.

        Raises:
            StoreUnavailable: in coatcheck's words.
        """
        again = faults.Patience(reading=reading)
        while True:
            # Raised outside of the handler, so that PostgreSQL's own message is not its context.
            try:
                return await self._ask(statement, parameters, aside=aside)
            except psycopg.Error as error:
                if faults.has_moved(error):
                    self.drop()
                fault = None if again.worth(error) else faults.unavailable(error, self._options)
            if fault is not None:
                raise fault

    def drop(self) -> None:
        """Close every connection made before now; those in use when they are given back."""
        self._era = object()
        while self._idle:
            _close(self._idle.pop())
        if self._aside is not None:
            _close(self._aside)
            self._aside = None

    def close(self) -> None:
        """Close every connection; those in use, or made by who still waited, when they are given back."""
        self._closed = True
        self.drop()

    async def _ask(self, statement: str, parameters: Parameters, *, aside: bool) -> list[RawRow]:
        ready = self._ready or await self.ready()
        text = self._texts.get(statement)
        if text is None:
            text = self._texts[statement] = sql.filled(statement, ready.schema)
        if aside:
            return await self._ask_aside(text, parameters, ready)
        await self._enter()
        try:
            connection = await self._take()
            try:
                answer = await _run(connection, text, parameters, self._limit(ready))
                connection.doubts.settle(self._options, answer)
                return answer
            finally:
                self._give(connection)
        finally:
            self._room.release()

    def _limit(self, ready: Ready) -> int | None:
        """Return what each transaction has to bound itself with, in milliseconds, if anything."""
        return self._options.timeout if ready.pooled or self._plain else None

    async def _ask_aside(self, text: bytes, parameters: Parameters, ready: Ready) -> list[RawRow]:
        """Run a look-up; there is one at a time."""
        connection, self._aside = self._aside, None
        if connection is None or not self._is_fresh(connection):
            if connection is not None:
                _close(connection)
            connection = await self._connect()
        try:
            return await _run(connection, text, parameters, self._limit(ready))
        finally:
            if self._keeps(connection) and self._aside is None:
                self._aside = connection
            else:
                _close(connection)

    async def _enter(self) -> None:
        if not self._room.locked():
            await self._room.acquire()
            return
        try:
            # Not `wait_for`: until Python 3.12 it loses a cancellation that comes with the permit.
            async with asyncio.timeout(self._options.patience):
                await self._room.acquire()
        except TimeoutError:
            raise faults.busy(self._options) from None

    async def _take(self) -> BoundedAsyncConnection:
        while self._idle:
            connection = self._idle.pop()
            if self._is_fresh(connection):
                return connection
            _close(connection)
        return await self._connect()

    def _give(self, connection: BoundedAsyncConnection) -> None:
        if self._keeps(connection):
            self._idle.append(connection)
        else:
            _close(connection)

    def _keeps(self, connection: BoundedAsyncConnection) -> bool:
        return connecting.is_usable(connection) and connection.era is self._era and not self._closed

    def _is_fresh(self, connection: BoundedAsyncConnection) -> bool:
        return self._keeps(connection) and not connecting.is_stale(connection.pgconn.socket)

    async def _connect(self) -> BoundedAsyncConnection:
        """Make a connection, within a bound: names are looked up without one, and each address has its own."""
        try:
            async with asyncio.timeout(connecting.longest(self._options)):
                return await self._try_to_connect()
        except TimeoutError:
            raise psycopg.errors.ConnectionTimeout("connection timeout expired") from None

    async def _try_to_connect(self) -> BoundedAsyncConnection:
        while True:
            plain, era = self._plain, self._era
            try:
                arguments = connecting.arguments(self._options, plain=plain)
                with _forking.whole():
                    connection = await BoundedAsyncConnection.connect(**arguments)
            except psycopg.OperationalError as error:
                if plain or not faults.refuses_parameters(error):
                    raise
                self._plain = True
            else:
                connection.patience, connection.era = self._options.patience, era
                return connection

    async def _look(self) -> Ready:
        """Connect and ask what kind of server it is."""
        try:
            connection = await self._connect()
            try:
                ready = await _look_at(connection, self._options)
            finally:
                self._give(connection)
        except psycopg.Error as error:
            fault = faults.not_opened(error, self._options)
        else:
            return ready
        raise fault


def _close(connection: BoundedAsyncConnection) -> None:
    """Close a connection at once: psycopg's own `close` is a coroutine and waits for nothing."""
    with _forking.whole():
        finish(connection.close())


async def _run(
    connection: BoundedAsyncConnection, text: bytes, parameters: Parameters, limit: int | None
) -> list[RawRow]:
    """Run one statement, in a transaction of its own that bounds it where the connection does not."""
    cursor = connection.cursor(binary=True)
    if limit is None:
        await cursor.execute(text, parameters)
    else:
        async with connection.pipeline():
            await connection.execute(sql.SET_LIMITS, (str(limit),))
            await cursor.execute(text, parameters)
    return await cursor.fetchall() if cursor.description is not None else []


async def _look_at(connection: BoundedAsyncConnection, options: Options) -> Ready:
    """Ask a new connection about its server, and about the tables."""
    [server] = await (await connection.execute(sql.SERVER)).fetchall()
    ready = connecting.read_server(server, options)
    [tables] = await (await connection.execute(sql.TABLES, {"schema": ready.schema})).fetchall()
    versions: list[RawRow] = []
    if tables[0] and tables[2]:
        meta = await connection.execute(sql.filled(sql.META, ready.schema))
        versions = list(await meta.fetchall())
    connecting.read_tables(tables, versions, options)
    return ready
