"""How a connection is made and bounded, for both clients: what libpq is told, and what is asked of a new connection.

A statement is bounded twice. The server ends it by ``statement_timeout``, which a connection is started with; where a
pooler does not pass that on, each statement sets it for its own transaction, in the same round trip. The client waits
a little longer and then gives the connection up, because a server that hangs ends nothing. With it goes
``client_min_messages``, so that no role's setting keeps back the warning that `Doubts` looks for.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
from collections.abc import Generator, Sequence
from typing import Any, Final

import psycopg
from msgspec import Struct
from psycopg.conninfo import conninfo_to_dict

from coatcheck.errors import ConfigurationError
from coatcheck.stores import _forking
from coatcheck.stores.postgres import faults, steps
from coatcheck.stores.postgres.options import Options

OLDEST_SERVER: Final = 130_000
"""The oldest server that has what the functions use, as ``server_version_num``. Versions 15 and 18 are tested."""


_TELL: Final = "-c client_min_messages=warning"
_FOR_EVER: Final = 130
"""Seconds after which psycopg gives an address up that the URL wants to wait for without end."""


class Doubts:
    """What the server said beside its answer. One whose wait for a synchronous replica was broken off reports success.

    Known by the place in PostgreSQL's source, which is the same in every language.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._unconfirmed = False

    def note(self, notice: psycopg.errors.Diagnostic) -> None:
        """Look at a notice."""
        if notice.source_function == "SyncRepWaitForLSN":
            self._unconfirmed = True

    def settle(self, options: Options, rows: Sequence[Sequence[Any]]) -> None:
        """Accept an answer.

        Raises:
            Unwaited: the change was made here, and no replica has confirmed it; holds the answer.
        """
        if self._unconfirmed:
            self._unconfirmed = False
            raise faults.unwaited(options, rows)


class Ready(Struct, frozen=True):
    """What was learnt from the first connection.

    Attributes:
        schema: the quoted schema of the tables.
        pooled: a pooler in between keeps the connection's parameters from the server.
    """

    schema: str
    pooled: bool


def arguments(options: Options, *, plain: bool) -> dict[str, Any]:
    """Return what `psycopg.connect` is given.

    Args:
        options: what the URL says.
        plain: leave out what PgBouncer refuses.
    """
    given = conninfo_to_dict(options.conninfo)
    mine: dict[str, Any] = {
        "connect_timeout": _seconds(options),
        "tcp_user_timeout": math.ceil(options.patience * 1000),
        "keepalives_idle": 60,  # seconds; firewalls forget connections that say nothing for some minutes
        "application_name": "coatcheck",
    }
    wanted = {name: value for name, value in mine.items() if given.get(name) is None}
    wanted["client_encoding"] = "UTF8"  # whatever the environment says: text is any text
    if not plain:
        # libpq would read the environment's, had it been given none.
        before = str(given.get("options") or os.environ.get("PGOPTIONS") or "")
        wanted["options"] = f"{before} -c statement_timeout={options.timeout} {_TELL}".strip()
    return {
        "conninfo": options.conninfo,
        "autocommit": True,
        "prepare_threshold": 5 if options.prepare else None,
        **wanted,
    }


def longest(options: Options) -> float:
    """Return how long making a connection may take in all, in seconds: names, and every address behind each."""
    given = conninfo_to_dict(options.conninfo)
    said = str(given.get("connect_timeout") or _seconds(options))
    each = int(said) if said.isdecimal() and int(said) else _FOR_EVER
    hosts = str(given.get("host") or given.get("hostaddr") or os.environ.get("PGHOST") or "")
    return len(hosts.split(",")) * each + options.patience


def _seconds(options: Options) -> int:
    """Return the time limit of one address; libpq takes whole seconds from 2 on."""
    return max(2, math.ceil(options.patience))


def is_stale(socket: int) -> bool:
    """Whether an idle connection has something to say: the server has closed it, or is about to."""
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([socket], [], [], 0)[0])
    poll = select.poll()
    poll.register(socket, select.POLLIN | select.POLLHUP | select.POLLERR)
    return bool(poll.poll(0))


def read_server(row: Sequence[Any], options: Options) -> Ready:
    """Judge what a new connection says of its server.

    Raises:
        ConfigurationError: the server, the database or the role is not fit for a store; all faults at once.
    """
    first_schema, encoding, isolation, timeout, messages, version = row
    wrong: list[str] = []
    if version < OLDEST_SERVER:
        wrong.append(f"{options.place} runs PostgreSQL {version // 10_000}; coatcheck needs 13 or newer")
    if encoding != "UTF8":
        wrong.append(f"{options.place} keeps text as {encoding}; coatcheck needs a database with the encoding UTF8")
    if isolation != "read committed":
        wrong.append(faults.isolation(options))
    schema = options.schema or first_schema
    if schema is None:
        wrong.append(f"{options.place}: the search path names no schema that is there; add ?schema= to the URL")
    if wrong:
        raise ConfigurationError(wrong)
    return Ready(steps.quoted(str(schema)), _millis(timeout) != options.timeout or messages != "warning")


def read_tables(row: Sequence[Any], versions: Sequence[Sequence[Any]], options: Options) -> None:
    """Judge whether the tables are there, of a version that fits, and open to this role.

    Raises:
        ConfigurationError: with the remedy.
    """
    there, may_enter, may_use = row
    if not may_enter or (there and not may_use):
        raise ConfigurationError(faults.missing_rights(options))
    known = {str(name): int(value) for name, value in versions}
    steps.check(known if there else {}, options.place)


def _millis(shown: str) -> int:
    """Read a time as PostgreSQL shows it, such as ``2s`` or ``1500ms``."""
    for unit, factor in (("ms", 1), ("s", 1000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)):
        number = shown.removesuffix(unit)
        if number != shown and number.isdigit():
            return int(number) * factor
    return int(shown) if shown.isdigit() else -1


def abandon(connection: psycopg.BaseConnection[Any], operation: Generator[Any, Any, Any]) -> None:
    """Give up a connection in the middle of an operation, at once.

    Closed first: psycopg would otherwise wait a second time for the answers of a pipeline.
    """
    with _forking.whole():
        connection.pgconn.finish()
    with contextlib.suppress(psycopg.Error):
        operation.close()


def is_usable(connection: psycopg.BaseConnection[Any]) -> bool:
    """Whether a connection is open and between transactions."""
    return not connection.closed and connection.pgconn.transaction_status == psycopg.pq.TransactionStatus.IDLE
