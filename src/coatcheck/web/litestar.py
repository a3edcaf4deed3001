"""Sessions for Litestar: a plugin that adds the middleware, the lifespan, dependencies and coatcheck's own answers.

``request.session`` is coatcheck's session. The typed ways to it are parameters of fixed names, as Litestar's
dependencies are: ``session: CurrentSession``, ``user: SignedIn`` and, in a plain ``def`` that runs in a thread,
``blocking_session: BlockingSession``. `signed_in` is a guard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, MutableMapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, NoReturn, TypeAlias, TypeVar, Unpack, cast

from coatcheck.errors import CoatcheckError, ConfigurationError, MissingExtra

try:
    from litestar.config.app import AppConfig
    from litestar.connection import ASGIConnection
    from litestar.di import NamedDependency, Provide
    from litestar.exceptions import HTTPException
    from litestar.handlers import BaseRouteHandler, asgi
    from litestar.middleware.session import SessionMiddleware as LitestarSessions
    from litestar.plugins import InitPlugin
    from litestar.types import ASGIApp, Scope
except ImportError:  # pragma: no cover - the message is tested in an environment without Litestar
    raise MissingExtra("coatcheck.web.litestar", "litestar", "litestar") from None

from coatcheck import session as sessions_objects
from coatcheck.accounts import AsyncAccounts
from coatcheck.lifecycle import Cookie
from coatcheck.session import AsyncSession
from coatcheck.sessions import AsyncSessions
from coatcheck.user import User
from coatcheck.web.asgi import SessionMiddleware, accounts_in, loaded_session_in, session_in
from coatcheck.web.asgi_exchange import EXCHANGE
from coatcheck.web.exchange import Exchange
from coatcheck.web.litestar_route import FAILURE, Route, answered_before, onward
from coatcheck.web.settings import MiddlewareOptions

__all__ = [
    "BlockingSession",
    "CoatcheckPlugin",
    "CurrentSession",
    "SignedIn",
    "accounts_of",
    "session_of",
    "signed_in",
    "user_of",
]

T = TypeVar("T")

_ON_THE_LOOP: Final = (
    "a handler that runs on the event loop asked for blocking_session, whose verbs would wait for that same loop. "
    "Write async def and ask for session: CurrentSession, or let the plain def run in a thread: "
    "@get(..., sync_to_thread=True)"
)
_ANYTHING: Final = (Exception, BaseException, object)

CurrentSession: TypeAlias = NamedDependency[AsyncSession]
"""The request's session, for a parameter named ``session``."""

SignedIn: TypeAlias = NamedDependency[User]
"""The signed-in user, for a parameter named ``user``; 401, or 303 to ``sign_in_url`` for pages, when there is none."""

BlockingSession: TypeAlias = NamedDependency[sessions_objects.BlockingSession]
"""The request's session for plain ``def`` handlers in threads, for a parameter named ``blocking_session``."""


