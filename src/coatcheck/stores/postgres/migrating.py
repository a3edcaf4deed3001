"""Making and changing the tables: numbered steps forward, all of them or none, by one process at a time.

The role that migrates owns the tables; the application's role needs only to use them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import psycopg
from msgspec import Struct

from coatcheck.errors import ConfigurationError
from coatcheck.stores.postgres import connecting, faults, sql
from coatcheck.stores.postgres.blocking import BoundedConnection
from coatcheck.stores.postgres.options import Options, read_url
from coatcheck.stores.postgres.steps import OLDEST_READER, VERSION, Step, quoted, steps

PATIENCE: Final = 600.0
"""How long a migration may take, in seconds: a step on a large table takes its time, and others wait for it."""

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('coatcheck migrates ' || %s, 0))"
_DONE: Final = (
    "INSERT INTO __schema__.coatcheck_meta (name, value) VALUES ('version', {number}) "
    "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
# IF NOT EXISTS would ask for a right on the database also where the schema is there.
_SCHEMA: Final = """DO $$ BEGIN
    IF to_regnamespace('__schema__') IS NULL THEN
        CREATE SCHEMA __schema__;
    END IF;
END $$"""
_AT: Final = """DO $$ BEGIN
    IF (SELECT value FROM __schema__.coatcheck_meta WHERE name = 'version') IS DISTINCT FROM {before} THEN
        RAISE EXCEPTION 'these steps follow step {before} of coatcheck''s tables';
    END IF;
END $$"""


class Migrated(Struct, frozen=True, kw_only=True):
    """What a migration did: the step that the tables were at, and the one they are at."""

    before: int
    after: int


_Work: TypeAlias = Callable[[BoundedConnection, str, Options], Migrated]
_Refused: TypeAlias = Callable[[Options], str]


def migrate(url: str) -> Migrated:
    """Bring the tables that *url* names to this release's; harmless when they are there already.

    Safe from any number of processes at once: one migrates and the others find it done.

    Raises:
        ConfigurationError: the server, the role or the tables are not fit for it.
        StoreUnavailable: the server cannot be used at the moment.
    """
    return _connected(url, _migrate, _may_not_migrate)


def state(url: str) -> Migrated:
    """Return the step that the tables are at, and the one that this release needs; changes nothing.

    Raises:
        ConfigurationError: as `migrate`.
        StoreUnavailable: as `migrate`.
    """
    return _connected(url, _state, faults.missing_rights)


def script(schema: str, *, after: int = 0) -> Iterator[str]:
    """Yield the steps that follow step *after* as one SQL script, for people who run their own.

    Run whole by ``psql --set ON_ERROR_STOP=1``, it makes all of them or none, and refuses tables at another step.

    Raises:
        ConfigurationError: the schema's name cannot be used.
    """
    name = quoted(schema)
    yield "BEGIN;\n"
    yield _LOCK.replace("%s", f"'{name}'") + ";\n"
    if after:
        yield _AT.format(before=after).replace("__schema__", name) + ";\n"
    else:
        yield _SCHEMA.replace("__schema__", name) + ";\n"
    for step in steps()[after:]:
        yield f"\n-- {step.name}\n\n{step.sql(name)}"
        yield _done(step.number, name) + ";\n"
    yield "\nCOMMIT;\n"


def _done(number: int, schema: str) -> str:
    return _DONE.format(number=number).replace("__schema__", schema)


def _connected(url: str, work: _Work, refused: _Refused) -> Migrated:
    """Run *work* on a connection of its own, and turn what goes wrong into coatcheck's words.

    *refused* says which right is missing where PostgreSQL says that one is.
    """
    options = read_url(url)
    try:
        arguments = connecting.arguments(options, plain=True)
        with BoundedConnection.connect(**arguments) as connection:
            connection.patience = PATIENCE
            [server] = connection.execute(sql.SERVER).fetchall()
            ready = connecting.read_server(server, options)
            return work(connection, ready.schema, options)
    except psycopg.Error as error:
        fault = ConfigurationError(refused(options)) if faults.lacks_rights(error) else _unmade(error, options)
    raise fault


def _state(connection: BoundedConnection, schema: str, options: Options) -> Migrated:
    before = _at(connection, schema)
    if before > len(steps()):
        _refuse_newer(connection, schema, before, options)
    return Migrated(before=before, after=len(steps()))


def _migrate(connection: BoundedConnection, schema: str, options: Options) -> Migrated:
    with connection.transaction():
        # A pooler's or a role's own bound on statements is not meant for this.
        connection.execute("SET LOCAL statement_timeout = 0")
        connection.execute(_LOCK, (schema,))
        if connection.execute("SELECT to_regnamespace(%s)", (schema,)).fetchone() == (None,):
            connection.execute(f"CREATE SCHEMA {schema}".encode())
        before = _at(connection, schema)
        for step in steps()[before:]:
            _run(connection, step, schema, options)
        if before > len(steps()):
            _refuse_newer(connection, schema, before, options)
    return Migrated(before=before, after=max(before, len(steps())))


def _run(connection: BoundedConnection, step: Step, schema: str, options: Options) -> None:
    """Run one step.

    Raises:
        ConfigurationError: it cannot be made in this database, however often it is tried.
    """
    try:
        connection.execute(step.sql(schema).encode())
        connection.execute(_done(step.number, schema).encode())
    except psycopg.Error as error:
        if faults.may_pass(error) or faults.lacks_rights(error):
            raise
        fault = faults.not_migrated(step.number, error, options)
    else:
        return
    raise fault


def _at(connection: BoundedConnection, schema: str) -> int:
    """Return how many steps the tables have had; 0 when there are none."""
    there = connection.execute("SELECT to_regclass(%s || '.coatcheck_meta')", (schema,)).fetchone()
    return 0 if there == (None,) else _meta(connection, schema).get(VERSION, 0)


def _meta(connection: BoundedConnection, schema: str) -> dict[str, int]:
    return dict(connection.execute(sql.filled(sql.META, schema)).fetchall())


def _refuse_newer(connection: BoundedConnection, schema: str, before: int, options: Options) -> None:
    if _meta(connection, schema).get(OLDEST_READER, before) > len(steps()):
        raise ConfigurationError(
            f"{options.place} was migrated by a newer coatcheck (step {before}; this one knows {len(steps())}); "
            "upgrade coatcheck"
        )


def _may_not_migrate(options: Options) -> str:
    return (
        f"the PostgreSQL store {options.place}: the role may not make tables there; migrate as the role that owns "
        "the schema, with --store"
    )


def _unmade(error: psycopg.Error, options: Options) -> Exception:
    """Say why nothing was made: what does not pass by itself is nothing to wait for."""
    fault = faults.not_opened(error, options)
    return fault if faults.may_pass(error) else ConfigurationError(str(fault))
