"""Plain WSGI: a hand-written application."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from coatcheck.runtime import finish
from coatcheck.web.wsgi import SessionMiddleware, session_in
from tests.web.grid.deeds import DEEDS, Abort, Call, Json, Pieces, Redirect, Reply
from tests.web.grid.replies import body_of, pieces_in_thread, status_line
from tests.web.grid.site import OurSite

name, blocks, wsgi = "WSGI", True, True


def build(site: OurSite, options: Mapping[str, Any]) -> Any:
    """Return the application."""

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        methods, deed = DEEDS[environ["PATH_INFO"]]
        method = environ["REQUEST_METHOD"]
        if method not in (*methods, "HEAD"):
            return _answer(start_response, Json("method", 405), method)
        query = dict(parse_qsl(environ["QUERY_STRING"]))
        return _answer(start_response, finish(deed(Call(session_in(environ), query, site))), method)

    return SessionMiddleware(app, sessions=site.manager, **options)


def _answer(start_response: Any, reply: Reply, method: str) -> Iterable[bytes]:
    if isinstance(reply, Pieces):
        start_response("200 OK", [])
        return pieces_in_thread(reply)
    if isinstance(reply, Abort):
        reply = Json("conflict", reply.status)
    if isinstance(reply, Redirect):
        reply = Json("", 303, [("location", reply.to)])
    start_response(status_line(reply.status), reply.headers)
    return [] if method == "HEAD" else [body_of(reply)]
