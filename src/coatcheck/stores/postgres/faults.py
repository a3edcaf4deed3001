"""The one place where psycopg's errors become coatcheck's.

While a store is being opened, what a person has to set right is a `ConfigurationError`; everything else, and
everything afterwards, is `StoreUnavailable`: whether a change was made is then unknown. Messages name the server and
the cause in words of this module. PostgreSQL's own are never repeated: their details may hold a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import psycopg

from coatcheck.errors import ConfigurationError, StoreUnavailable
from coatcheck.stores.postgres.options import Options

WRONG_ISOLATION: Final = "CC001"
"""SQLSTATE by which the store's functions refuse an isolation level other than READ COMMITTED."""

TRIES: Final = 5
"""How often a change is tried that the server undid as a whole, because of a deadlock."""

_ROLLED_BACK: Final = frozenset({"40P01", "40001"})
_MOVED: Final = frozenset({"25006", "57P01", "57P02", "57P03"})
_NOT_MADE: Final = frozenset({"3F000", "42P01", "42703", "42883"})
_REFUSED: Final = "42501"
_PASSING_CLASSES: Final = frozenset({"08", "40", "53", "55", "57", "58"})
"""Connections, rollbacks, lack of room, locks, operators, the system beneath."""

_CAUSES: Final[dict[str, str]] = {
    "25006": "it is a standby that only reads",
    "40P01": "others were in the way again and again",
    "40001": "others were in the way again and again",
    "53100": "its disk is full",
    "53200": "it has no memory left",
    "53300": "it has no connection left",
    "55P03": "others held a lock for too long",
    "57014": "a statement took too long",
    "57P01": "it is being shut down",
    "57P02": "it crashed",
    "57P03": "it is starting up or shutting down",
    "58030": "its disk could not be read or written",
    _REFUSED: "the role lacks a right on coatcheck's tables; see the grants in docs/howto/postgresql.md",
}

_SET_UP_STATES: Final = {
    "28000": "it does not admit this user",
    "28P01": "user name or password is wrong",
    "3D000": "there is no such database",
}

_STEP_FAULTS: Final = {
    "42P07": "a table or an index of that name is there already, and is not coatcheck's; choose a schema by ?schema=",
    "42723": "a function of that name is there already, and is not coatcheck's; choose a schema by ?schema=",
}

# What libpq says when no connection is made has no SQLSTATE, and is in the server's language: this is English.
# Passwords are never part of it.
_SET_UP: Final = (
    ("password authentication failed", "user name or password is wrong"),
    ("no password supplied", "it asks for a password and the URL has none"),
    ("pg_hba.conf", "it does not admit this user from here (pg_hba.conf)"),
    ("authentication failed", "it does not admit this user"),
    ("certificate verify failed", "its certificate is not trusted (sslrootcert, sslmode)"),
    ("does not match host name", "its certificate is for another host name"),
    ("root certificate file", "the root certificate named by sslrootcert cannot be read"),
    ("certificate file", "a certificate named in the URL cannot be read"),
    ("private key file", "a private key named in the URL cannot be read"),
    ("does not support SSL", "it does not speak TLS, which sslmode asks for"),
    ("SSL error", "TLS could not be agreed on"),
    ("could not translate host name", "its host name is unknown"),
    ("failed to resolve host", "its host name is unknown"),
    ("no such database", "there is no such database"),
    ("ProactorEventLoop", "psycopg needs another event loop on Windows: run the application on a SelectorEventLoop"),
    ("not found in", "a service or file named in the URL was not found"),
)
_PASSING: Final = (
    ("session is read-only", "no host of the URL takes writes"),
    ("too many clients", "it has no connection left"),
    ("remaining connection slots", "it has no connection left"),
    ("too many connections", "it has no connection left"),
    ("is starting up", "it is starting up"),
    ("shutting down", "it is being shut down"),
    ("timeout expired", "it did not answer in time"),
    ("refused", "it refused the connection"),
)


def state(error: BaseException) -> str:
    """Return the SQLSTATE that the server gave, or nothing."""
    return getattr(error, "sqlstate", None) or ""


def was_rolled_back(error: psycopg.Error) -> bool:
    """Whether the whole transaction is certain not to have happened and may be tried again."""
    return state(error) in _ROLLED_BACK


def was_lost(error: psycopg.Error) -> bool:
    """Whether the connection is gone; a question may then be asked again on another, unless it took too long."""
    if gave_up(error):
        return False
    return isinstance(error, psycopg.OperationalError) and (not state(error) or state(error).startswith(("08", "57P")))


def lacks_rights(error: psycopg.Error) -> bool:
    """Whether the role lacks a right."""
    return state(error) == _REFUSED


def may_pass(error: psycopg.Error) -> bool:
    """Whether what went wrong may be over by itself; all else is for a person to set right."""
    return not state(error) or state(error) in _MOVED or state(error)[:2] in _PASSING_CLASSES


