"""What may stand after the ``?`` of a Redis URL, in one table, and how each is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from coatcheck.durations import to_millis

_PREFIX: Final = re.compile(r"[A-Za-z0-9_.-]{1,32}(?::[A-Za-z0-9_.-]{1,32})*", re.ASCII)
_NAME: Final = re.compile(r"[a-z_]+", re.ASCII)
"""What may be repeated: it looks like an option's name, and less like a piece of a password."""
_WORDS: Final = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


class Options(Struct, frozen=True, kw_only=True):
    """The options of a Redis store.

    Attributes:
        prefix: what every key begins with.
        timeout: milliseconds for a free connection, connecting and the answer together.
        pool: the most connections to one server, in one process.
        confirm: replicas that acknowledge a revocation before it is answered.
        confirm_timeout: milliseconds that they have for it.
        confirm_disk: also wait until the append-only files have it (``WAITAOF``).
        replicas: replicas that should be connected at start.
        browse: keep the index that listing all sessions needs.
        tls: encrypt, and verify the server's certificate.
        ca: file of the authorities to trust instead of the system's.
        cert: file of the client's certificate.
        key: file of the client's key.
        sentinel_username: who to be at the sentinels.
        sentinel_password: the password there.
    """

    prefix: str = "coatcheck"
    timeout: int = 500
    pool: int = 32
    confirm: int = 0
    confirm_timeout: int = 500
    confirm_disk: bool = False
    replicas: int = 0
    browse: bool = True
    tls: bool = False
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    sentinel_username: str | None = None
    sentinel_password: str | None = None

    def __repr__(self) -> str:
        """Show what no password is part of."""
        return f"Options(prefix={self.prefix!r}, timeout={self.timeout}, confirm={self.confirm})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Show the same where Rich prints it: what msgspec would give it has the sentinels' password."""
        return [("prefix", self.prefix), ("timeout", self.timeout), ("confirm", self.confirm)]


def _count(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)

    return read


def _time(text: str) -> int:
    try:
        millis = to_millis(text)
    except ValueError:
        raise ValueError("must be a length of time such as 500ms or 2s") from None
    if not 10 <= millis <= 60_000:
        raise ValueError("must be from 10ms to 60s")
    return millis


def _flag(text: str) -> bool:
    if text.lower() not in _WORDS:
        raise ValueError("must be yes or no")
    return _WORDS[text.lower()]


def _file(text: str) -> str:
    if not Path(text).is_file():
        raise ValueError("must name a file that exists")
    return text


def _prefix(text: str) -> str:
    if not _PREFIX.fullmatch(text):
        raise ValueError("must have letters, digits, '_', '-' and '.', in parts divided by ':'")
    return text


def _some(text: str) -> str:
    if not text:
        raise ValueError("must not be empty")
    return text


TABLE: Final[Mapping[str, Callable[[str], Any]]] = {
    "prefix": _prefix,
    "timeout": _time,
    "pool": _count(1, 1000),
    "confirm": _count(0, 16),
    "confirm_timeout": _time,
    "confirm_disk": _flag,
    "replicas": _count(0, 16),
    "browse": _flag,
    "tls": _flag,
    "ca": _file,
    "cert": _file,
    "key": _file,
    "sentinel_username": _some,
    "sentinel_password": _some,
}
"""Each option and what reads its text; a `ValueError` says what it must be."""


def read_options(pairs: list[tuple[str, str]], *, tls: bool) -> tuple[Options, list[str]]:
    """Return the options and every fault found in *pairs*; a fault names the option, never its text."""
    faults: list[str] = []
    values: dict[str, Any] = {"tls": tls}
    for place, (name, text) in enumerate(pairs, start=1):
        read = TABLE.get(name)
        if read is None:
            called = f"option {name!r}" if _NAME.fullmatch(name) else f"such option as number {place}"
            faults.append(f"there is no {called}; there are {', '.join(TABLE)}")
            continue
        if name in values and name != "tls":
            faults.append(f"the option {name} is given twice; give it once")
        try:
            values[name] = read(text)
        except ValueError as error:
            faults.append(f"the option {name} {error}")
    faults += _clashes(values, tls=tls)
    return (Options() if faults else Options(**values)), faults


def _clashes(values: Mapping[str, Any], *, tls: bool) -> list[str]:
    """Return what does not go together."""
    faults: list[str] = []
    if tls and not values["tls"]:
        faults.append("rediss:// is encrypted and tls=no is not; write redis:// or leave tls out")
    if not values["tls"] and any(name in values for name in ("ca", "cert", "key")):
        faults.append("the options ca, cert and key need TLS; write rediss://, or add tls=yes")
    if ("cert" in values) != ("key" in values):
        faults.append("the options cert and key go together; give both")
    if values.get("confirm_disk") and not values.get("confirm") and "confirm" in values:
        faults.append(
            "confirm_disk=yes needs confirm=1 or more; leave confirm out to wait for this server's disk alone"
        )
    if values.get("replicas", values.get("confirm", 0)) < values.get("confirm", 0):
        faults.append("the option confirm asks for more replicas than the option replicas; raise replicas")
    return faults
