"""FastAPI: the session and the user are dependencies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI, HTTPException, Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from coatcheck.web.fastapi import CurrentSession, SessionMiddleware, SignedIn
from tests.web.grid.adapter_starlette import respond
from tests.web.grid.deeds import DEEDS, Abort, Call, Deed
from tests.web.grid.site import OurSite

name, blocks, wsgi = "FastAPI", False, False


def build(site: OurSite, options: Mapping[str, Any]) -> Any:
    """Return the application. Its routes are made once: FastAPI takes a millisecond for each."""
    app = FastAPI(openapi_url=None)
    app.router.routes.extend(_routes())
    app.state.stage = site
    app.add_middleware(SessionMiddleware, sessions=site.manager, **options)
    return app


@cache
def _routes() -> list[BaseRoute]:
    router = APIRouter()
    router.add_api_route("/me", _me, methods=["GET", "POST"])
    for path, (methods, deed) in DEEDS.items():
        if path != "/me":
            router.add_api_route(path, _endpoint(deed), methods=list(methods) + ["HEAD"] * ("GET" in methods))
    return router.routes


def _endpoint(deed: Deed) -> Callable[..., Any]:
    async def endpoint(request: Request, session: CurrentSession) -> Response:
        reply = await deed(Call(session, dict(request.query_params), request.app.state.stage))
        if isinstance(reply, Abort):
            raise HTTPException(reply.status)
        return respond(reply)

    return endpoint


async def _me(user: SignedIn) -> dict[str, Any]:
    return {"id": user.id, "roles": list(user.roles)}
