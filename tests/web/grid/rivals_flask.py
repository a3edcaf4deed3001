"""Rivals on Flask: its own signed cookies, and Flask-Session, each as its documentation says to use it."""

from __future__ import annotations

import secrets
from typing import Any

from flask import Flask, current_app, session

from tests.web.grid.adapter_flask import add_routes
from tests.web.grid.rivals_facade import Facade, RivalSite, attempt


class FlaskCookies(RivalSite):
    """Flask's own sessions: everything in a signed cookie."""

    package, public_cookie = "Flask", "session"
    blocks = wsgi = True

    offers = frozenset({"plain_types"})

    def __init__(self, *, secure: bool = False) -> None:
        """Build the application."""
        super().__init__(secure=secure)
        self.app = Flask("grid")
        self.app.secret_key = "only for the grid"
        self.app.config["SESSION_COOKIE_SECURE"] = secure
        add_routes(self.app, self, lambda: Facade(lambda: session), attempt)

    def planted(self) -> str:
        """Return a cookie that another key signed."""
        return "eyJhIjoxfQ.aAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAA"


class FlaskSession(RivalSite):
    """Flask-Session on cachelib's memory."""

    package, public_cookie = "Flask-Session", "session"
    blocks = wsgi = True

    offers = frozenset({"server_side"})  # this store pickles whatever it is given

    def __init__(self, *, secure: bool = False) -> None:
        """Build the application."""
        from cachelib.simple import SimpleCache
        from flask_session import Session  # type: ignore[import-untyped]  # it has no types

        super().__init__(secure=secure)
        self.app = Flask("grid")
        self.app.config.update(SESSION_TYPE="cachelib", SESSION_CACHELIB=SimpleCache(), SESSION_COOKIE_SECURE=secure)
        Session(self.app)
        add_routes(self.app, self, lambda: _Regenerating(lambda: session), attempt)

    def planted(self) -> str:
        """Return an id of its own shape that it never made."""
        return secrets.token_urlsafe(32)


class _Regenerating(Facade):
    def renew(self) -> None:
        interface: Any = current_app.session_interface
        interface.regenerate(self.inner)

    def rotate(self) -> Any:
        self.renew()
