"""Sessions for any WSGI application: loaded at the first use, committed before the answer's first byte.

The session is ``environ["coatcheck.session"]``, or `session_in`. Changes count until the first byte of the body is
there, also those that a generator makes before it yields one; so an application's empty strings before that byte are
not passed on. Everything after it streams through untouched.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from types import TracebackType
from typing import Any, Final, TypeAlias, Unpack

from coatcheck.accounts import BlockingAccounts
from coatcheck.blocking import Sessions
from coatcheck.errors import CoatcheckError, ConfigurationError
from coatcheck.manager import raising
from coatcheck.runtime import finish
from coatcheck.session import BlockingSession
from coatcheck.web.answers import Answer
from coatcheck.web.bodies import read_wsgi
from coatcheck.web.environ import Environ, raw, rewrite, status_line, texts
from coatcheck.web.environ import scope_of as scope_of
from coatcheck.web.exchange import Exchange
from coatcheck.web.request import Request
from coatcheck.web.settings import Settings, SharedOptions, options_from

__all__ = ["SessionMiddleware", "accounts_in", "session_in"]

ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
Write: TypeAlias = Callable[[bytes], object]
StartResponse: TypeAlias = Callable[..., Write]
App: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]

SESSION: Final = "coatcheck.session"
EXCHANGE: Final = "coatcheck.exchange"

_TWICE: Final = (
    "two session middlewares are installed: coatcheck's SessionMiddleware was added twice. Keep one; two managers on "
    "one application would write two cookies of one name"
)
_log: Final = logging.getLogger("coatcheck")


class SessionMiddleware:
    """Give every request its session. Options are those of `coatcheck.web.asgi.SessionMiddleware` but ``load``.

    Args:
        app: the application inside.
        sessions: the manager. It may be built before the server forks.

    Raises:
        ConfigurationError: holds everything that is wrong with the options.
    """

    def __init__(self, app: App, *, sessions: Sessions, **options: Unpack[SharedOptions]) -> None:
        """Check the options; nothing is opened yet."""
        if isinstance(app, SessionMiddleware):
            raise ConfigurationError(_TWICE)
        self.app = app
        self.sessions = checked_sessions(sessions)
        self.settings = Settings(options_from(options))
        if self.settings.legacy is not None:
            self.settings.legacy.check_blocking()
        self._warned = sessions.store.traits.persistent or sessions.store.traits.shared

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if SESSION in environ:
            raise ConfigurationError(_TWICE)
        self.settings.list_unguarded()
        request = Request(scope_of(environ), self.settings)
        self._warn_of_memory(request)
        exchange = Exchange(core_of(self.sessions), self.settings, request)
        return _Response(self, environ, exchange, start_response).begun()

    def lets_through(self, fault: Exception) -> bool:  # noqa: ARG002 - for subclasses, which know their framework
        """Whether what the application raised goes on to the server, where an answer of ours would hide it.

        That is an answer which carries a changed ticket home, or one to a session that was used wrongly.
        """
        return False

    def _warn_of_memory(self, request: Request) -> None:
        if not self._warned and request.insecure_memory:
            self._warned = True
            _log.warning(
                "memory:// keeps sessions in this process alone and loses them at a restart; for %s write "
                'Sessions("sqlite:///sessions.db")',
                request.place.host,
            )


class _Response:
    """The answer to one request, as the server iterates over it."""

    def __init__(
        self, middleware: SessionMiddleware, environ: Environ, exchange: Exchange, start_response: StartResponse
    ) -> None:
        self._middleware, self._environ, self._exchange = middleware, environ, exchange
        self._start_response = start_response
        self._said: tuple[str, list[tuple[str, str]]] | None = None
        self._server: Write | None = None
        self._source: Iterable[bytes] = ()
        self._closed = False
        self._chunks: Iterator[bytes] = self._run()

    def begun(self) -> _Response:
        """Run the application up to the first byte of its answer, so that what it raises is raised here."""
        try:
            with raising.request():
                first = next(self._chunks, None)
        except BaseException:
            self.close()
            raise
        if first is not None:
            self._chunks = chain((first,), self._chunks)
        return self

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        """End the request, once: what the application wants to do at the end comes first, then upkeep."""
        if self._closed:
            return
        self._closed = True
        try:
            if close := getattr(self._source, "close", None):
                close()
        finally:
            self._exchange.close()
            sessions = self._middleware.sessions
            if sessions.upkeep_due:
                sessions.upkeep_if_due()

    def _run(self) -> Iterator[bytes]:
        """Run the application, and put coatcheck's answer in the place of its own where that is due."""
        try:
            begin(self._exchange, self._environ)
            self._source = self._middleware.app(self._environ, self._start)
            for chunk in self._source:
                if self._server is None:
                    if not chunk:
                        continue  # nothing has left yet, so that changes still count
                    self._conclude()
                if self._exchange.bodiless:
                    break
                yield chunk
            if self._server is None:
                self._conclude()
        except CoatcheckError as error:
            misused = error.status == 500
            if self._server is not None or (misused and self._middleware.lets_through(error)):
                raise
            if misused:
                _log.exception("a session was used wrongly")
            yield self._send(finish(self._exchange.answer(error)))
        except Exception as fault:
            made = None if self._middleware.lets_through(fault) else self._exchange.failed()
            if made is None:
                raise
            _log.exception("the application failed after its session had changed")
            yield self._send(made)

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None) -> Write:
        """Keep what the application says until the first byte; its ``write`` sends at once (PEP 3333).

        An application that passes *exc_info* failed and replaces its answer: its changes are dropped.
        """
        fault = exc_info[1] if exc_info else None
        if fault is None and self._said is not None:
            raise RuntimeError("the application called start_response twice; the second call needs exc_info (PEP 3333)")
        if fault is not None:
            if self._server is not None:
                raise fault
            self._exchange.drop()
        self._said = (status, headers)
        return self._write

    def _write(self, chunk: bytes) -> object:
        write = self._server or self._conclude()
        return write(b"" if self._exchange.bodiless else chunk)

    def _conclude(self) -> Write:
        """Commit, and say the headers."""
        if self._said is None:
            raise RuntimeError("the application returned a body and never called start_response")
        status, headers = self._said
        settled = finish(self._exchange.conclude(int(status[:3]), raw(headers)))
        self._server = self._start_response(status, texts(settled))
        return self._server

    def _send(self, made: Answer) -> bytes:
        headers = texts(made.headers)
        if not any(name == "content-type" for name, _ in headers):
            headers.append(("content-type", "text/plain; charset=utf-8"))  # PEP 3333 wants one, also of a redirect
        self._server = self._start_response(status_line(made.status), headers)
        return made.body


