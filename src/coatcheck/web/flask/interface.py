"""Flask's way to a session: opened when a request's context is pushed, saved when its response is made.

Behind the extension's middleware there is nothing to load yet and nothing left to save: the middleware commits before
the answer's first byte. Where Flask opens a session without it (``test_request_context``, the test client's
``session_transaction``), the interface drives an exchange of its own, which no gate judges.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from flask import Flask, Request, Response
from flask.sessions import SessionInterface, SessionMixin
from werkzeug.datastructures import Headers

from coatcheck.errors import CoatcheckError
from coatcheck.runtime import finish
from coatcheck.web.environ import raw, scope_of, texts
from coatcheck.web.exchange import Exchange, load_into
from coatcheck.web.flask.session import FlaskSession
from coatcheck.web.request import Request as SessionRequest
from coatcheck.web.wsgi import EXCHANGE, SESSION, SessionMiddleware, core_of

if TYPE_CHECKING:
    from coatcheck.web.flask.login import Linked
    from coatcheck.web.flask.login_session import LoginSession


class Interface(SessionInterface):
    """See the module's text. ``linked`` is there once Flask-Login is."""

    def __init__(self, middleware: SessionMiddleware) -> None:
        """Open sessions with the middleware's manager and settings."""
        self._middleware: Final = middleware
        self.linked: Linked | None = None

    def open_session(self, app: Flask, request: Request) -> SessionMixin:
        """Return the request's session. Nothing is asked of the store until somebody looks."""
        exchange: Exchange | None = request.environ.get(EXCHANGE)
        alone = exchange is None
        session = self._made(exchange or self._own(request), app, request, alone=alone)
        if not alone:
            request.environ[SESSION] = session
        return session

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:  # noqa: ARG002 - Flask's
        """Commit, where no middleware will.

        Raises:
            CoatcheckError: of a session that is alone; behind the middleware it becomes the answer.
        """
        if not isinstance(session, FlaskSession):
            return
        if self.linked is not None:
            self._settle(self.linked, session, response)
        if session.alone:
            headers = finish(session.exchange.conclude(response.status_code, raw(response.headers)))
            response.headers = Headers(texts(headers))

    def _settle(self, linked: Linked, session: FlaskSession, response: Response) -> None:
        """Do what Flask-Login's users expect of the end of a request."""
        try:
            linked.settle(session, response)
        except CoatcheckError as error:
            if session.alone:
                raise
            become(response, session.exchange, error)

    def _made(self, exchange: Exchange, app: Flask, request: Request, *, alone: bool) -> FlaskSession | LoginSession:
        if self.linked is None:
            if not _has_flask_login(app):
                return FlaskSession(exchange, alone=alone)
            from coatcheck.web.flask.login import Linked

            self.linked = Linked(app)
        return self.linked.open(exchange, request, alone=alone)

    def _own(self, request: Request) -> Exchange:
        """Return an exchange for a request that comes from no server."""
        settings = self._middleware.settings
        asked = SessionRequest(scope_of(request.environ), settings)
        exchange = Exchange(core_of(self._middleware.sessions), settings, asked)
        exchange.state.browser = asked
        finish(load_into(exchange.state, asked, settings, lazy=True))
        return exchange


def _has_flask_login(app: Flask) -> bool:
    """Whether Flask-Login is installed on *app*; it is never imported to find out."""
    manager, package = getattr(app, "login_manager", None), sys.modules.get("flask_login")
    return manager is not None and package is not None and isinstance(manager, package.LoginManager)


def become(response: Response, exchange: Exchange, error: CoatcheckError) -> None:
    """Turn *response* into coatcheck's own answer to *error*."""
    made = finish(exchange.answer(error))
    response.status_code = made.status
    response.set_data(made.body)
    response.headers = Headers(texts(made.headers))
