"""Requests as a server hands them over, to an application whose every path can be asked for in every way."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from coatcheck import AsyncSessions
from coatcheck.testing import CapturedEvents, FrozenClock
from coatcheck.web.asgi import Receive, Scope, Send, SessionMiddleware
from coatcheck.web.starlette import session_of

OWN = "https://host.example"


class Got(NamedTuple):
    """An answer, and whether a handler made it."""

    status: int
    headers: list[tuple[str, str]]
    body: str
    reached: bool

    def header(self, name: str) -> str:
        """Return a header's value, nothing where it is absent."""
        return ", ".join(value for field, value in self.headers if field == name)

    def cookie(self, name: str) -> str | None:
        """Return what a cookie is set to, ``None`` where it is left alone."""
        found = [value for field, value in self.headers if field == "set-cookie" and value.startswith(f"{name}=")]
        return found[-1].partition("=")[2].partition(";")[0] if found else None


class Host:
    """One application on https, and what its browser holds."""

    def __init__(self, **options: Any) -> None:
        """Build it; *options* are the middleware's."""
        self.clock, self.events = FrozenClock(), CapturedEvents()
        self.sessions = AsyncSessions("memory://", clock=self.clock, listeners=[self.events])
        self.app = SessionMiddleware(self._serve, sessions=self.sessions, **options)
        self.reached = False
        self.act: Callable[[Request], Coroutine[Any, Any, Any]] = nothing

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached = True
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            return
        request = Request(scope, receive)
        made = await self.act(request)
        answer = made if isinstance(made, Response) else PlainTextResponse(str(made))
        await answer(scope, receive, send)

    async def signed_in(self, user_id: str = "ada") -> str:
        """Return the ticket of a new session."""
        session = await self.sessions.load(None)
        await session.login(user_id)
        return (await self.sessions.save(session)).token or ""

    async def ask(
        self,
        method: str = "POST",
        path: str = "/",
        *,
        cookies: dict[str, str] | None = None,
        form: dict[str, str] | None = None,
        body: bytes = b"",
        headers: list[tuple[bytes, bytes]] | None = None,
        socket: bool = False,
        **facts: Any,
    ) -> Got:
        """Send one request, in as many messages as the body has pieces of ten thousand bytes."""
        said = [(b"host", b"host.example"), *(headers or [])]
        if cookies:
            said.append((b"cookie", "; ".join(f"{name}={value}" for name, value in cookies.items()).encode()))
        if form is not None:
            body = urlencode(form).encode()
            said.append((b"content-type", b"application/x-www-form-urlencoded"))
        scope = {
            "type": "websocket" if socket else "http", "scheme": "wss" if socket else "https", "path": path,
            "raw_path": path.encode(), "query_string": b"", "root_path": "", "client": ("127.0.0.1", 1),
            "server": ("host.example", 443), "headers": said, "extensions": {"websocket.http.response": {}}, **facts,
        }  # fmt: skip
        if not socket:
            scope["method"] = method
        self.reached = False
        return await self._sent(scope, body)

    async def _sent(self, scope: dict[str, Any], body: bytes) -> Got:
        sent: list[Any] = []
        pieces = [body[at : at + 10_000] for at in range(0, len(body), 10_000)] or [b""]
        messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
        messages[-1]["more_body"] = False

        async def receive() -> Any:
            if scope["type"] == "websocket":
                return {"type": "websocket.connect"}
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        start = sent[0]
        headers = [(name.decode().lower(), value.decode()) for name, value in start.get("headers", ())]
        status = start.get("status", 101 if start["type"] == "websocket.accept" else 0)
        text = b"".join(message.get("body", b"") for message in sent[1:]).decode()
        return Got(status, headers, text, self.reached)


async def nothing(_request: Request) -> str:
    """Do nothing with the session."""
    return "done"


async def login(request: Request) -> str:
    """Sign somebody in."""
    await session_of(request).login("ada")
    return "in"


async def put(request: Request) -> str:
    """Store something."""
    session_of(request)["x"] = 1
    return "put"


async def form(request: Request) -> str:
    """Show a form's token."""
    return await session_of(request).csrf_token()
