"""One database file in one process: its connections, its one writer at a time, and what happens at a fork.

* A thread reads over a connection of its own; everybody writes over one, in the order they came.
* A process takes its turn (`coatcheck.stores.sqlite.turns`) before it writes.
* SQLite must not be carried across ``fork()``: even a connection that the child opens itself would share the lock
  table that the child inherited, and believe in locks that only the parent has. So every connection is closed just
  before a fork and opened again, on both sides, when it is next needed. A fork that Python does not notice (in a C
  program that embeds it) is recognised by the process id, and what was inherited is left untouched.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final, TypeVar
from weakref import WeakSet, WeakValueDictionary

from coatcheck.errors import CoatcheckError
from coatcheck.stores.sqlite import faults
from coatcheck.stores.sqlite.connecting import connect, prepare
from coatcheck.stores.sqlite.fairlock import FairLock
from coatcheck.stores.sqlite.jobs import Job, run_group
from coatcheck.stores.sqlite.turns import Turns

T = TypeVar("T")


class _Slot:
    """A connection and the lock of whoever uses it; the connection is opened when it is needed."""

    __slots__ = ("__weakref__", "connection", "lock")

    def __init__(self) -> None:
        self.connection: sqlite3.Connection | None = None
        self.lock = threading.Lock()

    def __del__(self) -> None:
        self.drop()

    def drop(self) -> None:
        """Close the connection. The caller holds the lock."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()


class Database:
    """One file in one process. Get it from `database`, so that there is only one."""

    def __init__(self, path: str) -> None:
        """Open nothing yet; *path* is absolute."""
        self.path = path
        self.pid = os.getpid()
        self._prepared = False
        self._preparing = threading.Lock()
        self._here = threading.local()
        self._slots: WeakSet[_Slot] = WeakSet()
        self._slots_lock = threading.Lock()
        self._writing = FairLock()
        self._writer = _Slot()
        self._durable: bool | None = None
        self._turns = Turns(f"{path}-turns")

    @property
    def prepared(self) -> bool:
        """Whether the file is known to be there and to have this release's tables."""
        return self._prepared

    def prepare(self) -> None:
        """Make and migrate the file, once in a process.

        Raises:
            ConfigurationError: a person has to set something right first.
            StoreUnavailable: the file cannot be used at the moment.
        """
        with self._preparing:
            if not self._prepared:
                prepare(self.path)
                self._prepared = True

    def read(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        """Run *ask* over this thread's connection.

        Raises:
            StoreUnavailable: the engine did not answer.
        """
        slot: _Slot | None = getattr(self._here, "slot", None)
        if slot is None:
            slot = self._here.slot = _Slot()
            with self._slots_lock:
                self._slots.add(slot)
        if not self._prepared:
            self.prepare()
        with slot.lock:
            try:
                if slot.connection is None:
                    slot.connection = connect(self.path, reading=True)
                return ask(slot.connection)
            except sqlite3.Error as error:
                if not faults.is_engine_fault(error):
                    raise
                slot.drop()
                raise faults.unavailable(error, self.path) from error

    def write(self, jobs: Callable[[], list[Job]]) -> list[Job]:
        """Wait for a turn, ask for the *jobs*, and run them in one transaction; each job then has its outcome."""
        with self._writing:
            try:
                if not self._prepared:
                    self.prepare()
            except CoatcheckError as error:
                kind, why = type(error), str(error)
                return _failed(jobs(), lambda: kind(why))
            with self._turns.turn():
                return self._write(jobs())

    def _write(self, group: list[Job]) -> list[Job]:
        slot = self._writer
        try:
            if slot.connection is None:
                slot.connection = connect(self.path, reading=False)
                self._durable = None
            self._be_durable(slot.connection, wanted=any(job.durable for job in group))
            run_group(slot.connection, group)
        except sqlite3.Error as error:
            slot.drop()
            fault = error
            return _failed(group, lambda: faults.unavailable(fault, self.path))
        for job in group:
            if job.error is not None and faults.is_engine_fault(job.error):
                job.error = faults.unavailable(job.error, self.path)
        return group

    def _be_durable(self, connection: sqlite3.Connection, *, wanted: bool) -> None:
        """Choose whether the next commit waits for the disk. What is synced includes every earlier commit."""
        if wanted != self._durable:
            connection.execute("PRAGMA synchronous = FULL" if wanted else "PRAGMA synchronous = NORMAL")
            self._durable = wanted

    def close(self) -> None:
        """Close every connection once its user is done with it; a later verb opens again."""
        with self.paused():
            pass

    def paused(self) -> ExitStack:
        """Return a context in which the file is closed and nobody can open it."""
        stack = ExitStack()
        stack.enter_context(self._writing)
        stack.enter_context(self._preparing)
        stack.enter_context(self._slots_lock)
        for slot in list(self._slots):
            stack.enter_context(slot.lock)
            slot.drop()
        self._writer.drop()
        self._turns.close()
        self._prepared = False
        return stack


def _failed(group: list[Job], fault: Callable[[], CoatcheckError]) -> list[Job]:
    """Give every job an error of its own: what the transaction held is undone, or unknown."""
    for job in group:
        job.result, job.error = None, fault()
    return group


# --- one database for one file in one process -------------------------------------------------------------------------

_databases: WeakValueDictionary[tuple[int, str], Database] = WeakValueDictionary()
_registry = threading.Lock()
_inherited: Final[list[Database]] = []
"""Databases of a parent whose fork Python did not notice: kept so that nothing of theirs is ever closed."""


def database(path: str, known: Database | None = None) -> Database:
    """Return this process's database of the file at *path*; *known* is the one the caller used before."""
    pid = os.getpid()
    if known is not None:
        if known.pid == pid:
            return known
        _inherited.append(known)
    real = os.path.realpath(path)
    with _registry:
        found = _databases.get((pid, real))
        if found is None:
            found = _databases[pid, real] = Database(real)
        return found


_pauses: Final[list[ExitStack]] = []


def _before_fork() -> None:
    _registry.acquire()
    _pauses.extend(known.paused() for known in list(_databases.values()) if known.pid == os.getpid())


def _after_fork() -> None:
    while _pauses:
        _pauses.pop().close()
    _registry.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
