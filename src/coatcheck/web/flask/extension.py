"""The extension: ``Coatcheck(app, sessions=Sessions(...))``, or without the application and ``init_app`` later."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Unpack

from flask import Flask, Response, got_request_exception, has_request_context

from coatcheck.blocking import Sessions
from coatcheck.durations import Duration, to_millis
from coatcheck.errors import CoatcheckError, ConfigurationError
from coatcheck.runtime import finish
from coatcheck.web import settings as middleware_settings
from coatcheck.web.environ import Environ, texts
from coatcheck.web.flask import settings, templates
from coatcheck.web.flask.current import current
from coatcheck.web.flask.interface import Interface
from coatcheck.web.settings import SharedOptions
from coatcheck.web.wsgi import SessionMiddleware, StartResponse, checked_sessions

RolesOf = Callable[[Any], Sequence[str]]

_SAYS_WHOSE_PAGE: Final = ("HTTP_SEC_FETCH_SITE", "HTTP_ORIGIN", "HTTP_REFERER")
_log: Final = logging.getLogger("coatcheck")


class Coatcheck:
    """Make coatcheck's sessions those of a Flask application.

    It wraps ``app.wsgi_app``, so apply ``ProxyFix`` and the like afterwards, and answers coatcheck's errors.
    Flask-Login is found by itself, whichever of both is installed first.

    Args:
        app: the application; without it, call `init_app`.
        sessions: the manager. It may be built before the server forks.
        fresh_for: how long a remembered sign-in of Flask-Login counts as fresh after the user proved who they are.
        roles_of: is given the user object of Flask-Login's ``login_user`` and returns their roles; the policy's
            ``default_roles`` without it.
        options: those of `coatcheck.web.asgi.SessionMiddleware` but ``load``. What ``app.config`` says of the cookie
            counts where it is not said here.

    Raises:
        ConfigurationError: holds everything that is wrong with the options and the application's configuration.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        sessions: Sessions,
        fresh_for: Duration = "30m",
        roles_of: RolesOf | None = None,
        **options: Unpack[SharedOptions],
    ) -> None:
        """Check the options as far as they do not depend on an application; nothing is opened yet."""
        self.sessions = checked_sessions(sessions)
        self.fresh_for_ms = to_millis(fresh_for)
        self.roles_of = roles_of
        self._options = options
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Install on *app*, whose configuration must be complete.

        Raises:
            ConfigurationError: as when it is made.
        """
        options = settings.read(app, self._options, self.sessions.policy)
        middleware = _Middleware(app, sessions=self.sessions, **options)
        app.extensions["coatcheck"] = self
        app.wsgi_app = middleware  # type: ignore[method-assign]  # Flask's documentation says to wrap it so
        app.session_interface = Interface(middleware)
        app.context_processor(templates.context)
        app.register_error_handler(CoatcheckError, _answer)
        got_request_exception.connect(_drop_changes, app)


class _Middleware(SessionMiddleware):
    """The middleware around one Flask application."""

    def __init__(self, flask: Flask, *, sessions: Sessions, **options: Unpack[SharedOptions]) -> None:
        super().__init__(flask.wsgi_app, sessions=sessions, **options)
        self._flask = flask
        self._read = settings.snapshot(flask)
        self._looked = False

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if not self._looked:
            self._look_once()
        if self._in_a_test() and not any(environ.get(key) for key in _SAYS_WHOSE_PAGE):
            # Flask's test client names no origin, which no browser does today: it stands for the site's own page.
            environ["HTTP_SEC_FETCH_SITE"] = "same-origin"
        return super().__call__(environ, start_response)

    def lets_through(self, fault: Exception) -> bool:  # noqa: ARG002 - whatever it is
        """Whether the developer is to see what was raised: in tests, and in the debugger."""
        return self._flask.testing or self._flask.debug

    def _in_a_test(self) -> bool:
        return self._flask.testing or bool(middleware_settings.test_hosts)

    def _look_once(self) -> None:
        """Look whether the application was changed behind our back, before anybody relies on it.

        Raises:
            ConfigurationError: it was.
        """
        faults: list[str] = []
        if settings.snapshot(self._flask) != self._read:
            faults.append(
                "app.config was changed after Coatcheck had read it; call init_app(app) when the configuration is whole"
            )
        if not isinstance(self._flask.session_interface, Interface):
            faults.append(
                f"app.session_interface was replaced by a {type(self._flask.session_interface).__qualname__} after "
                "Coatcheck was installed; remove the extension that did, such as Flask-Session's Session(app)"
            )
        if faults:
            raise ConfigurationError(faults)
        self._looked = True


def _answer(error: CoatcheckError) -> Response:
    """Answer what a view raised. One's own handler of a class of error comes before this one."""
    from flask import current_app

    if error.status == 500:
        if current_app.testing or current_app.debug:
            raise error
        _log.error("a session was used wrongly", exc_info=error)
    made = finish(current().exchange.answer(error))
    return current_app.response_class(made.body, made.status, texts(made.headers))


def _drop_changes(_app: Flask, **_facts: object) -> None:
    """Drop what a request changed that failed. An ``HTTPException`` is an answer, and does not come here."""
    if has_request_context():
        current().exchange.drop()
