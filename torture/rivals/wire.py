"""What passes between the torture and the workers that hold the applications: one frame a message, over a pipe."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec


class Ask(msgspec.Struct, array_like=True):
    """One request: `cookie` is the whole Cookie header, or empty."""

    number: int
    method: str
    path: str
    cookie: str


class Answer(msgspec.Struct, array_like=True):
    """One response: `cookies` are its Set-Cookie headers."""

    number: int
    status: int
    cookies: list[str]
    body: bytes


class Ready(msgspec.Struct, array_like=True):
    """What a worker says first: the versions it runs, or why it cannot."""

    versions: dict[str, str]
    problem: str = ""


class Body(msgspec.Struct):
    """What every site answers, as JSON: whom the request belongs to, and its session's data.

    `checked` is when the site had checked the password, in nanoseconds of the machine's monotonic clock; 0 otherwise.
    """

    user: str | None = None
    data: dict[str, int] = {}
    checked: int = 0


_LENGTH: Final = 4
_encode: Final = msgspec.msgpack.Encoder().encode


def frame(message: msgspec.Struct) -> bytes:
    """Return a message with its length before it."""
    packed = _encode(message)
    return len(packed).to_bytes(_LENGTH, "big") + packed


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """Return the next message's bytes, or None at the end."""
    try:
        length = int.from_bytes(await reader.readexactly(_LENGTH), "big")
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError:
        return None
