"""A SQLite file for the measurement."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from bench.scale.results import Space
from coatcheck.model import Record
from coatcheck.stores.sqlite import sql
from coatcheck.stores.sqlite.asynchronous import AsyncSqliteStore
from coatcheck.stores.sqlite.connecting import connect
from coatcheck.stores.sqlite.rows import encode

_PARTS: Final = {
    "sessions": "record",
    "sqlite_autoindex_sessions_1": "id index",
    "sessions_live_of_user": "user index",
    "sessions_ended_of_user": "user index",
    "sessions_due_absolute": "due index",
    "sessions_due_idle": "due index",
    "sessions_created": "browse index",
}
_CACHE_KIB: Final = 1024 * 1024


class SqliteEngine:
    """One file in a folder, made by the store itself."""

    settings = "as the store makes it; loaded in one transaction with a page cache of 1 GiB"

    def __init__(self, folder: Path) -> None:
        """Let the store make the file."""
        self._path = folder / "scale.db"
        asyncio.run(self._make())
        self._loading: sqlite3.Connection | None = None

    @property
    def url(self) -> str:
        """The store's URL."""
        return f"sqlite:///{self._path}"

    def version(self) -> str:
        """Return the engine's name and version."""
        return f"SQLite {sqlite3.sqlite_version}"

    def load(self, records: Sequence[Record]) -> None:
        """Insert the rows that the store would; `settle` ends the transaction."""
        if self._loading is None:
            self._loading = connect(str(self._path), reading=False)
            self._loading.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            self._loading.execute("BEGIN IMMEDIATE")
        self._loading.executemany(sql.INSERT, map(encode, records))

    def settle(self) -> None:
        """Commit, and move the write-ahead log into the file."""
        if self._loading is not None:
            self._loading.execute("COMMIT")
            self._loading.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._loading.close()
            self._loading = None

    def space(self, sessions: int, sample: Iterable[Record]) -> list[Space]:
        """Ask ``dbstat`` for the pages of the table and of each index, and the file for its size."""
        del sample
        with closing(connect(str(self._path), reading=True)) as connection:
            rows = connection.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name").fetchall()
        parts: dict[str, float] = {}
        for name, size in rows:
            part = _PARTS.get(name, "other")
            parts[part] = parts.get(part, 0) + size / sessions
        return [
            Space(sessions=sessions, parts=parts, total=self._path.stat().st_size / sessions, method="dbstat, file")
        ]

    def stop(self) -> None:
        """Close the file; the folder goes with it."""
        self.settle()

    async def _make(self) -> None:
        store = AsyncSqliteStore(self._path)
        await store.open()
        await store.key()
        await store.close()
