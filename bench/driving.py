"""Calling an ASGI application in process, one request or many in flight, without a server or a client library."""

from __future__ import annotations

import asyncio
import time
from typing import Any

_SCOPE: dict[str, Any] = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.4"},
    "http_version": "1.1",
    "root_path": "",
    "scheme": "http",
    "query_string": b"",
    "client": ("127.0.0.1", 50000),
    "server": ("localhost", 8000),
}
_AGENT = b"Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"


class Visitor:
    """One browser: it keeps the session cookie of the last answer that set one."""

    def __init__(self, app: Any) -> None:
        """Begin without a cookie."""
        self._app = app
        self.cookie: bytes | None = None

    async def request(self, method: str, path: str, *, with_cookie: bool = True) -> int:
        """Send one request and return its status."""
        headers = [(b"host", b"localhost:8000"), (b"user-agent", _AGENT), (b"accept", b"*/*")]
        if method == "POST":
            headers += [(b"origin", b"http://localhost:8000"), (b"sec-fetch-site", b"same-origin")]
        if with_cookie and self.cookie is not None:
            headers.append((b"cookie", self.cookie))
        status = 0

        async def send(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                for name, value in message["headers"]:
                    if name == b"set-cookie" and with_cookie:
                        self.cookie = value.partition(b";")[0]

        scope = {**_SCOPE, "method": method, "path": path, "raw_path": path.encode(), "headers": headers}
        await self._app(scope, _receive, send)
        return status


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def timed(app: Any, action: str, *, in_flight: int, requests: int) -> float:
    """Return the seconds that one request takes on average, *in_flight* visitors at a time."""
    visitors = [Visitor(app) for _ in range(in_flight)]
    for visitor in visitors:
        await visitor.request("POST", "/login")
    method, path, with_cookie = ACTIONS[action]

    async def visit(visitor: Visitor) -> None:
        for _ in range(requests // in_flight):
            status = await visitor.request(method, path, with_cookie=with_cookie)
            if status != 200:
                raise RuntimeError(f"{path} answered {status}")

    start = time.perf_counter()
    if in_flight == 1:
        await visit(visitors[0])
    else:
        await asyncio.gather(*map(visit, visitors))
    return (time.perf_counter() - start) / (requests // in_flight * in_flight)


ACTIONS = {
    "read": ("GET", "/read", True),
    "change one key": ("POST", "/change", True),
    "sign in": ("POST", "/login", False),
}
