"""What the ASGI adapters share: a deed run with a session, and its reply in the words of Starlette or of plain ASGI."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus

from tests.web.grid.deeds import Json, Pieces


def body_of(reply: Json) -> bytes:
    """Return a reply's JSON."""
    return json.dumps(reply.value).encode()


async def pieces_of(reply: Pieces) -> AsyncIterator[bytes]:
    """Give the pieces, waiting at the gate after the first."""
    first, *rest = reply.pieces
    yield first
    await reply.gate.wait()
    for piece in rest:
        yield piece


def pieces_in_thread(reply: Pieces) -> Iterator[bytes]:
    """Give the pieces in a thread, waiting at the gate after the first."""
    from coatcheck.runtime import finish

    first, *rest = reply.pieces
    yield first
    finish(reply.gate.wait())
    yield from rest


def status_line(status: int) -> str:
    """Return a status as WSGI says it."""
    return f"{status} {HTTPStatus(status).phrase}"
