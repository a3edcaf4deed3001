"""Starlette: ``session_of(request)``, HTTPException, streaming responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from coatcheck.web.starlette import SessionMiddleware, session_of
from tests.web.grid.deeds import DEEDS, Abort, Backstage, Call, Deed, Do, Pieces, Redirect, Reply, simply
from tests.web.grid.replies import body_of, pieces_of
from tests.web.grid.site import OurSite

name, blocks, wsgi = "Starlette", False, False


def build(site: OurSite, options: Mapping[str, Any]) -> Any:
    """Return the application."""
    app = Starlette(routes=routes(site, session_of))
    app.add_middleware(SessionMiddleware, sessions=site.manager, **options)
    return app


def routes(stage: Backstage, session: Callable[[Request], Any], do: Do = simply) -> list[Route]:
    """Return the routes; *session* gives the session of a request."""

    def endpoint(deed: Deed) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            return respond(await do(deed, Call(session(request), dict(request.query_params), stage)))

        return answer

    return [Route(path, endpoint(deed), methods=list(methods)) for path, (methods, deed) in DEEDS.items()]


def respond(reply: Reply) -> Response:
    """Say a reply in Starlette's words."""
    if isinstance(reply, Abort):
        raise HTTPException(reply.status)
    if isinstance(reply, Redirect):
        return RedirectResponse(reply.to, 303)
    if isinstance(reply, Pieces):
        return StreamingResponse(pieces_of(reply))
    response = Response(body_of(reply), reply.status, media_type="application/json")
    for header, value in reply.headers:
        response.headers.append(header, value)
    return response
