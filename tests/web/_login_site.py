"""An application with Flask-Login, written as its users write one; nothing in its views knows of coatcheck."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import flask
import flask_login  # type: ignore[import-untyped]  # it has no types
from flask.testing import FlaskClient
from flask_login import (
    LoginManager,
    confirm_login,
    current_user,
    fresh_login_required,
    login_required,
    login_user,
    logout_user,
)

from tests.web import _flask_site


class Person(flask_login.UserMixin):  # type: ignore[misc]  # as above
    """A user of the application."""

    def __init__(self, name: str) -> None:
        """Be called *name*."""
        self.id = name
        self.team = "staff" if name == "ann" else "guests"


def login() -> Any:
    """Sign in the user in the query."""
    asked = flask.request.args
    more: dict[str, Any] = {}
    if "days" in asked:
        more["duration"] = timedelta(days=int(asked["days"]))
    login_user(Person(asked["user"]), remember="remember" in asked, fresh="stale" not in asked, **more)
    return "in"


def logout() -> Any:
    """Sign out."""
    logout_user()
    return "out"


def confirm() -> Any:
    """Confirm the sign-in."""
    confirm_login()
    return "confirmed"


def who() -> Any:
    """Say who it is, to everybody."""
    return current_user.id if current_user.is_authenticated else "nobody"


@login_required  # type: ignore[untyped-decorator]  # as above
def secret() -> Any:
    """Answer a signed-in user."""
    return f"for {current_user.id}"


@fresh_login_required  # type: ignore[untyped-decorator]  # as above
def vault() -> Any:
    """Answer a user who has just signed in."""
    return f"for {current_user.id}"


class World(_flask_site.World):
    """The application; ``first`` installs LoginManager before coatcheck, else after."""

    def __init__(self, *views: Any, first: bool = True, protection: str | None = "basic", **options: Any) -> None:
        """Build it."""
        self._first = first
        self.manager = LoginManager()
        self.manager.session_protection = protection
        self.manager.user_loader(lambda name: Person(name) if name in ("ann", "bob", "1") else None)
        super().__init__(login, logout, confirm, who, secret, vault, *views, **options)
        if not first:
            self.manager.init_app(self.app)

    def before(self) -> None:
        """Install Flask-Login."""
        if self._first:
            self.manager.init_app(self.app)


def holder_of(world: World, token: str) -> FlaskClient:
    """Open a browser that holds a ticket."""
    client = world.browser()
    client.set_cookie("session", token)
    return client
