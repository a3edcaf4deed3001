"""The SQLite store for asyncio: look-ups inline on the loop's thread, writes on a thread of their own, in groups.

A read takes microseconds, a hop to another thread ten times as long; so reads are made where they are asked for. A
durable write waits for the disk, and one wait serves everybody who asked meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable
from sqlite3 import Connection
from typing import Final, TypeVar, cast

from coatcheck.errors import StoreUnavailable
from coatcheck.stores.sqlite.database import Database
from coatcheck.stores.sqlite.jobs import Job
from coatcheck.stores.sqlite.verbs import SqliteVerbs

T = TypeVar("T")

GROUP: Final = 64
"""The most changes that share a transaction. Others wait for the group, so it is bounded."""


class _Request(Job):
    """A job with the future that its caller awaits, on the caller's own loop."""

    __slots__ = ("future", "loop")

    def __init__(self, run: Callable[[Connection], object], *, durable: bool) -> None:
        super().__init__(run, durable=durable)
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[object] = self.loop.create_future()

    def settle(self) -> None:
        """Tell the caller, on its loop; one that was cancelled meanwhile has gone."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class _Writer:
    """The thread that writes. It starts with the first request and ends when it is stopped."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: deque[_Request] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="coatcheck-sqlite", daemon=True)
        self._thread.start()

    def submit(self, request: _Request) -> bool:
        """Queue a request; ``False`` when the writer has been told to stop."""
        with self._changed:
            if self._stopping:
                return False
            self._queue.append(request)
            self._changed.notify()
            return True

    def tell(self) -> None:
        """Tell the thread to write what is queued and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def stop(self) -> None:
        """Write what is queued and end the thread; returns when it has ended."""
        self.tell()
        self._thread.join()

    def _work(self) -> None:
        while self._wait():
            taken: list[_Request] = []
            try:
                self._database.write(lambda taken=taken: self._drain(taken))  # type: ignore[misc]
            except BaseException as error:  # noqa: BLE001 - whatever it was, nobody may wait for ever
                if not taken:
                    self._drain(taken)
                for request in taken:
                    request.result, request.error = None, error
            self._fail_the_rest(taken)
            _deliver(taken)

    def _fail_the_rest(self, taken: list[_Request]) -> None:
        """After an outage answer everybody who waits: each group would wait as long only to learn the same."""
        outage = next((job.error for job in taken if isinstance(job.error, StoreUnavailable)), None)
        if outage is not None:
            rest: list[_Request] = []
            self._drain(rest, everything=True)
            for request in rest:
                request.error = StoreUnavailable(str(outage))
            taken += rest

    def _wait(self) -> bool:
        """Wait for requests; ``False`` when there are none and none will come."""
        with self._changed:
            while not self._queue and not self._stopping:
                self._changed.wait()
            return bool(self._queue)

    def _drain(self, taken: list[_Request], *, everything: bool = False) -> list[Job]:
        """Move up to `GROUP` requests from the queue to *taken*, or all of them after an outage."""
        with self._changed:
            while self._queue and (everything or len(taken) < GROUP):
                taken.append(self._queue.popleft())
        return list(taken)


def _deliver(requests: list[_Request]) -> None:
    """Settle every request on its own loop, with one call into each loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Request]] = {}
    for request in requests:
        by_loop.setdefault(request.loop, []).append(request)
    for loop, group in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, group)
        except RuntimeError:  # the loop was closed: nobody is waiting there any more
            continue


def _settle(group: list[_Request]) -> None:
    for request in group:
        request.settle()


class AsyncSqliteStore(SqliteVerbs):
    """Sessions in a SQLite file, for asyncio applications. It belongs to no loop; several may use it.

    A caller that is cancelled does not know whether its change was made.

    Args:
        path: the file; made with mode 0600 when it is missing. Its directory must exist.
        tenant: the namespace of this store's sessions, users and leases. The key belongs to the file.
    """

    _blocking = False

    def __init__(self, path: str | os.PathLike[str], *, tenant: str = "") -> None:
        """Remember the file; nothing is opened and no thread started yet."""
        super().__init__(path, tenant=tenant)
        self._writer: _Writer | None = None
        self._writer_pid = 0
        self._starting = threading.Lock()

    def __del__(self) -> None:
        """Leave no thread behind, also when nobody closed the store."""
        if self._writer is not None and self._writer_pid == os.getpid():
            self._writer.tell()

    async def open(self) -> None:
        """Make and migrate the file, off the loop.

        Raises:
            ConfigurationError: a person has to set something right first.
            StoreUnavailable: the file cannot be used at the moment.
        """
        await asyncio.to_thread(self._database.prepare)

    async def close(self) -> None:
        """Write what is queued, end the thread and close the file; a later verb opens it again."""
        writer, self._writer = self._writer, None
        if writer is not None and self._writer_pid == os.getpid():
            await asyncio.to_thread(writer.stop)
        await asyncio.to_thread(self._database.close)

    async def _read(self, ask: Callable[[Connection], T]) -> T:
        database = self._database
        if not database.prepared:
            await asyncio.to_thread(database.prepare)
        return database.read(ask)

    async def _read_aside(self, ask: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self._database.read, ask)

    async def _write(self, change: Callable[[Connection], T], *, durable: bool) -> T:
        request = _Request(change, durable=durable)
        while not self._running_writer().submit(request):
            pass  # it was being stopped: the next one is started
        return cast("T", await request.future)

    def _running_writer(self) -> _Writer:
        """Return this process's writer: a thread does not survive a fork, and neither does what it had queued."""
        with self._starting:
            if self._writer is None or self._writer_pid != os.getpid():
                self._writer, self._writer_pid = _Writer(self._database), os.getpid()
            return self._writer
