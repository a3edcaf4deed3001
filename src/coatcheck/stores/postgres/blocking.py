"""The PostgreSQL store for threads: every verb waits in the caller's thread and never suspends.

Connections are kept by process id. A process that was forked never touches those of its parent, which it shares a
socket with; it makes its own, and keeps a reference to the others so that nothing closes them.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import Any, TypeVar

import psycopg
from psycopg import waiting
from psycopg.abc import PQGen
from psycopg.pq.abc import PGconn

from coatcheck.stores import _forking
from coatcheck.stores.postgres import connecting, faults, sql
from coatcheck.stores.postgres.connecting import Ready
from coatcheck.stores.postgres.options import Options
from coatcheck.stores.postgres.rows import RawRow
from coatcheck.stores.postgres.terms import Parameters
from coatcheck.stores.postgres.verbs import PostgresVerbs

T = TypeVar("T")


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that waits for an answer only so long. One that had to give up is of no use any more."""

    patience: float = 60.0
    era: object = None

    def __init__(self, pgconn: PGconn) -> None:
        """Listen to what the server says beside its answers."""
        super().__init__(pgconn)
        self.doubts = connecting.Doubts()
        self.add_notice_handler(self.doubts.note)

    def close(self) -> None:
        """Close it, not in the midst of a fork."""
        with _forking.whole():
            super().close()

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Drive an operation to its end, for as long as the patience lasts."""
        try:
            return waiting.wait(gen, self.pgconn.socket, interval=interval, timeout=timeout or self.patience)
        except psycopg.Error as error:
            if faults.gave_up(error):
                connecting.abandon(self, gen)
            raise
        except BaseException:
            connecting.abandon(self, gen)
            raise


class _Pool:
    """One process's connections, the last one used first."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._idle: deque[BoundedConnection] = deque()
        self._room = threading.Semaphore(options.pool)
        self._checking = threading.Lock()
        self._ready: Ready | None = None
        self._plain = False
        self._closed = False
        self._era = object()
        self._texts: dict[str, bytes] = {}

    def ready(self) -> Ready:
        """Return what is known of the server, asked once.

        Raises:
            ConfigurationError: a person has to set something right first.
            StoreUnavailable: the server cannot be used at the moment.
        """
        if self._ready is not None:
            return self._ready
        if not self._checking.acquire(timeout=self._options.patience):
            raise faults.silent(self._options)
        try:
            if self._ready is None:
                self._ready = self._look()
            return self._ready
        finally:
            self._checking.release()

    def ask(self, statement: str, parameters: Parameters) -> list[RawRow]:
        """Run a statement on a connection of its own."""
        ready = self.ready()
        text = self._texts.get(statement)
        if text is None:
            text = self._texts[statement] = sql.filled(statement, ready.schema)
        if not self._room.acquire(timeout=self._options.patience):
            raise faults.busy(self._options)
        try:
            connection = self._take()
            try:
                bounded = not (ready.pooled or self._plain)
                answer = _run(connection, text, parameters, None if bounded else self._options.timeout)
                connection.doubts.settle(self._options, answer)
                return answer
            finally:
                self._give(connection)
        finally:
            self._room.release()

    def close(self) -> None:
        """Close every connection; those in use when they are given back."""
        self._closed = True
        self.drop()

    def drop(self) -> None:
        """Close every connection made before now; those in use when they are given back."""
        self._era = object()
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return
            connection.close()

    def _take(self) -> BoundedConnection:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self._connect()
            if self._keeps(connection) and not connecting.is_stale(connection.pgconn.socket):
                return connection
            connection.close()

    def _give(self, connection: BoundedConnection) -> None:
        if self._keeps(connection):
            self._idle.append(connection)
        else:
            connection.close()

    def _keeps(self, connection: BoundedConnection) -> bool:
        return connecting.is_usable(connection) and connection.era is self._era and not self._closed

    def _look(self) -> Ready:
        """Connect and ask what kind of server it is."""
        try:
            connection = self._connect()
            try:
                ready = _look_at(connection, self._options)
            finally:
                self._give(connection)
        except psycopg.Error as error:
            fault = faults.not_opened(error, self._options)
        else:
            return ready
        raise fault

    def _connect(self) -> BoundedConnection:
        while True:
            plain, era = self._plain, self._era
            try:
                with _forking.whole():
                    connection = BoundedConnection.connect(**connecting.arguments(self._options, plain=plain))
            except psycopg.OperationalError as error:
                if plain or not faults.refuses_parameters(error):
                    raise
                self._plain = True
            else:
                connection.patience, connection.era = self._options.patience, era
                return connection


