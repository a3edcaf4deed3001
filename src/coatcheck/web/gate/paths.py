"""The path that the router will see, or the reason why nobody should judge this one.

A gate is passed where it reads a path in one way and what stands behind it in another. Paths that servers, proxies and
routers are known to read in different ways are therefore refused and not repaired: no link of a browser needs them
(``docs/decisions/0024-gate.md``). What is left has one reading, and matchers are compared with that.
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

LONGEST: Final = 2048
"""Characters that a decoded path may have; with two repetitions a matcher's time grows with their square."""

BadPathReason: TypeAlias = Literal[
    "no_path", "too_long", "control_character", "not_utf8", "backslash", "double_slash", "dot_segment", "escaped"
]
"""A short word for logs and answers; it never holds the path."""

WHY: Final[dict[BadPathReason, str]] = {
    "no_path": "it does not begin with a slash",
    "too_long": f"it has more than {LONGEST} characters",
    "control_character": "it holds a control character",
    "not_utf8": "it holds bytes that are not UTF-8",
    "backslash": "it holds a backslash, which some read as a slash",
    "double_slash": "it holds two slashes in a row, which some read as one",
    "dot_segment": 'it holds a segment "." or "..", which some resolve',
    "escaped": "it holds an escaped slash, backslash, dot segment or control character, which some decode",
}

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
# What `decode(errors=...)` leaves of bytes that are not UTF-8.
_BROKEN: Final = re.compile("[\ud800-\udfff\ufffd]")
_DOT_SEGMENT: Final = re.compile(r"/\.{1,2}(?:/|$)")
_ESCAPED: Final = re.compile(r"%(?:25)*(?:2f|5c|0[0-9a-f]|1[0-9a-f]|7f)", re.IGNORECASE)
_DOT: Final = r"(?:\.|%(?:25)*2e)"
_ESCAPED_DOTS: Final = re.compile(rf"/{_DOT}{{1,2}}(?:/|$)", re.IGNORECASE)


def why_bad(path: str, raw_path: bytes | None = None) -> BadPathReason | None:
    """Say why a path is refused, ``None`` when it has one reading.

    Args:
        path: what the router will see, decoded once.
        raw_path: what was sent, where the server says so. Without it an escaped slash cannot be told from a slash;
            the router cannot tell either, so that both read the same path.
    """
    if not path.startswith("/"):
        return "no_path"
    if len(path) > LONGEST:
        return "too_long"
    if _CONTROL.search(path):
        return "control_character"
    if not path.isascii() and _BROKEN.search(path):
        return "not_utf8"
    if "\\" in path:
        return "backslash"
    if "//" in path:
        return "double_slash"
    if _DOT_SEGMENT.search(path):
        return "dot_segment"
    if "%" in path and _hides(path):
        return "escaped"
    if raw_path is not None and b"%" in raw_path and _hides(raw_path.partition(b"?")[0].decode("latin-1")):
        return "escaped"
    return None


def _hides(path: str) -> bool:
    """Whether decoding once or oftener brings to light what separates or steers."""
    return _ESCAPED.search(path) is not None or _ESCAPED_DOTS.search(path) is not None
