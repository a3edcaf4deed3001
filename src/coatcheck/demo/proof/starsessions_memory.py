"""The shop on starsessions, with its store in memory."""

from __future__ import annotations

import secrets

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.types import ASGIApp
from starsessions import InMemoryStore, SessionAutoloadMiddleware, SessionMiddleware, regenerate_session_id

from .shop import Shop


class Starsessions(Shop):
    """starsessions as its documentation shows it: autoload, two weeks of lifetime, a new id when somebody signs in."""

    key = "starsessions"

    def around(self, app: Starlette) -> ASGIApp:
        """Put both middlewares around it."""
        loading = SessionAutoloadMiddleware(app)
        return SessionMiddleware(
            loading, store=InMemoryStore(), cookie_https_only=False, cookie_path="/", lifetime=3600 * 24 * 14
        )

    async def sign_in(self, request: Request, user: str) -> None:
        """Sign in."""
        regenerate_session_id(request)
        request.session["user"] = user

    def planted(self) -> str:
        """Return an id as long as the library's own."""
        return secrets.token_hex(16)
