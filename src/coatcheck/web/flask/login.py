"""Flask-Login on coatcheck's sessions, through its signals.

Signing in gives a new id and secret and makes the session the user's; signing out ends it; confirming a sign-in is a
step-up, with a new secret; strong session protection ends what it no longer trusts. Its remember cookie is switched
off: ``login_user(remember=True)`` makes a session of the policy's lifetime ``remember_me``, and a cookie that is still
out there is ignored and deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any, Final, cast

from flask import Flask, Request, Response
from werkzeug.datastructures import Headers, ImmutableMultiDict

from coatcheck.durations import to_millis
from coatcheck.errors import CoatcheckError, ConfigurationError
from coatcheck.web.caching import add_vary_cookie, forbid_storing
from coatcheck.web.environ import raw, texts
from coatcheck.web.exchange import Exchange
from coatcheck.web.flask.current import current
from coatcheck.web.flask.login_session import BROWSER, FRESH, USER, LoginSession
from coatcheck.web.flask.session import FlaskSession

_REMEMBER: Final = "_remember"
_SECONDS: Final = "_remember_seconds"


class Linked:
    """See the module's text. One for each application."""

    def __init__(self, app: Flask) -> None:
        """Listen to the application's Flask-Login."""
        extension = app.extensions["coatcheck"]
        self._fresh_for: Final = extension.fresh_for_ms
        self._roles_of: Final = extension.roles_of
        self._policy: Final = extension.sessions.policy
        self._config: Final[Mapping[str, Any]] = app.config
        self._manager: Final[Any] = cast("Any", app).login_manager
        # It would write the remember cookie, and look at the session in every request, also in those that do not.
        with suppress(ValueError):
            app.after_request_funcs.get(None, []).remove(self._manager._update_remember_cookie)  # noqa: SLF001 - see above
        signals: Any = import_module("flask_login.signals")  # untyped
        signals.user_logged_in.connect(self._signed_in, app)
        signals.user_logged_out.connect(self._signed_out, app)
        signals.user_login_confirmed.connect(self._confirmed, app)
        signals.session_protected.connect(self._protected, app)

    def open(self, exchange: Exchange, request: Request, *, alone: bool) -> LoginSession:
        """Return the request's session, and hide an old remember cookie from Flask-Login."""
        name = self._cookie_name
        legacy = name in request.environ.get("HTTP_COOKIE", "") and name in request.cookies
        if legacy:
            kept = [(key, value) for key, value in request.cookies.items(multi=True) if key != name]
            cast("Any", request).cookies = ImmutableMultiDict(kept)  # a cached property, which may be assigned
        return LoginSession(exchange, alone=alone, fresh_for=self._fresh_for, legacy=legacy)

    def settle(self, session: FlaskSession, response: Response) -> None:
        """End a request: sign in or out who was written or removed by hand, and delete an old remember cookie.

        Raises:
            StaleLogin, SessionLimitReached, StoreUnavailable: as ``session.login``.
        """
        if not isinstance(session, LoginSession):
            return
        if session.left:
            session.leave()
        if session.by_hand and (user_id := session.get(USER)) is not None:
            self._enter(session, str(user_id), remember=None)
        if session.legacy:
            response.delete_cookie(
                self._cookie_name,
                path=self._config.get("REMEMBER_COOKIE_PATH", "/"),
                domain=self._config.get("REMEMBER_COOKIE_DOMAIN"),
            )
            response.headers = Headers(texts(add_vary_cookie(forbid_storing(raw(response.headers)))))

    @property
    def _cookie_name(self) -> str:
        name: str = self._config.get("REMEMBER_COOKIE_NAME", "remember_token")
        return name

    def _signed_in(self, _app: Flask, user: Any, **_facts: object) -> None:
        session = self._session()
        self._refuse_duration(session)
        remember = session.pop(_REMEMBER, None) == "set"
        # Without a tick in the box the cookie ends with the browser, unless the application says otherwise.
        otherwise = None if session.chosen_permanent else False
        self._enter(session, str(session[USER]), remember=True if remember else otherwise, user=user)

    def _enter(self, session: LoginSession, user_id: str, *, remember: bool | None, user: Any = None) -> None:
        """Sign in; Flask-Login's keys go along, also where the session before was another user's."""
        roles = self._roles_of(user) if self._roles_of is not None and user is not None else None
        kept = {key: FlaskSession.__getitem__(session, key) for key in (USER, FRESH, BROWSER) if key in session}
        try:
            session.sign_in(user_id, roles=roles, remember=remember)
        except CoatcheckError:
            for key in kept:
                session.pop(key, None)
            self._manager._update_request_context_with_user()  # noqa: SLF001 - it has named the user already
            raise
        missing = {key: value for key, value in kept.items() if key not in session}
        session.update(missing)
        session.by_hand = False
        if missing:
            session.save()  # the sign-in holds whatever fails afterwards, and so must they

    def _refuse_duration(self, session: LoginSession) -> None:
        """Refuse a lifetime that nobody would keep.

        Raises:
            ConfigurationError: ``login_user(duration=...)`` is not what the policy says.
        """
        seconds = session.pop(_SECONDS, None)
        ours = self._policy.remember_absolute_timeout
        if seconds is not None and (ours is None or to_millis(ours) != round(seconds * 1000)):
            raise ConfigurationError(
                f"login_user(duration=...) is not what the policy says: remembered sign-ins end after {ours}. Write "
                "Policy(remember_absolute_timeout=...) and leave duration= out"
            )

    def _signed_out(self, _app: Flask, **_facts: object) -> None:
        self._session().logout()

    def _confirmed(self, _app: Flask, **_facts: object) -> None:
        session = self._session()
        if session.user_id is not None:
            session.step_up()

    def _protected(self, _app: Flask, **_facts: object) -> None:
        """End a user's session that strong protection has emptied; what basic protection does is in its data."""
        session = self._session()
        if session.get(_REMEMBER) == "clear":
            del session[_REMEMBER]
            if session.user_id is not None:  # a visitor's has nothing of Flask-Login's in it, and is not its to end
                session.logout()

    def _session(self) -> LoginSession:
        session = current()
        if not isinstance(session, LoginSession):
            raise ConfigurationError("LoginManager was installed during a request; install it when the app is made")
        return session
