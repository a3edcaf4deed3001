"""What a ``postgresql://`` URL says: where the server is, for libpq, and how the store behaves, for coatcheck.

``schema``, ``timeout``, ``prepare`` and ``pool`` in the URL's query are coatcheck's; all else is libpq's
(https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS), several hosts included.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Final, TypeVar
from urllib.parse import unquote

from coatcheck.discreet import Discreet
from coatcheck.durations import to_millis
from coatcheck.errors import ConfigurationError, MissingExtra
from coatcheck.model import Millis

T = TypeVar("T")

_SHORTEST: Final[Millis] = 50
_LONGEST: Final[Millis] = 600_000
_LONGEST_NAME: Final = 63  # PostgreSQL cuts what is longer
_HOW_TO_WRITE: Final = (
    "the PostgreSQL URL cannot be read; write postgresql://user:password@host:5432/database?schema=coatcheck, "
    "with special characters in the password as %XX"
)
_SCHEMA: Final = re.compile(r"[^\x00-\x1f'\"\\$%]{1,63}")
"""No quotes and nothing that means more than itself in a function's text or in psycopg's."""


class Options(Discreet, frozen=True, kw_only=True):
    """How to reach a PostgreSQL server and how to behave there.

    Attributes:
        conninfo: libpq's connection string. It may hold a password.
        place: host, port and database, for people.
        schema: where the tables are; ``None`` for the first schema of the connection's search path.
        timeout: how long a statement may take, in milliseconds.
        prepare: whether statements are prepared. Only for connections that no pooler shares.
        pool: how many connections one process has at most, beside the one that looks sessions up.
    """

    conninfo: str
    place: str
    schema: str | None = None
    timeout: Millis = 2000
    prepare: bool = False
    pool: int = 10

    def __repr__(self) -> str:
        """Show the place, never the password."""
        return f"Options({self.place!r}, schema={self.schema!r}, timeout={self.timeout})"

    @property
    def patience(self) -> float:
        """How long a client waits for an answer, in seconds: longer than the server lets a statement run."""
        return self.timeout / 1000 + 0.5


def read_url(url: str) -> Options:
    """Return what *url* says.

    Raises:
        ConfigurationError: the URL cannot be used; says how to write it, and repeats none of it.
        MissingExtra: psycopg is not installed.
    """
    ours, rest = _parted(url)
    try:
        from psycopg.conninfo import conninfo_to_dict, make_conninfo
    except ImportError:
        raise MissingExtra("a postgresql:// store", "postgres", "psycopg") from None
    import psycopg

    try:
        parts = {name: value for name, value in conninfo_to_dict(rest).items() if value is not None}
    except psycopg.Error:
        parts = {}
    if (not parts and rest.partition("://")[2]) or _is_torn(url, parts):
        raise ConfigurationError(_HOW_TO_WRITE)
    if "target_session_attrs" not in parts and not os.environ.get("PGTARGETSESSIONATTRS"):
        # A standby would answer look-ups with sessions that are revoked already.
        parts["target_session_attrs"] = "read-write"
    faults: list[str] = []
    options = Options(
        conninfo=make_conninfo("", **parts),
        place=_place(parts),
        schema=_read(ours, "schema", _schema_or_none, None, faults),
        timeout=_read(ours, "timeout", _timeout, 2000, faults),
        prepare=_read(ours, "prepare", _switch, False, faults),  # noqa: FBT003 - the default of a switch
        pool=_read(ours, "pool", _count, 10, faults),
    )
    if faults:
        raise ConfigurationError(faults)
    return options


def _parted(url: str) -> tuple[dict[str, str], str]:
    """Take coatcheck's options out of the query; libpq refuses what it does not know."""
    base, mark, query = url.partition("?")
    ours: dict[str, str] = {}
    theirs: list[str] = []
    for piece in filter(None, query.split("&")):
        name, _, value = piece.partition("=")
        if name in {"schema", "timeout", "prepare", "pool"}:
            ours[name] = unquote(value)
        else:
            theirs.append(piece)
    return ours, base + (mark + "&".join(theirs) if theirs else "")


def _is_torn(url: str, parts: Mapping[str, object]) -> bool:
    """Whether a password with an unescaped ``@``, ``/`` or ``?`` was cut: a part of it would be shown as a place."""
    before, _, query = url.partition("://")[2].partition("?")
    authority, slash, path = before.partition("/")
    ports = str(parts.get("port") or "").split(",")
    if not slash and ":" in authority and "@" not in authority and "@" in query:
        return True
    return authority.count("@") > 1 or "@" in path or any(port and not port.isdecimal() for port in ports)


def _read(given: dict[str, str], name: str, read: Callable[[str], T], default: T, faults: list[str]) -> T:
    """Return an option as *read* understands it, or note its fault and return the default."""
    try:
        return read(given[name]) if name in given else default
    except ValueError as fault:
        faults.append(f"the PostgreSQL URL: {fault}")
        return default


def _place(parts: Mapping[str, object]) -> str:
    host = str(parts.get("host") or parts.get("hostaddr") or "the local socket")
    port = str(parts.get("port") or "5432")
    database = str(parts.get("dbname") or parts.get("user") or "the user's own database")
    hosts, ports = host.split(","), port.split(",")
    if len(ports) < len(hosts):
        ports *= len(hosts)
    return ",".join(f"{each}:{number or 5432}" for each, number in zip(hosts, ports, strict=False)) + f"/{database}"


def _schema_or_none(text: str) -> str | None:
    if not _SCHEMA.fullmatch(text) or len(text.encode()) > _LONGEST_NAME:
        raise ValueError("schema= takes the name of a schema, up to 63 bytes without quotes, backslashes, $ and %")
    return text


def _timeout(text: str) -> Millis:
    try:
        millis = to_millis(text)
    except ValueError:
        millis = -1
    if not _SHORTEST <= millis <= _LONGEST:
        raise ValueError('timeout= takes a length of time from 50ms to 10m, such as "2s"')
    return millis


def _switch(text: str) -> bool:
    if text not in {"on", "off"}:
        raise ValueError("prepare= takes on or off")
    return text == "on"


def _count(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,2}", text, re.ASCII):
        raise ValueError("pool= takes a number of connections from 1 to 999")
    return int(text)
