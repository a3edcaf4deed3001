"""A PostgreSQL server for the measurement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from bench.scale.results import Space
from coatcheck.model import Record
from coatcheck.stores.postgres import sql
from coatcheck.stores.postgres.migrating import migrate
from coatcheck.stores.postgres.rows import parameters
from tests.servers.postgres import PostgresServer

VERSION: Final = 15
_DEFAULTS: Final = {"shared_buffers": "'128MB'", "max_wal_size": "'1GB'", "autovacuum_naptime": "'1min'"}
"""PostgreSQL's own, where the tests' servers have others."""
_SCHEMA: Final = "coatcheck"
_TABLE: Final = f"{_SCHEMA}.coatcheck_sessions"

_PARTS: Final = {
    "coatcheck_sessions": "record",
    "coatcheck_sessions_pkey": "id index",
    "coatcheck_sessions_of_user": "user index",
    "coatcheck_users": "user index",
    "coatcheck_users_pkey": "user index",
    "coatcheck_users_changed": "user index",
    "coatcheck_sessions_due": "due index",
    "coatcheck_sessions_created": "browse index",
}

# What `parameters` says, under the columns' names.
_RENAMED: Final = {"keys": "data_keys", "values": "data_values"}
_GIVEN: Final = [name for name in sql.NAMES if name not in {"epoch", "ended_at", "reason", "had_data"}]
_STAGE: Final = f"CREATE TEMPORARY TABLE stage (LIKE {_TABLE})"
_COPY: Final = f"COPY stage ({', '.join(_GIVEN)}) FROM STDIN"
_LOOSEN: Final = "ALTER TABLE stage ALTER epoch DROP NOT NULL, ALTER had_data DROP NOT NULL"
# The rest is what the store's function of sign-ins computes: the epoch of an untouched store, and the due time.
_MOVE: Final = f"""
INSERT INTO {_TABLE} ({", ".join(_GIVEN)}, epoch, had_data, due_at)
SELECT {", ".join(_GIVEN)}, 0, false, {_SCHEMA}.coatcheck_due(locks, idle_expires_at, expires_at) FROM stage"""  # noqa: S608 - constants
_USERS: Final = f"""
INSERT INTO {_SCHEMA}.coatcheck_users (tenant, user_id, epoch, changed_at)
SELECT tenant, user_id, 0, min(created_at) FROM stage WHERE user_id IS NOT NULL GROUP BY tenant, user_id
ON CONFLICT DO NOTHING"""  # noqa: S608 - constants
_SIZES: Final = """
SELECT c.relname, CASE c.relkind WHEN 'r' THEN pg_table_size(c.oid) ELSE pg_relation_size(c.oid) END
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'coatcheck' AND c.relkind IN ('r', 'i')"""


class PostgresEngine:
    """One server, filled by ``COPY``."""

    settings = "the defaults, fsync on; loaded by COPY, then VACUUM ANALYZE"

    def __init__(self, folder: Path) -> None:
        """Start the server, in a folder of its own because it may run as another user, and make the tables."""
        del folder
        self._server = PostgresServer(VERSION, fsync=True, config=_DEFAULTS).start()
        self._server.execute(f"CREATE SCHEMA {_SCHEMA}")
        migrate(self.url)
        self._loading: Any = None

    @property
    def url(self) -> str:
        """The store's URL. A user with very many sessions may take its time."""
        return f"{self._server.url}?schema={_SCHEMA}&timeout=30s"

    def version(self) -> str:
        """Return the engine's name and version."""
        return f"PostgreSQL {self._server.execute('SHOW server_version')[0][0].split()[0]}"

    def load(self, records: Sequence[Record]) -> None:
        """Copy rows to a table aside, and from there in one statement with what the store computes itself."""
        if self._loading is None:
            self._loading = self._server.connect()
            self._loading.execute(_STAGE)
            self._loading.execute(_LOOSEN)
        with self._loading.transaction(), self._loading.cursor() as cursor:
            with cursor.copy(_COPY) as copy:
                for record in records:
                    copy.write_row(_row(record))
            cursor.execute(_MOVE)
            cursor.execute(_USERS)
            cursor.execute("TRUNCATE stage")

    def settle(self) -> None:
        """Do what autovacuum would have done meanwhile, and let a checkpoint pass."""
        if self._loading is not None:
            self._loading.close()
            self._loading = None
        self._server.execute(f"VACUUM (ANALYZE) {_TABLE}")
        self._server.execute("CHECKPOINT")

    def space(self, sessions: int, sample: Iterable[Record]) -> list[Space]:
        """Ask for the size of each table and index."""
        del sample
        parts: dict[str, float] = {}
        for name, size in self._server.execute(_SIZES):
            part = _PARTS.get(name, "other")
            parts[part] = parts.get(part, 0) + int(size) / sessions
        return [
            Space(
                sessions=sessions, parts=parts, total=sum(parts.values()), method="pg_table_size and pg_relation_size"
            )
        ]

    def stop(self) -> None:
        """Stop the server."""
        if self._loading is not None:
            self._loading.close()
        self._server.stop()


def _row(record: Record) -> list[object]:
    given = {_RENAMED.get(name, name): value for name, value in parameters(record, record.tenant).items()}
    return [given[name] for name in _GIVEN]