def _run(connection: BoundedConnection, text: bytes, parameters: Parameters, timeout: int | None) -> list[RawRow]:
    """Run one statement, in a transaction of its own that bounds it where the connection does not."""
    cursor = connection.cursor(binary=True)
    if timeout is None:
        cursor.execute(text, parameters)
    else:
        with connection.pipeline():
            connection.execute(sql.SET_LIMITS, (str(timeout),))
            cursor.execute(text, parameters)
    return cursor.fetchall() if cursor.description is not None else []


def _look_at(connection: BoundedConnection, options: Options) -> Ready:
    """Ask a new connection about its server, and about the tables."""
    [server] = connection.execute(sql.SERVER).fetchall()
    ready = connecting.read_server(server, options)
    [tables] = connection.execute(sql.TABLES, {"schema": ready.schema}).fetchall()
    versions: list[RawRow] = []
    if tables[0] and tables[2]:
        versions = list(connection.execute(sql.filled(sql.META, ready.schema)).fetchall())
    connecting.read_tables(tables, versions, options)
    return ready


class PostgresStore(PostgresVerbs):
    """Sessions in a PostgreSQL database, for blocking applications. Safe under threads and across ``fork()``.

    Args:
        options: where the server is and how to behave there.
        tenant: the namespace of this store's sessions, users and leases. The key belongs to the schema.
    """

    _blocking = True

    def __init__(self, options: Options, *, tenant: str = "") -> None:
        """Remember where the server is; nothing is opened yet."""
        self._pools: dict[int, _Pool] = {}
        super().__init__(options, tenant=tenant)

    def __del__(self) -> None:
        """Leave no connection behind, also when nobody closed the store; those of a parent process are its own."""
        pool = self._pools.get(os.getpid())
        if pool is not None:
            pool.close()

    async def open(self) -> None:
        """Connect, and look whether the tables are there.

        Raises:
            ConfigurationError: a person has to set something right first; often by ``coatcheck migrate``.
            StoreUnavailable: the server cannot be used at the moment.
        """
        self._pool.ready()

    async def close(self) -> None:
        """Close this process's idle connections; a later verb opens others."""
        pool = self._pools.pop(os.getpid(), None)
        if pool is not None:
            pool.close()

    @property
    def _pool(self) -> _Pool:
        """This process's connections. No lock: a fork may find a lock held for ever."""
        pid = os.getpid()
        return self._pools.get(pid) or self._pools.setdefault(pid, _Pool(self._options))

    async def _read(self, statement: str, parameters: Parameters) -> list[RawRow]:
        return self._try(statement, parameters, reading=True)

    async def _change(self, statement: str, parameters: Parameters) -> list[RawRow]:
        return self._try(statement, parameters, reading=False)

    def _try(self, statement: str, parameters: Parameters, *, reading: bool) -> list[RawRow]:
        pool, again = self._pool, faults.Patience(reading=reading)
        while True:
            # Raised outside of the handler, so that PostgreSQL's own message is not its context.
            try:
                return pool.ask(statement, parameters)
            except psycopg.Error as error:
                if faults.has_moved(error):
                    pool.drop()
                fault = None if again.worth(error) else faults.unavailable(error, self._options)
            if fault is not None:
                raise fault
