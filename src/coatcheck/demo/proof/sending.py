"""Requests over real sockets to the port that this server listens on, a connection for each."""

from __future__ import annotations

import asyncio
from typing import Final, TypeAlias

import h11

from .trial import RUN_HEADER, Answer, Send

Address: TypeAlias = tuple[str, int]

TROUBLE: Final = (OSError, h11.ProtocolError)
"""What is raised when the server does not answer; an `OSError` when it takes too long, too."""


def sender(address: Address, prefix: str, run: str) -> Send:
    """Return what sends requests to the shop below *prefix*. They say ``localhost``, as a browser here would."""
    host = f"localhost:{address[1]}"
    common = [("host", host), ("origin", f"http://{host}"), ("accept", "application/json"), ("connection", "close")]
    common.append((RUN_HEADER, run))

    async def send(method: str, path: str, cookie: str | None) -> Answer:
        headers = [*common, ("cookie", cookie)] if cookie else common
        if method == "POST":
            headers = [*headers, ("content-length", "0")]
        return await _exchange(address, h11.Request(method=method, target=prefix + path, headers=headers))

    return send


async def _exchange(address: Address, request: h11.Request) -> Answer:
    reader, writer = await asyncio.open_connection(*address)
    try:
        wire = h11.Connection(our_role=h11.CLIENT)
        writer.write((wire.send(request) or b"") + (wire.send(h11.EndOfMessage()) or b""))
        return await _answer(reader, wire)
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader, wire: h11.Connection) -> Answer:
    head, body = None, b""
    while True:
        event = wire.next_event()
        if event is h11.NEED_DATA:
            wire.receive_data(await reader.read(65_536))
        elif isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif head is not None:
            cookies = tuple(value.decode("latin-1") for name, value in head.headers if name == b"set-cookie")
            return Answer(head.status_code, head.reason.decode("latin-1"), cookies, body)
        else:
            raise ConnectionError("the server closed the connection")