class CoatcheckPlugin(InitPlugin):
    """Give every route of a Litestar application its session.

    Args:
        sessions: the manager.
        options: those of `coatcheck.web.asgi.SessionMiddleware`.

    Raises:
        ConfigurationError: holds everything that is wrong with the options.
    """

    __slots__ = ("_entering", "_lifespan", "_served", "sessions")

    def __init__(self, sessions: AsyncSessions, **options: Unpack[MiddlewareOptions]) -> None:
        """Check the options; nothing is opened yet."""
        self.sessions = sessions
        self._served = SessionMiddleware(onward, sessions=sessions, **options)
        self._entering = self._served.settings.entering
        self._lifespan = self._served._lifespan  # noqa: SLF001 - Litestar's lifespan does not pass through it

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add what sessions need; what the application itself has of the same name takes precedence.

        Raises:
            ConfigurationError: Litestar's own session middleware is installed too.
        """
        config: Any = app_config  # its own annotations leave type arguments open
        if any(map(_is_litestars, config.middleware)):
            raise ConfigurationError(
                "two session middlewares are installed: Litestar's own and CoatcheckPlugin. Remove the line "
                "middleware=[....middleware] of Litestar's session configuration"
            )
        config.middleware.insert(0, self._middleware)
        config.lifespan.insert(0, self._around)
        config.after_exception.append(_take_note)
        config.exception_handlers = {CoatcheckError: _leave_to_coatcheck, **config.exception_handlers}
        for name, provide in _DEPENDENCIES.items():
            config.dependencies.setdefault(name, Provide(provide))
        if self._entering is not None:
            # Litestar runs middleware for the routes that it has, and this page is coatcheck's.
            config.route_handlers.append(asgi(self._entering.path, copy_scope=True)(answered_before))
        cache = config.response_cache_config
        cache.cache_response_filter = _never_a_visitors(cache.cache_response_filter)
        return app_config

    def _middleware(self, app: ASGIApp, **_options: Any) -> ASGIApp:
        return cast("ASGIApp", Route(app, self._served))

    def _around(self, _app: object) -> AbstractAsyncContextManager[None]:
        return self._lifespan.around()


def session_of(connection: ASGIConnection[Any, Any, Any, Any]) -> AsyncSession:
    """Return the session of a request or WebSocket: the same object that ``request.session`` is, typed.

    Raises:
        ConfigurationError: the plugin is not installed.
    """
    return session_in(_plain(connection.scope))


def user_of(connection: ASGIConnection[Any, Any, Any, Any]) -> User:
    """Return the signed-in user.

    Raises:
        SignInRequired: nobody is signed in; the plugin answers 401, or 303 for pages if ``sign_in_url`` is set.
    """
    return session_in(_plain(connection.scope)).user


def accounts_of(connection: ASGIConnection[Any, Any, Any, Any]) -> AsyncAccounts:
    """Return the accounts of the request's browser, where the plugin was told ``accounts=``.

    Raises:
        ConfigurationError: the plugin is not installed.
    """
    return accounts_in(_plain(connection.scope))


async def signed_in(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """Let only signed-in users pass: ``@get("/account", guards=[signed_in])``.

    Raises:
        SignInRequired: nobody is signed in.
    """
    _ = (await loaded_session_in(_plain(connection.scope))).user


async def _session(scope: Scope) -> AsyncSession:
    return await loaded_session_in(_plain(scope))


async def _user(scope: Scope) -> User:
    return (await loaded_session_in(_plain(scope))).user


async def _blocking_session(scope: Scope) -> sessions_objects.BlockingSession:
    session = await loaded_session_in(_plain(scope))
    loop = asyncio.get_running_loop()

    def run(coroutine: Coroutine[Any, Any, T]) -> T:
        """Run the manager's coroutine on the application's loop, from the worker thread of a plain ``def`` handler."""
        if _in_event_loop():
            coroutine.close()
            raise ConfigurationError(_ON_THE_LOOP)
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()

    return sessions_objects.BlockingSession(session._state, run)  # noqa: SLF001 - two views of one session


_DEPENDENCIES: Final[dict[str, Callable[..., Any]]] = {
    "session": _session,
    "user": _user,
    "blocking_session": _blocking_session,
}


def _plain(scope: Scope) -> MutableMapping[str, Any]:
    """Return *scope* as ASGI has it, where keys are not limited to those that Litestar lists."""
    return cast("MutableMapping[str, Any]", scope)


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _is_litestars(middleware: Any) -> bool:
    kind = getattr(middleware, "middleware", middleware)
    return isinstance(kind, type) and issubclass(kind, LitestarSessions)


def _leave_to_coatcheck(_request: object, error: CoatcheckError) -> NoReturn:
    """Let coatcheck's error go on to coatcheck, which answers it: it carries the cookie, and knows what is kept."""
    raise error


async def _take_note(error: Exception, scope: Scope) -> None:
    """Drop the changes of a handler that failed, and keep a WebSocket's refusal for `Route`."""
    if isinstance(error, CoatcheckError):
        _plain(scope)[FAILURE] = error
        return
    exchange: Exchange | None = _plain(scope).get(EXCHANGE)
    if exchange is not None and not _is_an_answer(error, scope):
        exchange.drop()


def _is_an_answer(error: Exception, scope: Scope) -> bool:
    """Whether the application or Litestar means *error* as an answer; a handler of ``Exception`` hides a failure."""
    if isinstance(error, HTTPException):
        return True
    route: Any = scope["route_handler"]
    handlers = route.resolve_exception_handlers()
    return any(kind in handlers for kind in type(error).__mro__ if kind not in _ANYTHING)


def _never_a_visitors(may_store: Callable[[Any, int], bool]) -> Callable[[Any, int], bool]:
    """Keep answers that depend on a session, or change its cookie, out of Litestar's response cache (K-1)."""

    def judged(scope: Any, status: int) -> bool:
        exchange: Exchange | None = scope.get(EXCHANGE)
        if exchange is not None and (exchange.state.looked or exchange.state.cookie is not Cookie.KEEP):
            return False
        return may_store(scope, status)

    return judged
