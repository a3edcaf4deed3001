"""Opening a database file: who may read it, how it is kept, and how long its locks are waited for."""

from __future__ import annotations

import os
import sqlite3
import time
from typing import Final

from coatcheck.errors import ConfigurationError
from coatcheck.stores.sqlite import faults
from coatcheck.stores.sqlite.schema import migrate

OLDEST_SQLITE: Final = (3, 31, 0)
"""Upserts (3.24) and the JSON functions as every distribution since 2020 compiles them."""

_READ_TIMEOUT: Final = 1.0
_WRITE_TIMEOUT: Final = 5.0
"""Seconds to wait for another's lock: a last resort, since readers wait for nobody and writers take turns."""
_PATIENCE: Final = 10.0
"""Seconds to go on trying while many processes open a fresh file at once."""
_LOG_BYTES: Final = 64 * 1024 * 1024
"""What the write-ahead log is cut down to after it grew beyond it."""


def prepare(path: str) -> None:
    """Make the file if it is missing, readable by its owner alone, and bring it to this release's tables.

    Raises:
        ConfigurationError: a person has to set something right first; says what.
        StoreUnavailable: the file cannot be used at the moment.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise ConfigurationError(f"SQLite {sqlite3.sqlite_version} is too old; coatcheck needs 3.31 or newer")
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            _make_private(path)
            connection = connect(path, reading=False)
            try:
                _keep_log(connection, path)
                migrate(connection, path)
            finally:
                connection.close()
        except (sqlite3.Error, OSError) as error:
            # Changing to a write-ahead log does not wait for locks, whatever timeout is set.
            if not faults.is_busy(error) or time.monotonic() > deadline:
                raise faults.not_opened(error, path) from error
            time.sleep(0.01)
        else:
            return


def connect(path: str, *, reading: bool) -> sqlite3.Connection:
    """Return a new connection to a prepared file. It may be closed by another thread than its user's."""
    connection = sqlite3.connect(
        path,
        timeout=_READ_TIMEOUT if reading else _WRITE_TIMEOUT,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=64,
    )
    connection.text_factory = _text
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA query_only = ON" if reading else f"PRAGMA journal_size_limit = {_LOG_BYTES}")
    return connection


def _make_private(path: str) -> None:
    """Make a missing file with mode 0600, whatever the umask; SQLite gives its side files the mode of the database.

    A file that exists is left alone, unopened too: closing it here would drop the locks this process has on it.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    try:
        if hasattr(os, "fchmod"):
            os.fchmod(file, 0o600)
    finally:
        os.close(file)


def _keep_log(connection: sqlite3.Connection, path: str) -> None:
    """Change to a write-ahead log, which the file remembers."""
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if mode != "wal":
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise ConfigurationError(f"{path} cannot have a write-ahead log; put it on a local disk, not a network share")


def _text(raw: bytes) -> str | bytes:
    """Read text; what is none stays bytes, for `coatcheck.stores.sqlite.rows` to refuse."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw
