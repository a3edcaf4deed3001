"""Calling an application in this process: ASGI on the event loop, WSGI on threads. No sockets, the real middleware."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from torture.rivals.wire import Answer, Ask

Message = dict[str, Any]
AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]
WsgiApp = Callable[..., Iterable[bytes]]

HOST = "app.example"

_log = logging.getLogger(__name__)


class AsgiCaller:
    """Calls an ASGI application, as https, and runs its lifespan around it."""

    def __init__(self, app: AsgiApp) -> None:
        """Take the application."""
        self._app = app
        self._state: dict[str, Any] = {}
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        self._lifespan: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start the application's lifespan.

        Raises:
            RuntimeError: the application would not start.
        """
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self._state}
        self._lifespan = asyncio.ensure_future(self._app(scope, self._events.get, self._answers.put))
        await self._tell("lifespan.startup")

    async def close(self) -> None:
        """End the lifespan."""
        if self._lifespan is not None:
            await self._tell("lifespan.shutdown")
            await self._lifespan

    async def _tell(self, event: str) -> None:
        self._events.put_nowait({"type": event})
        answer = await asyncio.wait_for(self._answers.get(), 20)
        if answer["type"] != f"{event}.complete":
            raise RuntimeError(f"{event}: {answer.get('message')}")

    async def __call__(self, ask: Ask) -> Answer:
        """Make one request; an exception that leaves the application is a 500, as a server makes of it."""
        answer = Answer(ask.number, 500, [], b"")
        sent = False

        async def receive() -> Message:
            nonlocal sent
            if sent:
                await asyncio.Event().wait()  # a client that stays until it is answered
            sent = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.cookies = [
                    v.decode("latin-1") for k, v in message.get("headers", []) if k.lower() == b"set-cookie"
                ]
            else:
                answer.body += message.get("body", b"")

        try:
            await self._app(self._scope(ask), receive, send)
        except Exception:  # noqa: BLE001 - a server catches whatever an application raises
            _log.exception("%s %s", ask.method, ask.path)
        return answer

    def _scope(self, ask: Ask) -> dict[str, Any]:
        path, _, query = ask.path.partition("?")
        headers = [(b"host", HOST.encode()), (b"user-agent", b"torture"), (b"origin", f"https://{HOST}".encode())]
        if ask.cookie:
            headers.append((b"cookie", ask.cookie.encode("latin-1")))
        return {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": ask.method, "scheme": "https",
            "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 50000), "server": (HOST, 443), "state": dict(self._state),
        }  # fmt: skip


class WsgiCaller:
    """Calls a WSGI application, as https, each request on a thread of a pool."""

    def __init__(self, app: WsgiApp, *, threads: int = 16) -> None:
        """Take the application."""
        self._app = app
        self._pool = ThreadPoolExecutor(threads)

    async def open(self) -> None:
        """Nothing to start: WSGI has no lifespan."""

    async def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown(cancel_futures=True)

    async def __call__(self, ask: Ask) -> Answer:
        """Make one request on a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._call, ask)

    def _call(self, ask: Ask) -> Answer:
        answer = Answer(ask.number, 500, [], b"")

        def start_response(status: str, headers: list[tuple[str, str]], _exc: object = None) -> Callable[[bytes], None]:
            answer.status = int(status.split(maxsplit=1)[0])
            answer.cookies = [value for name, value in headers if name.lower() == "set-cookie"]
            return lambda _data: None

        try:
            body = self._app(self._environ(ask), start_response)
            answer.body = b"".join(body)
            close = getattr(body, "close", None)
            if close is not None:
                close()
        except Exception:  # noqa: BLE001 - a server catches whatever an application raises
            _log.exception("%s %s", ask.method, ask.path)
        return answer

    @staticmethod
    def _environ(ask: Ask) -> dict[str, Any]:
        path, _, query = ask.path.partition("?")
        environ = {
            "REQUEST_METHOD": ask.method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": query,
            "SERVER_NAME": HOST, "SERVER_PORT": "443", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": HOST,
            "HTTP_USER_AGENT": "torture", "CONTENT_LENGTH": "0", "REMOTE_ADDR": "127.0.0.1", "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https", "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True, "wsgi.multiprocess": True, "wsgi.run_once": False,
        }  # fmt: skip
        return {**environ, "HTTP_COOKIE": ask.cookie} if ask.cookie else environ
