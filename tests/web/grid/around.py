"""Something that stands around an ASGI application, sees whole requests and answers, and changes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.web.scenarios import Faults

Headers = list[tuple[bytes, bytes]]


@dataclass
class Said:
    """One request, and what has been said to it so far."""

    method: str
    path: str
    query: bytes
    asked: Headers
    content: bytes = b""
    status: int = 0
    headers: Headers = field(default_factory=list[tuple[bytes, bytes]])

    def header(self, name: bytes) -> bytes:
        """Return a header of the request."""
        return next((value for known, value in self.asked if known == name), b"")

    @property
    def ticket(self) -> bytes:
        """The session cookie of the request, on local http."""
        parts = self.header(b"cookie").split(b"; ")
        return next((part[8:] for part in parts if part.startswith(b"session=")), b"")


class Around:
    """See the module's text; each defect overrides what it changes."""

    caches = False
    faults: Faults

    def asked(self, said: Said) -> Headers:
        """Return the headers that the application sees."""
        return said.asked

    def refuses(self, said: Said) -> int | None:
        """Return the status of an answer that the application does not give."""
        return None

    def status(self, said: Said) -> int:
        """Return the answer's status."""
        return said.status

    def answer(self, said: Said) -> Headers:
        """Return the answer's headers."""
        return said.headers

    def body(self, said: Said, content: bytes) -> bytes:
        """Return a piece of the answer."""
        return content

    def around(self, app: Any, faults: Faults) -> Any:
        """Stand around *app*."""
        self.faults = faults
        kept: dict[str, list[Any]] = {}

        async def served(scope: Any, receive: Any, send: Any) -> None:
            first = await receive()
            said = Said(scope["method"], scope["path"], scope["query_string"], list(scope["headers"]), first["body"])
            if (status := self.refuses(said)) is not None:
                await _refuse(send, status)
                return
            if self.caches and said.method == "GET" and said.path in kept:
                for message in kept[said.path]:
                    await send(message)
                return
            scope = {**scope, "headers": self.asked(said)}
            await app(scope, _again(first, receive), self._changing(said, send, kept))

        return served

    def _changing(self, said: Said, send: Any, kept: dict[str, list[Any]]) -> Any:
        async def forward(message: Any) -> None:
            if message["type"] == "http.response.start":
                said.status, said.headers = message["status"], list(message["headers"])
                kept[said.path] = []
                message = {**message, "headers": self.answer(said), "status": self.status(said)}
            else:
                message = {**message, "body": self.body(said, message.get("body", b""))}
            if said.path in kept:
                kept[said.path].append(message)
            await send(message)

        return forward


def _again(first: Any, receive: Any) -> Any:
    """Give the body that was read, then what comes after it."""
    messages = [first]

    async def read() -> Any:
        return messages.pop() if messages else await receive()

    return read


async def _refuse(send: Any, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})
