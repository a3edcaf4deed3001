"""The one place where SQLite's and the system's errors become coatcheck's.

While a file is being opened, what a person has to set right is a `ConfigurationError`; everything else, and everything
afterwards, is `StoreUnavailable`: whether a change was made is then unknown. Messages name the file and the cause,
never a statement or a value.
"""

from __future__ import annotations

import errno
import sqlite3
from typing import Final

from coatcheck.errors import ConfigurationError, StoreUnavailable

_CAUSES: Final[dict[str, str]] = {
    "SQLITE_BUSY": "another process held its lock for too long",
    "SQLITE_LOCKED": "another connection held its lock for too long",
    "SQLITE_FULL": "the disk is full",
    "SQLITE_IOERR": "the disk could not be read or written",
    "SQLITE_CORRUPT": "the file is damaged; restore it from a backup",
    "SQLITE_NOTADB": "the file is not a SQLite database",
    "SQLITE_READONLY": "the file or its directory cannot be written",
    "SQLITE_CANTOPEN": "the file cannot be opened; look at its directory and permissions",
    "SQLITE_PERM": "the file may not be opened",
    "SQLITE_NOMEM": "there is not enough memory",
}
_PASSING: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
_SET_UP: Final = frozenset({"SQLITE_NOTADB", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM"})


def is_engine_fault(error: BaseException) -> bool:
    """Whether *error* is the engine failing, rather than a mistake in the code that calls it."""
    return isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError


def is_busy(error: BaseException) -> bool:
    """Whether somebody else merely held a lock for too long."""
    return isinstance(error, sqlite3.Error) and _name(error) in {"SQLITE_BUSY", "SQLITE_LOCKED"}


def unavailable(error: BaseException, path: str) -> StoreUnavailable:
    """Say why the store at *path* did not answer."""
    return StoreUnavailable(f"the SQLite store {path} is unavailable: {_cause(error)}")


def not_opened(error: BaseException, path: str) -> ConfigurationError | StoreUnavailable:
    """Say why *path* could not be opened, as a fault of set-up where it is one."""
    refused = isinstance(error, OSError) and error.errno not in _PASSING
    if refused or (isinstance(error, sqlite3.Error) and _name(error) in _SET_UP):
        remedy = "; make the folder, or name another file" if isinstance(error, FileNotFoundError) else ""
        return ConfigurationError(f"the SQLite store {path} cannot be used: {_cause(error)}{remedy}")
    return unavailable(error, path)


def _cause(error: BaseException) -> str:
    if isinstance(error, sqlite3.Error):
        name = _name(error)
        return _CAUSES.get(name, f"SQLite answered {name}")
    if isinstance(error, OSError):
        return (error.strerror or "the system refused").lower()
    return "it failed"


def _name(error: sqlite3.Error) -> str:
    """Return the primary result code's name: extended ones only say it more finely (``SQLITE_IOERR_WRITE``)."""
    extended = getattr(error, "sqlite_errorname", None)
    return "_".join(extended.split("_")[:2]) if isinstance(extended, str) else "SQLITE_ERROR"
