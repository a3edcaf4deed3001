"""The shop on Starlette's own SessionMiddleware: the session itself is in a signed cookie, the server keeps nothing."""

from __future__ import annotations

import secrets
from base64 import b64encode

from itsdangerous import TimestampSigner
from starlette.applications import Starlette
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp

from .shop import Shop


class SignedCookie(Shop):
    """Starlette's sessions with their default options, and a key that is new in every run."""

    key = "starlette"

    def around(self, app: Starlette) -> ASGIApp:
        """Put the middleware around it."""
        return SessionMiddleware(app, secret_key=secrets.token_urlsafe())

    async def sign_in(self, request: Request, user: str) -> None:
        """Sign in."""
        request.session["user"] = user

    def planted(self) -> str:
        """Return a cookie that is signed with another key."""
        return TimestampSigner(secrets.token_urlsafe()).sign(b64encode(b'{"user": null}')).decode()
