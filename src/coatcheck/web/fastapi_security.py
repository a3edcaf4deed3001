"""The session's cookie in FastAPI's OpenAPI document: dependencies that are security schemes (``apiKey`` in a cookie).

A dependency that is a FastAPI ``SecurityBase`` is listed with each operation that asks for it, and its scheme once for
the document. The cookie has the name that the application's middleware was given, so the name is looked up when the
document is made, in the request that asks for it.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any, Final

from fastapi.openapi.models import APIKey
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from coatcheck.session import AsyncSession
from coatcheck.user import User
from coatcheck.web import asgi
from coatcheck.web.settings import Options

SCHEME: Final = "session"
"""The scheme's name among the document's ``securitySchemes``."""

_DESCRIPTION: Final = (
    "The session's cookie, which signing in sets and browsers send by themselves. On plain-http local hosts its name "
    "is without its prefix."
)
_cookie_name: Final = ContextVar("coatcheck_cookie_name", default=Options().cookie_name)


class SessionMiddleware(asgi.SessionMiddleware):
    """Give every request its session, as `coatcheck.web.asgi.SessionMiddleware` does, and the document its cookie."""

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Serve one connection."""
        _cookie_name.set(self.settings.options.cookie_name)
        await super().__call__(scope, receive, send)


class _InCookie(SecurityBase):
    """A dependency that is listed with the operations that ask for it."""

    scheme_name = SCHEME

    @property
    def model(self) -> APIKey:  # type: ignore[override]  # the same to whoever reads it
        """What the document says of the cookie."""
        fields: MutableMapping[str, Any] = {"in": "cookie", "name": _cookie_name.get(), "description": _DESCRIPTION}
        return APIKey.model_validate(fields)


class CurrentInCookie(_InCookie):
    """Gives the request's session, whoever's it is."""

    async def __call__(self, connection: HTTPConnection) -> AsyncSession:
        """Return the session."""
        return await asgi.loaded_session_in(connection.scope)


class SignedInByCookie(_InCookie):
    """Gives the signed-in user."""

    async def __call__(self, connection: HTTPConnection) -> User:
        """Return the user.

        Raises:
            SignInRequired: nobody is signed in.
        """
        return (await asgi.loaded_session_in(connection.scope)).user
