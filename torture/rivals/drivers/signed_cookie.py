"""Starlette's own SessionMiddleware: the data itself in a signed cookie, nothing on the server."""

from __future__ import annotations

from starlette.middleware.sessions import SessionMiddleware

from torture.rivals.calling import AsgiCaller
from torture.rivals.drivers.starlette_site import Site, application


def build(_variant: str, _url: str) -> AsgiCaller:
    """Build it; the key is fixed, because both processes need the same."""
    app = application(Site())
    app.add_middleware(SessionMiddleware, secret_key="a key for the torture alone", https_only=True)  # noqa: S106 - made up
    return AsgiCaller(app)
