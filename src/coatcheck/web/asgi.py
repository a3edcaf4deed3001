"""Sessions for any ASGI application: load before the handler, commit before the answer's first byte.

Pure ASGI: bodies stream through untouched, and nothing is held back but the moment of writing. The session is
``scope["session"]``; the typed way to it is ``session_of`` of the framework's module.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias, Unpack

from coatcheck.accounts import AsyncAccounts
from coatcheck.errors import ConfigurationError, NotLoaded
from coatcheck.session import AsyncSession
from coatcheck.sessions import AsyncSessions
from coatcheck.web.asgi_exchange import AsgiExchange
from coatcheck.web.lifespan import Lifespan
from coatcheck.web.request import Request
from coatcheck.web.settings import MiddlewareOptions, Settings, options_from
from coatcheck.web.sockets import Socket

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

__all__ = ["SessionMiddleware", "accounts_in", "session_in"]

_log: Final = logging.getLogger("coatcheck")


class SessionMiddleware:
    """Give every request its session.

    Args:
        app: the application inside.
        sessions: the manager.
        cookie_name: the cookie's name on https; on plain-http local hosts it is without its prefix.
        same_site: ``"lax"``, ``"strict"`` or ``"none"``.
        path: the cookie's path.
        domain: also send the cookie to hosts below this domain; not with a ``__Host-`` name.
        partitioned: one cookie for every top-level site (CHIPS).
        allow_http_hosts: hosts on which a session may travel over plain http.
        trusted_proxies: addresses and networks of proxies whose ``X-Forwarded-*`` headers count, or how many there are.
        sign_in_url: where `SignedIn` sends pages that nobody is signed in to; without it they get 401.
        step_up_url: where pages are sent to whose user must prove once more who they are; ``sign_in_url`` if not given.
        load: ``"always"`` loads before the handler whenever there is a cookie; ``"on_demand"`` waits for
            ``await session.load()``.
        paths: use sessions only below these paths; everywhere when not given.
        trusted_origins: other origins whose pages may send requests and open WebSockets with a visitor's cookie.
        csrf: how requests that change something are judged; ``"off"`` leaves it to the application.
        gate: who may reach which path, decided before the application is asked.
        bearer: also let ``Authorization: Bearer`` identify requests, with tokens of ``sessions.issue``.
        accounts: how many accounts may be signed in in one browser, to be switched between; one where it is not given.
        entering: also let tickets of ``sessions.issue_exchange`` sign in, once, at an address of their own.
        moving: take over the sessions of the library that the application used before, for a time.

    Raises:
        ConfigurationError: holds everything that is wrong with the options.
    """

    def __init__(self, app: App, *, sessions: AsyncSessions, **options: Unpack[MiddlewareOptions]) -> None:
        """Check the options; nothing is opened yet."""
        self.app = app
        self.sessions = _checked(sessions)
        self.settings = Settings(options_from(options))
        self._lifespan = Lifespan(sessions)
        self._told = False
        self._warned = sessions.store.traits.persistent or sessions.store.traits.shared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        self.settings.list_unguarded()
        kind = scope["type"]
        if kind == "lifespan":
            await self._lifespan.serve(self.app, scope, receive, send)
        elif kind == "http":
            request = self._request(scope)
            await AsgiExchange(self.sessions, self.settings, request).serve(self.app, receive, send)
            if not self._told and not isinstance(scope.get("session"), AsyncSession):
                self._told = True
                _log.warning("%s", _inside(scope.get("session")))
            if not self._lifespan.running and self.sessions.upkeep_due:
                await self.sessions.upkeep_if_due()
        elif kind == "websocket":
            await Socket(self.sessions, self.settings, self._request(scope)).serve(self.app, receive, send)
        else:
            await self.app(scope, receive, send)

    def _request(self, scope: Scope) -> Request:
        if "session" in scope:
            raise ConfigurationError(_second(scope["session"]))
        request = Request(scope, self.settings)
        if not self._warned and request.insecure_memory:
            self._warned = True
            _log.warning(
                "memory:// keeps sessions in this process alone and loses them at a restart; for %s write "
                'AsyncSessions("sqlite:///sessions.db")',
                request.place.host,
            )
        return request


def session_in(scope: Scope) -> AsyncSession:
    """Return the session of a connection.

    Raises:
        ConfigurationError: the middleware is not installed, or another one took its place; says the line to write.
    """
    session = scope.get("session")
    if isinstance(session, AsyncSession):
        return session
    if session is None:
        raise ConfigurationError(
            "this request has no session. If SessionMiddleware is not installed, write "
            "app.add_middleware(SessionMiddleware, sessions=AsyncSessions(...)). If it is, a middleware asks that runs "
            "before it: the one added last runs first, so add SessionMiddleware below the one that asks"
        )
    raise ConfigurationError(_inside(session))


async def loaded_session_in(scope: Scope) -> AsyncSession:
    """As `session_in`; guards and dependencies also load what ``load="on_demand"`` left to them.

    Raises:
        ConfigurationError: as `session_in`.
        StoreUnavailable, UnreadableRecord: it could not be loaded.
    """
    session = session_in(scope)
    state = session._state  # noqa: SLF001 - the adapter is the session's other half
    if isinstance(state.problem, NotLoaded) and not state.outside:
        await session.load()
    return session


def accounts_in(scope: Scope) -> AsyncAccounts:
    """Return the accounts of a connection's browser; nothing is looked up yet.

    Raises:
        ConfigurationError: as `session_in`.
    """
    return AsyncAccounts(session_in(scope)._state)  # noqa: SLF001 - two views of one session


def _checked(sessions: Any) -> AsyncSessions:
    """Return *sessions* if an ASGI application can use it.

    Raises:
        ConfigurationError: it is a blocking application's, a class, or something else.
    """
    if isinstance(sessions, AsyncSessions):
        return sessions
    given = f"the class {sessions.__name__}" if isinstance(sessions, type) else _named(sessions)
    raise ConfigurationError(
        f"SessionMiddleware needs sessions=AsyncSessions(...), not {given}: an ASGI application awaits its "
        "store. Write sessions=AsyncSessions(url) with the store's URL"
    )


def _second(session: object) -> str:
    """Say that *session* was there before this middleware ran."""
    if isinstance(session, AsyncSession):
        return (
            "two session middlewares are installed: coatcheck's SessionMiddleware was added twice. Keep one; two "
            "managers on one application would write two cookies of one name"
        )
    return (
        f"two session middlewares are installed: another one put a {_named(session)} into scope['session'] before "
        "this one. Remove its line, such as app.add_middleware(starlette.middleware.sessions.SessionMiddleware, ...)"
    )


def _inside(session: object) -> str:
    """Say that *session* took the place of this middleware's."""
    return (
        f"two session middlewares are installed: one inside this one put a {_named(session)} into scope['session'], "
        "so request.session is not coatcheck's. Remove its line, such as "
        "app.add_middleware(starlette.middleware.sessions.SessionMiddleware, ...)"
    )


def _named(value: object) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
