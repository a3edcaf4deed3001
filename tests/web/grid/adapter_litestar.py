"""Litestar: the plugin's dependencies, Litestar's exceptions and responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from litestar import Litestar, Request, Response, route
from litestar.exceptions import HTTPException
from litestar.response import Redirect as LitestarRedirect
from litestar.response import Stream

from coatcheck.web.litestar import CoatcheckPlugin, CurrentSession, SignedIn
from tests.web.grid.deeds import DEEDS, Abort, Call, Deed, Pieces, Redirect, Reply
from tests.web.grid.replies import body_of, pieces_of
from tests.web.grid.site import OurSite

name, blocks, wsgi = "Litestar", False, False

AnyRequest = Request[Any, Any, Any]
AnyResponse = Response[Any]


class _Now:
    """The site whose turn it is. One application serves all of them: Litestar takes 150 ms to build one."""

    site: OurSite
    middleware: Any

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a connection by this site's middleware."""
        await self.middleware(scope, receive, send)


_now = _Now()


def build(site: OurSite, options: Mapping[str, Any]) -> Any:
    """Return the application, whose plugin is this site's."""
    plugin = CoatcheckPlugin(site.manager, **options)
    _now.site, _now.middleware = site, plugin._served
    return _application()


@cache
def _application() -> Litestar:
    plugin = CoatcheckPlugin(_now.site.manager)
    plugin._served = _now  # type: ignore[assignment]  # it stands for every site's
    handlers = [_handler(path, methods, deed) for path, (methods, deed) in DEEDS.items() if path != "/me"]
    return Litestar([*handlers, me], plugins=[plugin], openapi_config=None, logging_config=None)


@route("/me", http_method=["GET", "POST"])
async def me(user: SignedIn) -> AnyResponse:
    """Show the signed-in user."""
    return Response({"id": user.id, "roles": list(user.roles)}, status_code=200)


def _handler(path: str, methods: tuple[str, ...], deed: Deed) -> Any:
    async def handler(request: AnyRequest, session: CurrentSession) -> AnyResponse:
        return respond(await deed(Call(session, dict(request.query_params), _now.site)))

    return routed(path, methods, handler)


def routed(path: str, methods: tuple[str, ...], handler: Callable[..., Any]) -> Any:
    """Make a function a handler of its own."""
    handler.__name__ = path.strip("/")
    return route(path, http_method=[*methods, *(["HEAD"] if "GET" in methods else [])])(handler)  # type: ignore[list-item]


def respond(reply: Reply) -> AnyResponse:
    """Say a reply in Litestar's words."""
    if isinstance(reply, Abort):
        raise HTTPException(status_code=reply.status)
    if isinstance(reply, Redirect):
        return LitestarRedirect(reply.to, status_code=303)
    if isinstance(reply, Pieces):
        return Stream(pieces_of(reply))
    headers = {name: value for name, value in reply.headers if name != "set-cookie"}
    response: AnyResponse = Response(
        body_of(reply), status_code=reply.status, headers=headers, media_type="application/json"
    )
    for header, value in reply.headers:
        if header == "set-cookie":
            response.set_cookie(value.partition("=")[0], value.partition("=")[2].partition(";")[0])
    return response
