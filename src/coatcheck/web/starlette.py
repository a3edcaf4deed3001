"""Sessions for Starlette: ``request.session`` for existing code, `session_of` for typed code."""

from __future__ import annotations

from typing import TypeVar, overload

from coatcheck.errors import MissingExtra

try:
    from starlette.requests import HTTPConnection
except ImportError:  # pragma: no cover - the message is tested in an environment without Starlette
    raise MissingExtra("coatcheck.web.starlette", None, "starlette") from None

from coatcheck.accounts import AsyncAccounts
from coatcheck.session import AsyncSession
from coatcheck.user import User
from coatcheck.web.asgi import SessionMiddleware, accounts_in, session_in

__all__ = ["SessionMiddleware", "accounts_of", "session_of", "user_of"]

T = TypeVar("T")


@overload
def session_of(connection: HTTPConnection) -> AsyncSession: ...
@overload
def session_of(connection: HTTPConnection, kind: type[T]) -> T: ...
def session_of(connection: HTTPConnection, kind: type[T] | None = None) -> AsyncSession | T:
    """Return the session of a request or WebSocket: the same object that ``request.session`` is, typed.

    With *kind*, a dataclass or `msgspec.Struct`, return its data as an object of that type.

    Raises:
        ConfigurationError: the middleware is not installed.
        DataMismatch: stored data does not fit *kind*.
    """
    session = session_in(connection.scope)
    return session if kind is None else session.typed(kind)


def user_of(connection: HTTPConnection) -> User:
    """Return the signed-in user.

    Raises:
        SignInRequired: nobody is signed in; the middleware answers 401, or 303 for pages if ``sign_in_url`` is set.
    """
    return session_in(connection.scope).user


def accounts_of(connection: HTTPConnection) -> AsyncAccounts:
    """Return the accounts of the request's browser, where the middleware was told ``accounts=``.

    Raises:
        ConfigurationError: the middleware is not installed.
    """
    return accounts_in(connection.scope)
