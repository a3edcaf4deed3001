"""The demo's own pages in place of the plain ones with which the session middleware refuses.

The gate and the CSRF check answer before the application is asked, so that its exception handlers never see what they
raise. Status, cookies and caching headers stay as the middleware wrote them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, MutableMapping
from html import unescape
from typing import Any, Final, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from coatcheck.errors import SignInRequired
from coatcheck.web.answers import sign_in_location
from coatcheck.web.starlette import user_of

from .pages import see_other
from .signing import CONFIRM, SIGN_IN

Message: TypeAlias = MutableMapping[str, Any]
Render: TypeAlias = Callable[[Request, int, str, str], Response]
"""Makes a page of a request, a status, a title and a sentence."""

REACHED: Final = "coatcheck.demo.reached"
"""The scope's key for a request that the application was asked about."""

_SAID: Final = re.compile(r"<h1>(.*?)</h1><p>(.*?)</p>", re.DOTALL)
_OF_THE_BODY: Final = (b"content-type", b"content-length")
_LOOKING: Final = ("GET", "HEAD")
_WITH_FORMS: Final = ("/devices", "/newsroom", "/support", "/operator/")


class Reached:
    """Innermost, behind the session middleware: says that the application was asked."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand before *app*."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        scope[REACHED] = True
        await self._app(scope, receive, send)


class Refusing:
    """Outside the session middleware: gives the answers that it made alone the demo's look."""

    def __init__(self, app: ASGIApp, *, render: Render) -> None:
        """Stand before *app*; *render* makes pages."""
        self._app = app
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        held: list[Message] = []

        async def look(message: Message) -> None:
            if not held and (scope.get(REACHED) or scope["type"] != "http" or not _is_page(message)):
                await send(message)
            elif not held:
                held.append(message)
            else:
                made = self._made(Request(scope), held[0], message.get("body", b""))
                await made(scope, receive, send)

        await self._app(scope, receive, look)

    def _made(self, request: Request, start: Message, body: bytes) -> Response:
        """Return the demo's answer in place of the library's."""
        status: int = start["status"]
        said = _SAID.search(body.decode())
        if status == 401 and request.method not in _LOOKING:
            made = see_other(back_to_form(request))
        elif said is None:
            made = Response(body, status, media_type="text/html")
        else:
            made = self._render(request, status, unescape(said[1]), unescape(said[2]))
        kept = [pair for pair in start["headers"] if pair[0] not in _OF_THE_BODY]
        names = {name for name, _ in kept}
        made.raw_headers = [*(pair for pair in made.raw_headers if pair[0] not in names), *kept]
        return made


def _is_page(message: Message) -> bool:
    return message["type"] == "http.response.start" and any(
        name == b"content-type" and value.startswith(b"text/html") for name, value in message["headers"]
    )


def back_to_form(request: Request) -> str:
    """Return where a form's sender signs in, or proves it again, to come back to the page that the form is on."""
    page = next((page for page in _WITH_FORMS if request.url.path.startswith(page)), "/")
    try:
        user_of(request)
    except SignInRequired as missing:
        return sign_in_location(SIGN_IN, page, missing.reason)
    return sign_in_location(CONFIRM, page, "step_up")
