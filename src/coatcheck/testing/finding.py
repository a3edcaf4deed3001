"""The session middleware of an application, found by walking what the application is made of."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol, cast

from coatcheck.errors import ConfigurationError

if TYPE_CHECKING:
    from coatcheck.web.asgi import SessionMiddleware

_INSIDE = ("middleware_stack", "app", "wrapped")
"""Attributes under which applications and middleware keep what they wrap."""


class _Added(Protocol):
    """A middleware that waits to be built, as ``starlette.middleware.Middleware`` keeps it."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def application_of(client: object) -> object:
    """Return the ASGI application that a test client talks to.

    Raises:
        ConfigurationError: it talks to none in this process.
    """
    for holder in (client, getattr(client, "_transport", None)):
        app: object = getattr(holder, "app", None)
        if app is not None:
            return app
    raise ConfigurationError(
        "sign_in needs a client of an application in this process: starlette.testclient.TestClient(app), or "
        "httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=...)"
    )


def middleware_of(app: object) -> SessionMiddleware:
    """Return an application's session middleware, the outermost where there are several.

    It is looked for in the built application, among what is added to it, below what wraps it and in mounted
    applications. Before the first request nothing is built; then one is built here with the same options.

    Raises:
        ConfigurationError: there is none.
    """
    from coatcheck.web.asgi import SessionMiddleware

    waiting: deque[object] = deque([app])
    seen: set[int] = set()
    while waiting:
        part = waiting.popleft()
        if part is None or id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, SessionMiddleware):
            return part
        for added in _waiting(part):
            kind = getattr(added, "cls", None)
            if isinstance(kind, type) and issubclass(kind, SessionMiddleware):
                return _built(kind, cast("_Added", added))
        waiting.extend(_inside(part))
    raise ConfigurationError(
        "sign_in found no session middleware in the application; write "
        "app.add_middleware(SessionMiddleware, sessions=AsyncSessions(...))"
    )


def _waiting(part: object) -> list[object]:
    """Return what is added to an application that nobody has built yet."""
    unbuilt = getattr(part, "middleware_stack", None) is None
    return list(getattr(part, "user_middleware", ())) if unbuilt else []


def _inside(part: object) -> Iterator[object]:
    """Yield what a part of an application wraps or mounts."""
    for name in _INSIDE:
        yield getattr(part, name, None)
    routes = getattr(part, "routes", None)
    if isinstance(routes, list):
        yield from routes


def _built(kind: type[SessionMiddleware], added: _Added) -> SessionMiddleware:
    """Build a middleware that waits to be built; it opens nothing and serves nobody."""
    return kind(_nobody, *added.args, **added.kwargs)


async def _nobody(*_: object) -> None:
    """Stand in for an application."""
