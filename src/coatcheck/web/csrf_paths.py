"""Paths that are judged in a way of their own: matched as the router sees them, and no other spelling (G-15).

`Paths.match` is for what is let through: it says no to whatever one server, proxy or framework might read differently
from another. `Paths.may_match` is for what is judged more strictly: it says yes to every spelling that somebody might
read as one of the paths.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from urllib.parse import unquote

_AMBIGUOUS: Final = re.compile(r"//|/\.{1,2}(?=/|\Z)|[\\%;?#\x00-\x1f\x7f]")
_ESCAPED: Final = re.compile(rb"%(?:2[ef35]|5c|3[bf]|[01][0-9a-f]|7f)", re.IGNORECASE)
_DECODED_AT_MOST: Final = 3


class Paths:
    """A set of patterns, in which ``*`` stands for one segment that is not empty."""

    __slots__ = ("_exact", "_loose")

    def __init__(self, patterns: Iterable[str]) -> None:
        """Prepare *patterns*, which `pattern_faults` has passed."""
        listed = tuple(patterns)
        self._exact = _compiled(listed, "")
        self._loose = _compiled((pattern.casefold().rstrip("/") for pattern in listed), "/?")

    def __bool__(self) -> bool:
        """Whether there are any."""
        return self._exact is not None

    def match(self, path: str, raw: bytes = b"") -> bool:
        """Whether *path* is one of them, and can be nothing else.

        Args:
            path: as the router sees it: decoded, without ``root_path``.
            raw: as it was sent, where the server tells.
        """
        if self._exact is None or self._exact.fullmatch(path) is None:
            return False
        return _AMBIGUOUS.search(path) is None and _ESCAPED.search(raw) is None

    def may_match(self, path: str) -> bool:
        """Whether *path*, however somebody reads it, is one of them."""
        return self._loose is not None and self._loose.fullmatch(_plainest(path)) is not None


def pattern_faults(option: str, patterns: Sequence[str]) -> Iterator[str]:
    """Yield what is wrong with the paths of an option, one sentence each."""
    if isinstance(patterns, str):
        yield f"Csrf({option}={patterns!r}) must be a list: write [{patterns!r}]"
        return
    for pattern in patterns:
        if not isinstance(pattern, str) or not pattern.startswith("/"):
            yield f'Csrf({option}=[{pattern!r}]) is no path: begin it with "/", such as "/hooks/payments"'
        elif _AMBIGUOUS.search(pattern):
            yield (
                f"Csrf({option}=[{pattern!r}]) is never what a router sees: write the path decoded, without "
                "query, '//', '.' or '..'"
            )
        elif any("*" in segment and segment != "*" for segment in pattern.split("/")):
            yield f"Csrf({option}=[{pattern!r}]): '*' stands for a whole segment, as in '/hooks/*'"


def _compiled(patterns: Iterable[str], end: str) -> re.Pattern[str] | None:
    """Return one expression for all of them; ``None`` when there are none."""
    spelt = ["[^/]+".join(re.escape(part) for part in pattern.split("*")) + end for pattern in patterns]
    return re.compile("|".join(f"(?:{each})" for each in spelt)) if spelt else None


def _plainest(path: str) -> str:
    """Undo everything that some server undoes: escapes, backslashes, parameters, dots, slashes, case."""
    for _ in range(_DECODED_AT_MOST):
        path = unquote(path)
    kept: list[str] = []
    for segment in path.replace("\\", "/").casefold().split("/"):
        name = segment.partition(";")[0].strip("\x00\t\n\r ")
        if name == "..":
            del kept[-1:]
        elif name not in ("", "."):
            kept.append(name)
    return "/" + "/".join(kept)
