"""Opening a PostgreSQL store by its URL."""

from __future__ import annotations

from coatcheck.stores.contract import Store
from coatcheck.stores.postgres.options import read_url


def open_url(url: str, *, blocking: bool, tenant: str = "") -> Store:
    """Return the store that a ``postgresql://`` or ``postgres://`` URL names; nothing is opened yet.

    *blocking* chooses the client whose methods never suspend, for threads; the other one is for asyncio.

    Raises:
        ConfigurationError: the URL cannot be used; says how to write it.
        MissingExtra: psycopg is not installed.
    """
    options = read_url(url)
    if blocking:
        from coatcheck.stores.postgres.blocking import PostgresStore

        return PostgresStore(options, tenant=tenant)
    from coatcheck.stores.postgres.asynchronous import AsyncPostgresStore

    return AsyncPostgresStore(options, tenant=tenant)
