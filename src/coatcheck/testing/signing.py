"""A test client's user, signed in without the application's login form.

The session is made by the application's own manager, so it is a real one: limits hold, events go out, the policy's
clocks run. Only the password check is left out. The cookie enters the client's jar the way an answer's would.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, overload
from urllib.request import Request

from coatcheck.cookies import max_age_seconds
from coatcheck.errors import ConfigurationError
from coatcheck.model import SessionInfo
from coatcheck.testing.finding import application_of, middleware_of

if TYPE_CHECKING:
    from coatcheck.web.asgi import SessionMiddleware
    from coatcheck.web.request import Request as SessionRequest

T = TypeVar("T")


class URL(Protocol):
    """As much of a URL as decides which cookie travels there."""

    @property
    def scheme(self) -> str:
        """``"http"`` or ``"https"``."""
        ...

    @property
    def netloc(self) -> bytes:
        """The host, and the port unless it is the scheme's own."""
        ...


class Cookies(Protocol):
    """A client's cookies."""

    @property
    def jar(self) -> CookieJar:
        """Where they are kept."""
        ...


class Client(Protocol):
    """What is needed of a client, whichever generation of httpx it comes from."""

    @property
    def base_url(self) -> URL:
        """Where its requests go."""
        ...

    @property
    def cookies(self) -> Cookies:
        """Its cookies."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """What it sends with every request."""
        ...


class BlockingClient(Client, Protocol):
    """A client whose requests block, such as Starlette's ``TestClient``."""

    def close(self) -> None:
        """Tells it from one for asyncio."""
        ...


class AsyncClient(Client, Protocol):
    """A client for asyncio, such as ``httpx.AsyncClient`` over ``ASGITransport``."""

    async def aclose(self) -> None:
        """Tells it from a blocking one."""
        ...


@overload
def sign_in(
    client: AsyncClient,
    user_id: str,
    *,
    roles: Sequence[str] | None = None,
    remember: bool | None = None,
    data: Mapping[str, Any] | None = None,
) -> Awaitable[SessionInfo]: ...
@overload
def sign_in(
    client: BlockingClient,
    user_id: str,
    *,
    roles: Sequence[str] | None = None,
    remember: bool | None = None,
    data: Mapping[str, Any] | None = None,
) -> SessionInfo: ...
def sign_in(
    client: BlockingClient | AsyncClient,
    user_id: str,
    *,
    roles: Sequence[str] | None = None,
    remember: bool | None = None,
    data: Mapping[str, Any] | None = None,
) -> SessionInfo | Awaitable[SessionInfo]:
    """Give *client* a session of *user_id* and return what lists show of it.

    A blocking client, such as Starlette's ``TestClient``, is signed in when this returns: on the client's own event
    loop while it is open (``with TestClient(app) as client``), else on one of its own. An asyncio client is signed in
    on the running loop: ``await sign_in(client, "user-1")``.

    Args:
        client: a client that talks to the application in this process.
        user_id: whom to sign in.
        roles: as for ``session.login``.
        remember: as for ``session.login``.
        data: what the session holds from the start.

    Raises:
        ConfigurationError: the client has no ASGI application, or that has no ``SessionMiddleware``.
        InsecureTransport: the client's ``base_url`` is plain http on a host where the middleware refuses it.
    """
    middleware = middleware_of(application_of(client))
    user = _User(user_id, roles=roles, remember=remember, data=data or {})
    if hasattr(client, "aclose"):
        return user.enter(middleware, client)
    return _finish(client, lambda: user.enter(middleware, client))


class _User:
    """Whom to sign in, and how."""

    def __init__(
        self, user_id: str, *, roles: Sequence[str] | None, remember: bool | None, data: Mapping[str, Any]
    ) -> None:
        self.user_id, self.roles, self.remember, self.data = user_id, roles, remember, data

    async def enter(self, middleware: SessionMiddleware, client: Client) -> SessionInfo:
        """Make the session and put its cookie into the client's jar."""
        sessions, request = middleware.sessions, _request(client, middleware)
        session = await sessions.load(None, request.visit)
        await session.login(self.user_id, roles=self.roles, remember=self.remember)
        session.update(self.data)
        outcome = await sessions.save(session)
        info = await sessions.get(session.id or "")
        if outcome.token is None or info is None or request.cookie is None:
            raise ConfigurationError(f"{self.user_id!r} was signed in and the session ended at once; see the policy")
        now = sessions._core.now()  # noqa: SLF001 - the cookie's life is reckoned as the middleware does
        age = None if outcome.deadline is None else max_age_seconds(outcome.deadline, now)
        _receive(client.cookies, str(client.base_url), request.cookie.write(outcome.token, max_age=age))
        return info


def _request(client: Client, middleware: SessionMiddleware) -> SessionRequest:
    """Say what the middleware would make of a request that *client* sends."""
    from coatcheck.web.request import Request as SessionRequest

    headers = {"host": client.base_url.netloc.decode("ascii"), **client.headers}
    scope = {
        "type": "http",
        "scheme": client.base_url.scheme,
        "path": "/",
        "headers": [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in headers.items()],
    }
    return SessionRequest(scope, middleware.settings)


def _receive(cookies: Cookies, url: str, set_cookie: str) -> None:
    """Let a jar take a ``Set-Cookie`` from *url*, so that a later one from the application replaces it."""
    headers = Message()
    headers["Set-Cookie"] = set_cookie
    cookies.jar.extract_cookies(cast("Any", _Answer(headers)), Request(url))  # noqa: S310 - nothing is opened


class _Answer:
    """As much of an HTTP response as a cookie jar reads."""

    def __init__(self, headers: Message) -> None:
        self._headers = headers

    def info(self) -> Message:
        return self._headers


def _finish(client: Client, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run *work* on the client's loop, or on one of its own in a thread: a loop may be running in this one."""
    portal = getattr(client, "portal", None)
    if portal is not None:
        return cast("T", portal.call(work))
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(lambda: asyncio.run(work())).result()
