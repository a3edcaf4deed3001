"""Litestar's own server-side sessions, on its memory store."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from litestar import Litestar, Request
from litestar.middleware.session.server_side import ServerSideSessionConfig

from tests.web.grid.adapter_litestar import respond, routed
from tests.web.grid.deeds import DEEDS, Call, Deed
from tests.web.grid.rivals_facade import Facade, RivalSite, attempt

AnyRequest = Request[Any, Any, Any]


class LitestarServerSide(RivalSite):
    """Litestar's server-side sessions."""

    package, public_cookie = "litestar", "session"

    def __init__(self, *, secure: bool = False) -> None:
        """Build the application."""
        super().__init__(secure=secure)
        handlers = [routed(path, methods, self._handler(deed)) for path, (methods, deed) in DEEDS.items()]
        middleware = [ServerSideSessionConfig(secure=secure).middleware]
        self.app = Litestar(handlers, middleware=middleware, openapi_config=None, logging_config=None)

    def planted(self) -> str:
        """Return an id of its own shape that it never made."""
        return secrets.token_hex(32)

    def _handler(self, deed: Deed) -> Callable[..., Any]:
        async def handler(request: AnyRequest) -> Any:
            return respond(await attempt(deed, Call(_Cleared(request), dict(request.query_params), self)))

        return handler


class _Cleared(Facade):
    def __init__(self, request: AnyRequest) -> None:
        super().__init__(lambda: request.session)
        self._request = request

    def logout(self) -> Any:
        self._request.clear_session()
