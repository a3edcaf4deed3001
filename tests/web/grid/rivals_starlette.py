"""Rivals on Starlette: its own signed cookies, and starsessions, each as its documentation says to use it."""

from __future__ import annotations

import secrets
from typing import Any

from starlette.applications import Starlette
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request

from tests.web.grid.adapter_starlette import routes
from tests.web.grid.rivals_facade import Facade, RivalSite, attempt


class StarletteCookies(RivalSite):
    """Starlette's SessionMiddleware: everything in a signed cookie."""

    package, public_cookie = "starlette", "session"

    offers = frozenset({"plain_types"})

    def __init__(self, *, secure: bool = False) -> None:
        """Build the application."""
        super().__init__(secure=secure)
        self.app = Starlette(routes=routes(self, lambda request: Facade(lambda: request.session), attempt))
        self.app.add_middleware(SessionMiddleware, secret_key="only for the grid", https_only=secure)

    def planted(self) -> str:
        """Return a cookie that another key signed."""
        return "eyJhIjogMX0=.aAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAA"


class Starsessions(RivalSite):
    """starsessions on its memory store."""

    package, public_cookie = "starsessions", "session"

    def __init__(self, *, secure: bool = False) -> None:
        """Build the application."""
        from starsessions import InMemoryStore, SessionAutoloadMiddleware
        from starsessions import SessionMiddleware as Middleware

        super().__init__(secure=secure)
        self.app = Starlette(routes=routes(self, _Regenerating, attempt))
        self.app.add_middleware(SessionAutoloadMiddleware)
        self.app.add_middleware(Middleware, store=InMemoryStore(), cookie_https_only=secure, lifetime=3600)

    def planted(self) -> str:
        """Return an id of its own shape that it never made."""
        return secrets.token_hex(16)


class _Regenerating(Facade):
    def __init__(self, request: Request) -> None:
        super().__init__(lambda: request.session)
        self._request = request

    def renew(self) -> None:
        from starsessions import regenerate_session_id

        regenerate_session_id(self._request)

    def rotate(self) -> Any:
        self.renew()
