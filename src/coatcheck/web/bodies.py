"""Reading a small request body before the handler does, and leaving it to be read again.

Only a form that carries a token needs it; anything larger than `LARGEST` is left to stream.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from io import BytesIO
from typing import Any, Final

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

LARGEST: Final = 64 * 1024
"""Bytes of a body that is read ahead at most."""


class AsgiBody:
    """The body of an ASGI request. Hand `receive` to the application: it replays what `read` has taken."""

    __slots__ = ("_receive", "_taken")

    def __init__(self, receive: Receive) -> None:
        """Take nothing yet."""
        self._receive = receive
        self._taken: list[Message] = []

    async def read(self) -> bytes | None:
        """Return the whole body; ``None`` when it is larger than `LARGEST` or the client left."""
        size = sum(len(message.get("body", b"")) for message in self._taken)
        while size <= LARGEST:
            if self._taken and not _goes_on(self._taken[-1]):
                break
            message = await self._receive()
            self._taken.append(message)
            size += len(message.get("body", b""))
        whole = self._taken[-1]["type"] == "http.request" and not _goes_on(self._taken[-1]) and size <= LARGEST
        return b"".join(message.get("body", b"") for message in self._taken) if whole else None

    async def receive(self) -> Message:
        """Return the next message, first those that were taken."""
        return self._taken.pop(0) if self._taken else await self._receive()


def _goes_on(message: Message) -> bool:
    return message["type"] == "http.request" and bool(message.get("more_body", False))


async def read_wsgi(environ: MutableMapping[str, Any]) -> bytes | None:
    """Return the whole body of a WSGI request; ``None`` when it is larger than `LARGEST` or says no length."""
    length = environ.get("CONTENT_LENGTH") or ("chunked" if environ.get("HTTP_TRANSFER_ENCODING") else "0")
    if not (isinstance(length, str) and length.isascii() and length.isdigit() and int(length) <= LARGEST):
        return None
    body: bytes = environ["wsgi.input"].read(int(length)) if int(length) else b""
    environ["wsgi.input"] = BytesIO(body)
    return body
