"""The SQLite store for threads: every verb runs in the caller's thread and never suspends."""

from __future__ import annotations

from collections.abc import Callable
from sqlite3 import Connection
from typing import TypeVar, cast

from coatcheck.stores.sqlite.jobs import Job
from coatcheck.stores.sqlite.verbs import SqliteVerbs

T = TypeVar("T")


class SqliteStore(SqliteVerbs):
    """Sessions in a SQLite file, for blocking applications. Safe under threads and across ``fork()``.

    Args:
        path: the file; made with mode 0600 when it is missing. Its directory must exist.
        tenant: the namespace of this store's sessions, users and leases. The key belongs to the file.
    """

    _blocking = True

    async def open(self) -> None:
        """Make and migrate the file.

        Raises:
            ConfigurationError: a person has to set something right first.
            StoreUnavailable: the file cannot be used at the moment.
        """
        self._database.prepare()

    async def close(self) -> None:
        """Close the file, for every store of this process on it; a later verb opens it again."""
        self._database.close()

    async def _read(self, ask: Callable[[Connection], T]) -> T:
        return self._database.read(ask)

    async def _write(self, change: Callable[[Connection], T], *, durable: bool) -> T:
        job = Job(change, durable=durable)
        self._database.write(lambda: [job])
        if job.error is not None:
            raise job.error
        return cast("T", job.result)