class Unwaited(StoreUnavailable):
    """A change was made, and no synchronous replica has confirmed it.

    Attributes:
        rows: the answer to it.
    """

    def __init__(self, message: str, rows: Sequence[Sequence[Any]]) -> None:
        """Keep the answer: the change stands unless a failover undoes it."""
        super().__init__(message)
        self.rows = rows


class Patience:
    """How often one verb is tried: a question twice, and what the server undid as a whole a few times."""

    def __init__(self, *, reading: bool) -> None:
        """Begin; *reading* says whether asking again does no harm."""
        self._reading, self._tries = reading, 1

    def worth(self, error: psycopg.Error) -> bool:
        """Whether to try again after *error*."""
        self._tries += 1
        if was_rolled_back(error):
            return self._tries <= TRIES
        return self._reading and was_lost(error) and self._tries == 2


def gave_up(error: psycopg.Error) -> bool:
    """Whether the client stopped waiting for an answer."""
    return not state(error) and "timeout expired" in str(error)


def has_moved(error: psycopg.Error) -> bool:
    """Whether this server takes no writes or hangs, so that its other connections are of no use either."""
    return state(error) in _MOVED or gave_up(error)


def refuses_parameters(error: psycopg.Error) -> bool:
    """Whether PgBouncer refused a parameter at the start of a connection."""
    return "unsupported startup parameter" in str(error)


def unavailable(error: BaseException, options: Options) -> Exception:
    """Say why a verb was not answered; a mistake of the caller's is a `ValueError` and not an outage."""
    if isinstance(error, psycopg.DataError):
        return ValueError("PostgreSQL cannot keep a value that was given: text must be UTF-8 without NUL")
    if state(error) == WRONG_ISOLATION:
        return ConfigurationError(isolation(options))
    if state(error) in _NOT_MADE:
        return StoreUnavailable(f"{_named(options)} lacks coatcheck's tables; run coatcheck migrate")
    return StoreUnavailable(f"{_named(options)} is unavailable: {_cause(error)}")


def not_opened(error: BaseException, options: Options) -> Exception:
    """Say why the store could not be opened, as a fault of set-up where it is one."""
    if state(error) == _REFUSED:
        return ConfigurationError(missing_rights(options))
    if state(error) in _SET_UP_STATES:
        return ConfigurationError(f"{_named(options)} cannot be used: {_SET_UP_STATES[state(error)]}")
    if state(error) and not state(error).startswith("08"):  # a pooler says by 08P01 what the server told it in words
        return unavailable(error, options)
    text = str(error)
    if 'database "' in text and "does not exist" in text:
        return ConfigurationError(f"{_named(options)} cannot be used: there is no such database")
    if 'role "' in text and "does not exist" in text:
        return ConfigurationError(f"{_named(options)} cannot be used: there is no such user")
    for sign, cause in _PASSING:
        if sign in text:
            return StoreUnavailable(f"{_named(options)} is unavailable: {cause}")
    for sign, cause in _SET_UP:
        if sign in text:
            return ConfigurationError(f"{_named(options)} cannot be used: {cause}")
    return unavailable(error, options)


def isolation(options: Options) -> str:
    """Say what is wrong with the isolation level."""
    return (
        f"{_named(options)} must run coatcheck's transactions at READ COMMITTED, without which a user's limit does "
        "not hold; ALTER ROLE ... SET default_transaction_isolation = 'read committed'"
    )


def not_migrated(number: int, error: psycopg.Error, options: Options) -> ConfigurationError:
    """Say which step cannot be made there."""
    what = _STEP_FAULTS.get(state(error), "the server's log says more")
    return ConfigurationError(f"{_named(options)}: step {number} failed with PostgreSQL's {state(error)}: {what}")


def missing_rights(options: Options) -> str:
    """Say which rights are needed."""
    return (
        f"{_named(options)}: the role may not use coatcheck's tables; GRANT USAGE on their schema, SELECT, INSERT, "
        "UPDATE, DELETE on the tables and EXECUTE on the functions whose names begin with coatcheck_"
    )


def busy(options: Options) -> StoreUnavailable:
    """Say that every connection was in use for too long."""
    return StoreUnavailable(
        f"{_named(options)} is unavailable: all {options.pool} connections of this process are in use (pool=)"
    )


def unwaited(options: Options, rows: Sequence[Sequence[Any]]) -> Unwaited:
    """Say that a change was made, and that a failover may undo it."""
    return Unwaited(f"{_named(options)} is unavailable: its synchronous replica did not confirm a change", rows)


def silent(options: Options) -> StoreUnavailable:
    """Say that the caller, or those before it, have waited for too long already."""
    return StoreUnavailable(f"{_named(options)} is unavailable: it did not answer in time")


def _named(options: Options) -> str:
    return f"the PostgreSQL store {options.place}"


def _cause(error: BaseException) -> str:
    code = state(error)
    if code:
        return _CAUSES.get(code, f"PostgreSQL answered {code}")
    text = str(error)
    known = (cause for sign, cause in (*_PASSING, *_SET_UP) if sign in text)
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return next(known, "the connection was lost" if isinstance(error, psycopg.Error) else "it failed")
