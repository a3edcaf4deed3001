"""The tables, as numbered steps forward, and who may use which file.

The number of the last step is the file's ``user_version``. Every file also says, in ``meta.oldest_reader``, which is
the lowest number of steps a release must know to use it: a step that only adds something leaves it as it is, so that
two releases can run on one file during a deployment.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from coatcheck.errors import ConfigurationError

APPLICATION_ID: Final = 0x636F6174
"""Marks the file as coatcheck's (``PRAGMA application_id``): "coat" in ASCII."""

_FIRST: Final = (
    """
    CREATE TABLE sessions (
        id TEXT NOT NULL PRIMARY KEY,
        tenant TEXT NOT NULL,
        schema INTEGER NOT NULL,
        secret_digest BLOB NOT NULL,
        created_at INTEGER NOT NULL,
        last_seen_at INTEGER NOT NULL,
        idle_expires_at INTEGER,
        expires_at INTEGER,
        rotated_at INTEGER NOT NULL,
        previous_digest BLOB,
        successor_nonce BLOB,
        confirmed_at INTEGER,
        rotate_due INTEGER NOT NULL,
        user_id TEXT,
        roles TEXT NOT NULL,
        auth_time INTEGER,
        amr TEXT NOT NULL,
        aal INTEGER,
        version INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        locks INTEGER NOT NULL,
        lifetime TEXT NOT NULL,
        persistent INTEGER NOT NULL,
        device BLOB,
        data BLOB,
        ended_at INTEGER,
        reason TEXT,
        had_data INTEGER NOT NULL
    )""",
    "CREATE INDEX sessions_due_absolute ON sessions (tenant, expires_at) WHERE ended_at IS NULL",
    "CREATE INDEX sessions_due_idle ON sessions (tenant, idle_expires_at) WHERE ended_at IS NULL AND locks = 0",
    "CREATE INDEX sessions_live_of_user ON sessions (tenant, user_id, expires_at) WHERE ended_at IS NULL",
    "CREATE INDEX sessions_ended_of_user ON sessions (tenant, user_id, ended_at) WHERE ended_at IS NOT NULL",
    "CREATE INDEX sessions_ended ON sessions (tenant, ended_at) WHERE ended_at IS NOT NULL",
    "CREATE INDEX sessions_created ON sessions (tenant, created_at, id)",
    """
    CREATE TABLE users (
        tenant TEXT NOT NULL,
        user_id TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        raised_at INTEGER NOT NULL,
        PRIMARY KEY (tenant, user_id)
    ) WITHOUT ROWID""",
    """
    CREATE TABLE tenants (
        tenant TEXT NOT NULL PRIMARY KEY,
        epoch INTEGER NOT NULL,
        raised_at INTEGER NOT NULL
    ) WITHOUT ROWID""",
    """
    CREATE TABLE sides (
        session_id TEXT NOT NULL,
        name TEXT NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (session_id, name)
    )""",
    """
    CREATE TABLE leases (
        tenant TEXT NOT NULL,
        name TEXT NOT NULL,
        holder TEXT NOT NULL,
        until INTEGER NOT NULL,
        PRIMARY KEY (tenant, name)
    ) WITHOUT ROWID""",
    "CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    "INSERT INTO meta (name, value) VALUES ('oldest_reader', 1)",
)

_SECOND: Final = (
    "CREATE INDEX users_raised ON users (tenant, raised_at)",
    "DROP INDEX sessions_ended",
    "CREATE INDEX sessions_ended ON sessions (tenant, ended_at, schema) WHERE ended_at IS NOT NULL",
)
"""So that a sweep finds what it may forget without reading every user's epoch and every tombstone's row."""

_THIRD: Final = (
    """
    CREATE TABLE counts (
        tenant TEXT NOT NULL,
        every INTEGER NOT NULL,
        at INTEGER NOT NULL,
        name TEXT NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (tenant, every, at, name)
    ) WITHOUT ROWID""",
)
"""What happened, counted. ``every`` is the length of the minute, hour or day that begins at ``at``, in milliseconds."""

_FOURTH: Final = ("ALTER TABLE sessions ADD COLUMN origin BLOB",)
"""How a session came to be. A release that knows three steps names its columns, so it neither reads nor changes it."""

STEPS: Final[tuple[tuple[str, ...], ...]] = (_FIRST, _SECOND, _THIRD, _FOURTH)
"""Each step's statements. A step that was released never changes; a new one is added at the end."""


def migrate(connection: sqlite3.Connection, path: str, steps: tuple[tuple[str, ...], ...] = STEPS) -> None:
    """Bring the file to this release's tables, all of it or nothing; harmless when it is there already.

    Runs under the file's one write lock, so of many processes that open a fresh file at once one makes the tables and
    the others find them made.

    Raises:
        ConfigurationError: the file is another application's, or only a newer release can use it.
    """
    if _number(connection, "user_version") == len(steps) and _number(connection, "application_id") == APPLICATION_ID:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        done = _checked(connection, path, len(steps))
        for statements in steps[done:]:
            for statement in statements:
                connection.execute(statement)
        if done < len(steps):
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {len(steps)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _checked(connection: sqlite3.Connection, path: str, known: int) -> int:
    """Return how many steps the file has had, if this release may use it."""
    owner = _number(connection, "application_id")
    if owner == 0:
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables:
            raise ConfigurationError(f"{path} holds another application's tables; give coatcheck a file of its own")
        return 0
    if owner != APPLICATION_ID:
        raise ConfigurationError(f"{path} belongs to another application; give coatcheck a file of its own")
    done = _number(connection, "user_version")
    if done > known:
        row = connection.execute("SELECT value FROM meta WHERE name = 'oldest_reader'").fetchone()
        if row is None or type(row[0]) is not int or row[0] > known:
            raise ConfigurationError(
                f"{path} was made by a newer coatcheck (format {done}; this one knows {known}); upgrade coatcheck"
            )
    return done


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    """Read a pragma whose value is a number."""
    (value,) = connection.execute(f"PRAGMA {pragma}").fetchone()
    return int(value)
