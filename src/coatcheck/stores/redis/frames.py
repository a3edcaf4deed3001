"""The pieces of a session's string: parts with two bytes of length, and the application's keys in frames."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

_SIZES: Final = struct.Struct(">HBH")
"""Bytes of the key in two bytes, bytes of the value in three."""
_LEAST_PARTS: Final = 6


class Damage(Exception):
    """A string cannot be read. Says which field and what is wrong with it, never what it holds."""


def parts_of(raw: bytes, at: int) -> tuple[list[bytes], int]:
    """Return the parts that begin at *at*, and where they stop."""
    if at >= len(raw) or raw[at] < _LEAST_PARTS:
        raise Damage("parts are missing")
    parts: list[bytes] = []
    count, at = raw[at], at + 1
    try:
        for _ in range(count):
            start = at + 2
            at = start + (raw[at] << 8 | raw[at + 1])
            parts.append(raw[start:at])
    except IndexError:
        raise Damage("parts are cut off") from None
    if at > len(raw):
        raise Damage("parts are cut off")
    return parts, at


def frame(data: Mapping[str, bytes]) -> bytes:
    """Return the application's keys in one piece.

    Raises:
        ValueError: a key has 64 KiB or more, or a value 16 MiB or more.
    """
    pieces: list[bytes] = []
    try:
        for key, value in data.items():
            name = key.encode()
            pieces += (_SIZES.pack(len(name), len(value) >> 16, len(value) & 0xFFFF), name, value)
    except struct.error:
        raise ValueError("data is too large for this store") from None
    return b"".join(pieces)


def unframe(raw: bytes, at: int) -> dict[str, bytes]:
    """Return the application's keys, which begin at *at* and end with the string.

    Raises:
        Damage: the frames do not end with the string.
        UnicodeDecodeError: a key is no text.
    """
    data: dict[str, bytes] = {}
    end = len(raw)
    while at < end:
        start = at + _SIZES.size
        if start > end:
            raise Damage("data is cut off")
        key_size, high, low = _SIZES.unpack_from(raw, at)
        middle = start + key_size
        at = middle + (high << 16 | low)
        if at > end:
            raise Damage("data is cut off")
        key = str(raw[start:middle], "utf-8")
        if key in data:
            raise Damage("data names a key twice")
        data[key] = raw[middle:at]
    return data
