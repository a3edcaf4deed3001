"""The SQLite store: sessions in one file, for every process of one machine, with nothing to install.

`SqliteStore` is for blocking applications and imports no asyncio; `AsyncSqliteStore` is for asyncio.

* The file is made with mode 0600 and keeps a write-ahead log beside it (``-wal``, ``-shm``), and a queue of turns
  (``-turns``). It must lie on a local disk.
* Sign-in, sign-out, revocation, rotation and changes of roles are acknowledged after the disk has them
  (``synchronous=FULL``). Data, activity and counts are acknowledged before (``NORMAL``): a loss of power may undo the
  last of them, a crash of the application undoes none.
* Writers of several processes take turns, in the order they came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.stores.sqlite.blocking import SqliteStore

if TYPE_CHECKING:
    from coatcheck.stores.sqlite.asynchronous import AsyncSqliteStore

__all__ = ["AsyncSqliteStore", "SqliteStore"]


def __getattr__(name: str) -> object:
    """Import the asyncio client when it is first named."""
    if name == "AsyncSqliteStore":
        from coatcheck.stores.sqlite.asynchronous import AsyncSqliteStore

        return AsyncSqliteStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
