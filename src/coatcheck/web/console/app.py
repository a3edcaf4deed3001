"""The console as an ASGI application: a guard before it, hardened answers, and the pages inside."""

from __future__ import annotations

import json
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount
from starlette.types import ASGIApp, ExceptionHandler, Receive, Scope, Send

from coatcheck.errors import CoatcheckError, ConfigurationError, Unconfirmed
from coatcheck.sessions import AsyncSessions
from coatcheck.web.answers import RETRY_AFTER, prefers_html
from coatcheck.web.caching import forbid_storing
from coatcheck.web.console.acting import Acting
from coatcheck.web.console.guarding import Guard, checked_guard, operator_of
from coatcheck.web.console.looking import Looking
from coatcheck.web.console.naming import FindUser, NameOf, Naming
from coatcheck.web.console.pages import OPERATOR, Pages
from coatcheck.web.console.places import place_of
from coatcheck.web.console.ruling import Ruling
from coatcheck.web.console.seeking import PastedCookie
from coatcheck.web.console.stories import Stories
from coatcheck.web.console.users import Users
from coatcheck.web.files import Files
from coatcheck.web.proxies import TrustedProxies, parse_trusted

Message: TypeAlias = MutableMapping[str, Any]

HEADERS: Final[dict[str, str]] = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    # "no-referrer" would make browsers send "Origin: null" with our own forms.
    "referrer-policy": "same-origin",
    "x-robots-tag": "noindex, nofollow",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
"""Headers that every answer of the console has."""

_SAID: Final[dict[int, tuple[str, str]]] = {
    400: ("That cannot be read", "Go back, reload the page and try again. Nothing was changed."),
    403: ("That form came from elsewhere", "Forms are accepted from the console's own pages. Nothing was changed."),
    404: ("There is nothing here", "The address may be mistyped, or what it named has been forgotten."),
    405: ("That does not work from a link", "This address only takes a form. Nothing was changed."),
    413: ("That was too much", "The form is larger than this page accepts. Nothing was changed."),
    415: ("That cannot be read", "It is not in the format that these pages send. Nothing was changed."),
    500: ("Something went wrong", "The fault is on our side and was written to the log."),
}
_NOT_YOU: Final = ("This is for operators", "Your account may not see this page.")


class Console:
    """The operator's page, to mount in any ASGI application: ``app.mount("/operator", Console(sessions, guard=...))``.

    It has no session of its own. *guard* decides about every request before anything is looked up; it may use the
    application's session. Every act is a line of the logger ``coatcheck.console`` with the operator's name.

    Args:
        sessions: the manager whose sessions are shown and ended.
        guard: is given the request and answers ``True`` or the operator's name to let it in, ``False``, ``None`` or
            ``""`` to refuse it (403); may be a coroutine function. `everybody` for a console that something before the
            application guards.
        trusted_proxies: as of `SessionMiddleware`; needed behind a proxy only for browsers without ``Sec-Fetch-Site``.
        home: the address that leads back to the application.
        name_of: is given a user id and returns the name that is shown beside it, or ``None``; may be a coroutine
            function. When it fails, that is logged and ids are shown alone.
        find_user: is given what an operator typed into the search field and returns the ids of the users that may be
            meant; may be a coroutine function. Without it users are found by the id that ``login()`` was given.

    Raises:
        ConfigurationError: there is no guard, or an option is wrong; says how to mend it.
    """

    def __init__(
        self,
        sessions: AsyncSessions,
        *,
        guard: Guard | None = None,
        trusted_proxies: Sequence[str] | int = (),
        home: str | None = None,
        name_of: NameOf | None = None,
        find_user: FindUser | None = None,
    ) -> None:
        """Put the pages together; nothing is opened."""
        if not isinstance(sessions, AsyncSessions):
            raise ConfigurationError(f"Console needs an AsyncSessions, not {type(sessions).__name__}")
        self._guard = checked_guard(guard)
        proxies, faults = parse_trusted(trusted_proxies)
        if faults:
            raise ConfigurationError(faults)
        self._pages = Pages(sessions, home=home)
        self._files = Starlette(routes=[Mount("/static", Files(directory=Path(__file__).parent / "static"))])
        self._inside = self._application(sessions, proxies, Naming(name_of, find_user))

    def _application(self, sessions: AsyncSessions, proxies: TrustedProxies, naming: Naming) -> ASGIApp:
        users, stories = Users(sessions, self._pages, naming), Stories(sessions, self._pages, naming)
        routes = [
            *Looking(sessions, self._pages, naming, users, stories).routes(),
            *Acting(sessions, users, stories, proxies).routes(),
            *Ruling(sessions, self._pages, naming, proxies).routes(),
        ]
        return Starlette(routes=routes, exception_handlers=_handlers(self._pages))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._inside(scope, receive, send)
            return
        place = place_of(scope)
        if place.startswith("/static/"):
            await self._files({**scope, "path": place, "root_path": ""}, receive, _hardened(send))
        elif not place:
            await _to_first(scope)(scope, receive, _hardened(send, private=True))
        else:
            await self._guarded(scope, receive, _hardened(send, private=True))

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask the guard, then serve."""
        request = Request(scope)
        operator = await operator_of(self._guard, request)
        if operator is None:
            await self._refusal(request)(scope, receive, send)
            return
        scope[OPERATOR] = operator
        await self._inside(scope, receive, send)

    def _refusal(self, request: Request) -> Response:
        title, detail = _NOT_YOU
        if prefers_html(request.headers.get("accept", "")):
            return self._pages.message(request, 403, title, detail)
        problem = {"type": "about:blank", "title": title, "status": 403, "detail": detail}
        return Response(json.dumps(problem), 403, media_type="application/problem+json")


def _to_first(scope: Scope) -> Response:
    """Add the slash that relative addresses need."""
    query = scope["query_string"].decode("latin-1")
    return RedirectResponse(f"{scope['path'].rpartition('/')[2]}/{f'?{query}' if query else ''}", 307)


def _hardened(send: Send, *, private: bool = False) -> Send:
    """Add `HEADERS` to an answer; a *private* one is stored nowhere."""

    async def harden(message: Message) -> None:
        if message["type"] == "http.response.start":
            ours = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            there = [pair for pair in message.get("headers", ()) if pair[0].lower().decode() not in HEADERS]
            message["headers"] = [*(forbid_storing(there) if private else there), *ours]
        await send(message)

    return harden


def _handlers(pages: Pages) -> dict[Any, ExceptionHandler]:
    """Return what turns errors into pages."""

    async def refused(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        title, detail = _SAID.get(status, ("That did not work", "Go back and try again."))
        page = pages.message(request, status, title, detail)
        page.headers.update(dict(error.headers or {}) if isinstance(error, HTTPException) else {})
        return page

    async def session_error(request: Request, error: Exception) -> Response:
        if isinstance(error, Unconfirmed):
            detail = "It was done, but too few replicas confirmed it: a failover may undo it. Do it again to ask again."
            return pages.message(request, 503, error.title, detail)
        if isinstance(error, ConfigurationError):
            return pages.message(request, 501, "This store cannot do that", str(error))
        if not isinstance(error, CoatcheckError) or error.status == 500:
            raise error
        page = pages.message(request, error.status, error.title, "Nothing is known to have changed. Try again.")
        page.headers["retry-after"] = str(RETRY_AFTER)
        return page

    async def pasted(request: Request, error: Exception) -> Response:
        return pages.message(request, 400, "That is a secret", str(error))

    return {HTTPException: refused, CoatcheckError: session_error, PastedCookie: pasted, 500: refused}
