"""What the PostgreSQL store's tests share: a schema of their own on a private server, emptied for each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import sql as compose

from coatcheck.model import RECORD_SCHEMA
from coatcheck.stores.postgres import AsyncPostgresStore, PostgresStore
from coatcheck.stores.postgres.migrating import migrate
from coatcheck.stores.postgres.options import read_url
from coatcheck.testing.contract import Kind
from tests.servers.postgres import PostgresServer

PATIENT = "5s"
"""A store's timeout where time is not the question: a busy machine's slowness is no outage."""
TABLES = ("sessions", "users", "tenants", "sides", "leases", "keys", "counts")


def with_schema(url: str, schema: str, **options: str) -> str:
    """Return *url* with a schema and further options."""
    return url + "?" + "&".join(f"{name}={value}" for name, value in {"schema": schema, **options}.items())


class Place:
    """A schema of coatcheck's on a server, and a way to meddle with it behind the store's back."""

    def __init__(self, server: PostgresServer, schema: str, *, through: str | None = None, **options: str) -> None:
        """Use *schema* of *server*, reached by *through* instead of directly if it is given."""
        self.server, self.schema = server, schema
        self.owner_url = with_schema(server.url, schema)
        self.url = with_schema(through or server.url, schema, **options)

    def prepare(self) -> None:
        """Make the tables, or empty them."""
        migrate(self.owner_url)
        tables = ", ".join(f'"{self.schema}".coatcheck_{name}' for name in TABLES)
        self.execute(f"TRUNCATE {tables}")

    def execute(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement as the superuser; ``{s}`` in it stands for the schema."""
        return self.server.execute(statement.replace("{s}", f'"{self.schema}"'), *values)

    def plant(self, id: str, kind: Kind) -> None:
        """Make the session of *id* unreadable."""
        change = f"schema = {RECORD_SCHEMA + 1}" if kind == "newer" else "data_values = '{}'"
        self.execute(f"UPDATE {{s}}.coatcheck_sessions SET {change} WHERE id = %s", id)  # noqa: S608

    def blocking(self, tenant: str = "", **options: str) -> PostgresStore:
        """Return a new store for threads."""
        return PostgresStore(read_url(self._with(options)), tenant=tenant)

    def asynchronous(self, tenant: str = "", **options: str) -> AsyncPostgresStore:
        """Return a new store for asyncio."""
        return AsyncPostgresStore(read_url(self._with(options)), tenant=tenant)

    def _with(self, options: dict[str, str]) -> str:
        return self.url + "".join(f"&{name}={value}" for name, value in options.items())


def waiting(place: Place, what: str) -> bool:
    """Whether some statement that names *what* waits for a lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"
    return place.server.execute(query, f"%{what}%") != [(0,)]


@contextmanager
def restricted(place: Place, role: str) -> Iterator[str]:
    """Make a role that may use the tables and own nothing; give its URL."""
    name = compose.Identifier(role).as_string(None)
    place.execute(f"DROP ROLE IF EXISTS {name}")
    place.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'of the application'")
    place.execute(f"GRANT USAGE ON SCHEMA {{s}} TO {name}")
    place.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {{s}} TO {name}")
    try:
        yield with_schema(place.server.url_of(user=role, password="of the application"), place.schema)
    finally:
        place.execute(f"DROP OWNED BY {name}")
        place.execute(f"DROP ROLE {name}")
