"""Sessions for Django: ``request.session`` with Django's own session API, `session_of` for typed code.

In the settings::

    INSTALLED_APPS = [..., "coatcheck.web.django"]  # the admin's page, the command, the checks
    MIDDLEWARE = [..., "coatcheck.web.django.SessionMiddleware", ...]  # in the place of Django's own
    SESSION_ENGINE = "coatcheck.web.django.sessions"
    COATCHECK = {"STORE": "sqlite:///sessions.db"}

``django.contrib.auth``, messages and the admin work unchanged, in sync and async views.
"""

from __future__ import annotations

from coatcheck.errors import MissingExtra

try:
    from django.http import HttpRequest
except ImportError:  # pragma: no cover - the message is tested in an environment without Django
    raise MissingExtra("coatcheck.web.django", "django", "django") from None

from typing import TypeVar, overload

from coatcheck.accounts import BlockingAccounts
from coatcheck.errors import ConfigurationError
from coatcheck.session import BlockingSession
from coatcheck.web.django.configuration import get_sessions
from coatcheck.web.django.linking import roles_of
from coatcheck.web.django.middleware import SessionMiddleware
from coatcheck.web.django.store import SessionStore

__all__ = ["SessionMiddleware", "accounts_of", "get_sessions", "roles_of", "session_of"]

T = TypeVar("T")


@overload
def session_of(request: HttpRequest) -> BlockingSession: ...
@overload
def session_of(request: HttpRequest, kind: type[T]) -> T: ...
def session_of(request: HttpRequest, kind: type[T] | None = None) -> BlockingSession | T:
    """Return coatcheck's own session of a request: the data that ``request.session`` shows, typed, and its holder.

    With *kind*, a dataclass or `msgspec.Struct`, return its data as an object of that type. Its verbs block: in an
    async view call them through ``sync_to_async``.

    Raises:
        ConfigurationError: the middleware is not installed.
        DataMismatch: stored data does not fit *kind*.
    """
    session = getattr(request, "session", None)
    if not isinstance(session, SessionStore):
        raise ConfigurationError(
            "this request has no session of coatcheck's: put 'coatcheck.web.django.SessionMiddleware' into MIDDLEWARE, "
            "in the place of Django's own SessionMiddleware"
        )
    held = session.typed
    return held if kind is None else held.typed(kind)


def accounts_of(request: HttpRequest) -> BlockingAccounts:
    """Return ``request.accounts``, typed: the accounts of the request's browser. Its verbs block.

    Raises:
        ConfigurationError: ``COATCHECK`` does not say ``"ACCOUNTS"``, or the middleware is not installed.
    """
    accounts = getattr(request, "accounts", None)
    if not isinstance(accounts, BlockingAccounts):
        raise ConfigurationError(
            'this request has no accounts of coatcheck\'s: write COATCHECK = {"ACCOUNTS": 5, ...}, and put '
            "'coatcheck.web.django.SessionMiddleware' into MIDDLEWARE"
        )
    return accounts
