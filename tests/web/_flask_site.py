"""A Flask application that the tests talk to, and the browsers they talk with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from coatcheck import Policy, Sessions
from coatcheck.testing import CapturedEvents, FrozenClock
from coatcheck.web.flask import Coatcheck
from tests.web._wsgi import Counting

View = Callable[..., Any]


class World:
    """One application with its manager, clock, events and a store that counts."""

    def __init__(
        self, *views: View, policy: Policy | None = None, config: dict[str, Any] | None = None, **options: Any
    ) -> None:
        """Build the application; each of *views* is found under its own name, *options* are the extension's."""
        self.clock, self.events, self.store = FrozenClock(), CapturedEvents(), Counting()
        self.sessions = Sessions(self.store, policy=policy, clock=self.clock, listeners=[self.events])
        self.app = Flask(__name__)
        self.app.config.update(config or {})
        self.options = options
        self.before()
        Coatcheck(self.app, sessions=self.sessions, **options)
        for view in (*views, *VIEWS):
            self.app.add_url_rule(f"/{view.__name__}", view_func=view, methods=["GET", "POST"])

    def before(self) -> None:
        """Do what comes before the extension is installed."""

    def browser(self) -> FlaskClient:
        """Open a browser with a cookie jar of its own."""
        return self.app.test_client()


def read() -> Any:
    """Answer with all that the session holds."""
    return dict(flask.session)


def put() -> Any:
    """Set the keys in the query."""
    flask.session.update(flask.request.args)
    return "set"


def plain() -> Any:
    """Answer without looking at the session."""
    return "plain"


VIEWS: tuple[View, ...] = (read, put, plain)


def cookies_of(answer: TestResponse) -> list[str]:
    """Return the Set-Cookie headers of the session."""
    return [each for each in answer.headers.getlist("set-cookie") if each.startswith("session=")]


def token_of(client: FlaskClient) -> str:
    """Return the browser's session cookie."""
    cookie = client.get_cookie("session")
    return "" if cookie is None else cookie.value
