"""The request's session and user, typed: ``flask.session`` itself is typed as Flask's own."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast, overload

import flask
from flask import current_app

from coatcheck.accounts import BlockingAccounts
from coatcheck.errors import ConfigurationError
from coatcheck.runtime import finish
from coatcheck.session import BlockingSession
from coatcheck.user import User
from coatcheck.web.flask.session import FlaskSession

T = TypeVar("T")
P = ParamSpec("P")


@overload
def session_of() -> BlockingSession: ...
@overload
def session_of(kind: type[T]) -> T: ...
def session_of(kind: type[T] | None = None) -> BlockingSession | T:
    """Return the request's session: the same object that ``flask.session`` is, typed.

    With *kind*, a dataclass or `msgspec.Struct`, return its data as an object of that type.

    Raises:
        ConfigurationError: `Coatcheck` is not installed on the application.
        DataMismatch: stored data does not fit *kind*.
        RuntimeError: there is no request.
    """
    session = current()
    return session if kind is None else session.typed(kind)


def accounts_of() -> BlockingAccounts:
    """Return the accounts of the request's browser, where `Coatcheck` was told ``accounts=``.

    Raises:
        ConfigurationError: `Coatcheck` is not installed on the application.
        RuntimeError: there is no request.
    """
    return BlockingAccounts(current()._state, finish)  # noqa: SLF001 - two views of one session


def user_of() -> User:
    """Return the signed-in user.

    Raises:
        SignInRequired: nobody is signed in; the answer is 401, or 303 for pages if ``sign_in_url`` is set.
    """
    return current().user


def signed_in(view: Callable[P, T]) -> Callable[P, T]:
    """Let only signed-in users reach a view; everybody else gets what `user_of` raises. Write it below ``@route``.

    Async views too. Whole blueprints: ``blueprint.before_request(signed_in(lambda: None))``.
    """

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        user_of()
        return cast("T", current_app.ensure_sync(view)(*args, **kwargs))

    return guarded


def current() -> FlaskSession:
    """Return ``flask.session`` as the class it is.

    Raises:
        ConfigurationError: it is somebody else's.
        RuntimeError: there is no request.
    """
    session = cast("Any", flask.session)._get_current_object()  # noqa: SLF001 - the way to what a proxy stands for
    if isinstance(session, FlaskSession):
        return session
    raise ConfigurationError(
        "this application has no coatcheck session: write Coatcheck(app, sessions=Sessions(...)), and let no other "
        f"extension set app.session_interface (flask.session is a {type(session).__name__})"
    )