def session_in(environ: Environ) -> BlockingSession:
    """Return the session of a request.

    Raises:
        ConfigurationError: the middleware is not installed; says the line to write.
    """
    session = environ.get(SESSION)
    if isinstance(session, BlockingSession):
        return session
    raise ConfigurationError(
        "this request has no session: write app = SessionMiddleware(app, sessions=Sessions(...)) around the application"
    )


def accounts_in(environ: Environ) -> BlockingAccounts:
    """Return the accounts of a request's browser; nothing is looked up yet.

    Raises:
        ConfigurationError: the middleware is not installed; says the line to write.
    """
    return BlockingAccounts(session_in(environ)._state, finish)  # noqa: SLF001 - two views of one session


def begin(exchange: Exchange, environ: Environ) -> None:
    """Put the session into *environ*, and judge the request before the application sees it.

    Raises:
        CoatcheckError: the request does not reach the application.
    """
    environ[SESSION] = BlockingSession(exchange.state, finish)
    environ[EXCHANGE] = exchange
    scope = exchange.scope
    headers = scope["headers"]
    finish(exchange.begin(partial(read_wsgi, environ), lazy=True))
    if scope["headers"] is not headers:
        rewrite(environ, scope["headers"])


def checked_sessions(sessions: Any) -> Sessions:
    """Return *sessions* if a blocking application can use it.

    Raises:
        ConfigurationError: it is an asyncio application's, or something else.
    """
    if isinstance(sessions, Sessions):
        return sessions
    given = f"the class {sessions.__name__}" if isinstance(sessions, type) else type(sessions).__name__
    raise ConfigurationError(
        f"this needs sessions=Sessions(...), not {given}: a WSGI application blocks. Write sessions=Sessions(url) with "
        "the store's URL"
    )


def core_of(sessions: Sessions) -> Any:
    """Return the parts that the manager shares with its adapters."""
    return sessions._core  # noqa: SLF001 - the adapter drives the manager's parts
