"""A throw-away session to copy and to end by hand. It is the one session whose cookie a page shows.

It is of a manager of its own, in this process's memory, opens nothing but `PREFIX` and ends after a minute, so whoever
reads the page over somebody's shoulder gains nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, ExceptionHandler

from coatcheck.demo.forms import Form, post
from coatcheck.demo.limiter import Limiter
from coatcheck.demo.pages import see_other
from coatcheck.demo.visitors import pay
from coatcheck.discreet import Discreet
from coatcheck.errors import InsecureTransport
from coatcheck.policy import Policy
from coatcheck.sessions import AsyncSessions
from coatcheck.web.starlette import SessionMiddleware, session_of

PREFIX: Final = "/proof/by-hand"
PAGE: Final = "/proof"
PLACE: Final = "stolen-cookie"
"""The experiment beside which it stands."""

POLICY: Final = Policy(
    idle_timeout=None,
    absolute_timeout="60s",
    persistent=False,
    allow_remember=False,
    max_sessions=100,
    keep_ended="60s",
    max_ended=200,
    rotate_every=None,
)
"""A minute, and room for a hundred visitors at once: one more ends the one used longest ago."""

_NAME: Final = "__Secure-proof"
_VISITOR: Final = "visitor"
_HOST: Final = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?|\[[0-9a-f:]+\](:[0-9]+)?")


class Copy(Discreet, frozen=True):
    """A session that a visitor made to try, as a line for the terminal."""

    line: str

    def __repr__(self) -> str:
        """Show nothing: the line holds a cookie."""
        return "Copy()"


class ByHand:
    """Makes and ends such sessions, and answers the line in the terminal."""

    def __init__(self, clock: Callable[[], float], limiter: Limiter) -> None:
        """Begin with none. *clock* returns seconds since the Unix epoch; *limiter* says how often one may begin."""
        self._limiter = limiter
        self.sessions = AsyncSessions("memory://", policy=POLICY, clock=clock)

    def app(self, handlers: dict[Any, ExceptionHandler]) -> ASGIApp:
        """Return the application, which stands outside the demo's own sessions; *handlers* make its error pages."""
        routes = [
            Route(PREFIX, self.tell, methods=["GET"]),
            post(f"{PREFIX}/begin", self.begin),
            post(f"{PREFIX}/end", self.end),
        ]
        sessions = Middleware(SessionMiddleware, sessions=self.sessions, cookie_name=_NAME, path=PAGE)
        return Starlette(routes=routes, middleware=[sessions], exception_handlers=handlers)

    async def tell(self, request: Request) -> Response:
        """Say in one line whether the request is signed in."""
        state = "signed in" if session_of(request).signed_in else "signed out"
        return PlainTextResponse(f"{state}\n", headers={"cache-control": "no-store"})

    async def begin(self, request: Request, _form: Form) -> Response:
        """Sign a visitor in for a minute.

        Raises:
            HTTPException: 429: this address began too many.
        """
        pay(self._limiter, request)
        epoch = await self.sessions.epoch(_VISITOR)
        try:
            await session_of(request).login(_VISITOR, epoch=epoch)
        except InsecureTransport:
            return _back("insecure")
        return _back("begun")

    async def end(self, request: Request, _form: Form) -> Response:
        """Sign the visitor out."""
        await session_of(request).logout()
        return _back("ended")

    async def copy_of(self, request: Request) -> Copy | None:
        """Return the visitor's throw-away session while it lives."""
        cookie = request.cookies.get(_NAME if request.url.scheme == "https" else _NAME.removeprefix("__Secure-"))
        session = await self.sessions.load(cookie)
        return Copy(_line(request, cookie)) if cookie is not None and session.signed_in else None


def _back(said: str) -> Response:
    return see_other(f"{PAGE}?by-hand={said}#{PLACE}")


def _line(request: Request, cookie: str) -> str:
    """Return a line that works when pasted into a shell of any system: nothing in it needs more than double quotes."""
    host, name = request.headers.get("host", ""), _NAME
    if not _HOST.fullmatch(host):
        host = "localhost"
    if request.url.scheme != "https":
        name = name.removeprefix("__Secure-")
    return f'curl -s -b "{name}={cookie}" {request.url.scheme}://{host}{PREFIX}'
