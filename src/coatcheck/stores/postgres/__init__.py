"""The PostgreSQL store: sessions in the database that an application has already, for any number of machines.

`PostgresStore` is for blocking applications and imports no asyncio; `AsyncPostgresStore` is for asyncio.

* The tables and functions are made by ``coatcheck migrate`` (`coatcheck.stores.postgres.migrating`); the store itself
  needs no right to make any.
* Each verb is one statement and one round trip, in a transaction of its own at READ COMMITTED. Nothing is kept in the
  server's session, so that PgBouncer may pool transactions.
* Connections belong to the process that made them: a worker that was forked makes its own.
* What was acknowledged survives what the server's ``synchronous_commit`` says it survives. Counts do not wait
  for the disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.errors import MissingExtra

try:
    import psycopg as psycopg
except ImportError:
    raise MissingExtra("a postgresql:// store", "postgres", "psycopg") from None

from coatcheck.stores.postgres.blocking import PostgresStore

if TYPE_CHECKING:
    from coatcheck.stores.postgres.asynchronous import AsyncPostgresStore

__all__ = ["AsyncPostgresStore", "PostgresStore"]


def __getattr__(name: str) -> object:
    """Import the asyncio client when it is first named."""
    if name == "AsyncPostgresStore":
        from coatcheck.stores.postgres.asynchronous import AsyncPostgresStore

        return AsyncPostgresStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
