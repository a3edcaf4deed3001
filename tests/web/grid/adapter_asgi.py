"""Plain ASGI: a hand-written application."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from coatcheck.web.asgi import SessionMiddleware, session_in
from tests.web.grid.deeds import DEEDS, Abort, Call, Json, Pieces, Redirect
from tests.web.grid.replies import body_of, pieces_of
from tests.web.grid.site import OurSite

name, blocks, wsgi = "ASGI", False, False


def build(site: OurSite, options: Mapping[str, Any]) -> Any:
    """Return the application."""

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        methods, deed = DEEDS[scope["path"]]
        if scope["method"] not in (*methods, "HEAD"):
            await _answer(send, Json("method", 405), scope["method"])
            return
        query = dict(parse_qsl(scope["query_string"].decode()))
        reply = await deed(Call(session_in(scope), query, site))
        await _answer(send, reply, scope["method"])

    return SessionMiddleware(app, sessions=site.manager, **options)


async def _answer(send: Any, reply: Any, method: str) -> None:
    if isinstance(reply, Abort):
        reply = Json("conflict", reply.status)
    if isinstance(reply, Redirect):
        reply = Json("", 303, [("location", reply.to)])
    headers = [(name.encode(), value.encode()) for name, value in getattr(reply, "headers", ())]
    status = reply.status if isinstance(reply, Json) else 200
    await send({"type": "http.response.start", "status": status, "headers": headers})
    if isinstance(reply, Pieces):
        async for piece in pieces_of(reply):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body_of(reply)})
