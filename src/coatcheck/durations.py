"""Lengths of time as people write them: ``timedelta`` or text such as ``"30m"``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final, TypeAlias

from coatcheck.model import Millis

Duration: TypeAlias = timedelta | str
"""A length of time: a `datetime.timedelta`, or whole numbers with units, such as ``"45s"``, ``"30m"``, ``"1h30m"``,
``"7d"``, ``"2w"``, ``"250ms"``."""

_UNITS: Final[dict[str, int]] = {
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
}
_PART: Final = re.compile(r"(\d{1,12})(ms|[smhdw])", re.ASCII)
_WHOLE: Final = re.compile(r"(?:\d{1,12}(?:ms|[smhdw]))+", re.ASCII)


def to_millis(value: Duration) -> Millis:
    """Return a length of time in milliseconds.

    Raises:
        ValueError: *value* is not a length of time, or it is negative; the message says how to write one.
    """
    if isinstance(value, timedelta):
        total = value // timedelta(milliseconds=1)
        if total < 0:
            raise ValueError(f"{value!r} is negative")
        return total
    if not isinstance(value, str) or not _WHOLE.fullmatch(value):
        raise ValueError(f'{value!r} is not a length of time; write a timedelta or text such as "30m", "12h" or "7d"')
    return sum(int(count) * _UNITS[unit] for count, unit in _PART.findall(value))


def to_text(millis: Millis) -> str:
    """Return the shortest text that `to_millis` reads back, such as ``"1h30m"``."""
    if millis == 0:
        return "0s"
    parts: list[str] = []
    rest = millis
    for unit in ("d", "h", "m", "s", "ms"):
        count, rest = divmod(rest, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def in_words(millis: Millis) -> str:
    """Return a length of time for people, in its two largest units, such as ``"1 hour 30 minutes"``."""
    names = (("d", "day"), ("h", "hour"), ("m", "minute"), ("s", "second"))
    parts: list[str] = []
    rest = max(millis, 0)
    for unit, name in names:
        count, rest = divmod(rest, _UNITS[unit])
        if count:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
    return " ".join(parts[:2]) if parts else "less than a second"
