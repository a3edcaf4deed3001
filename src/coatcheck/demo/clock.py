"""The demo's clock: the time of day and an offset that only grows, so that both time-outs are seen in seconds.

Nothing outside the demo takes it. It never goes back: a session that ended would come to life again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from coatcheck.durations import Duration, in_words, to_millis
from coatcheck.model import Millis
from coatcheck.web.redirects import safe_next

from .forms import Form, post
from .limiter import Limiter
from .visitors import pay

if TYPE_CHECKING:
    from coatcheck.sessions import AsyncSessions

STEPS: Final = {
    "10m": ("+10 min", "Your next request restarts the idle clock; signing out a device asks for your password."),
    "1d": ("+1 day", "Your cookie is a day old then: the next request replaces it with a new one."),
    "7d": ("+1 week", "The idle clock runs out: every session that is not remembered ends."),
}
"""How far one click moves it: the button's words, and what will be seen."""

FARTHEST: Final[Millis] = 400 * 86_400_000
"""How far it goes ahead of the time of day: a year of remembered sessions is seen to end long before."""

_LATEST: Final[Millis] = 253_000_000_000_000
"""A time in the year 9987, after which calendars soon end: a store that says a later one is not believed."""

_BURST: Final = 40
"""Clicks at once of one address; then one a second."""


class DemoClock:
    """Seconds since the Unix epoch, ahead of the time of day by as much as somebody clicked."""

    authoritative = True
    """It is the time, whatever the clock of the store's server says."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        """Begin with the time of day."""
        self._wall = wall
        self._ahead: Millis = 0

    def __call__(self) -> float:
        """Return the time."""
        return self._wall() + self._ahead / 1000

    def forward(self, by: Duration) -> bool:
        """Move forward; ``False`` when that would be more than `FARTHEST` ahead."""
        ahead = self._ahead + to_millis(by)
        if ahead > FARTHEST:
            return False
        self._ahead = ahead
        return True

    def not_before(self, at: Millis) -> None:
        """Move forward to *at* at least: sessions of an earlier run, whose clock was ahead, lie in the past."""
        self._ahead = max(self._ahead, min(at, _LATEST) - int(self._wall() * 1000))

    @property
    def ahead(self) -> str:
        """How far it is ahead, such as ``"1 day 10 minutes"``; empty when it is not."""
        return in_words(self._ahead) if self._ahead >= 1000 else ""


class Moving:
    """The form that moves the clock."""

    def __init__(self, clock: DemoClock, sessions: AsyncSessions, timer: Callable[[], float]) -> None:
        """Move *clock*, which *sessions* go by. *timer* returns seconds that nobody moves."""
        self._clock = clock
        self._sessions = sessions
        self._limiter = Limiter(burst=_BURST, interval=1, clock=timer)

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [post("/clock", self.move)]

    async def move(self, request: Request, form: Form) -> Response:
        """Move the clock, and sweep, so that what has run out is seen to end at once."""
        by = form.get("by", "")
        if by not in STEPS:
            raise HTTPException(400)
        pay(self._limiter, request)
        if not self._clock.forward(by):
            raise HTTPException(409)
        await self._sessions.sweep()
        page = _path_of(request.headers.get("referer", ""))
        return Response(status_code=303, headers={"location": safe_next(page), "cache-control": "private, no-store"})


def _path_of(address: str) -> str | None:
    try:
        return urlsplit(address).path
    except ValueError:
        return None
