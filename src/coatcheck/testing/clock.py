"""Time as an argument: a clock that stands still until a test moves it."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from coatcheck.blocking import Sessions
from coatcheck.durations import Duration, to_millis
from coatcheck.model import Millis
from coatcheck.sessions import AsyncSessions

START: Final = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
"""Where a `FrozenClock` begins, so that a failure reads the same on every day."""

ClockT = TypeVar("ClockT", bound="FrozenClock")


class FrozenClock:
    """A clock that moves only when told.

    It is what ``AsyncSessions(clock=...)`` and ``Sessions(clock=...)`` take::

        clock = FrozenClock()
        sessions = AsyncSessions("memory://", clock=clock)
        clock.advance("31m")
    """

    authoritative = True
    """It is the time, whatever the clock of the store's server says: a test moves this one only."""

    def __init__(self, start: datetime = START) -> None:
        """Stand at *start*, which must have a time zone.

        Raises:
            ValueError: *start* has no time zone.
        """
        if start.tzinfo is None:
            raise ValueError("a clock starts at a datetime with a time zone, such as datetime(2026, 1, 1, tzinfo=UTC)")
        self._millis: Millis = (start - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)

    def __call__(self) -> float:
        """Return seconds since the Unix epoch.

        Whoever multiplies by 1000 and drops the fraction gets `now_ms` exactly: where the quotient was rounded down,
        the next float is returned.
        """
        seconds = self._millis / 1000
        return seconds if int(seconds * 1000) == self._millis else math.nextafter(seconds, math.inf)

    def __repr__(self) -> str:
        """Show the time."""
        return f"<FrozenClock at {self.now.isoformat(timespec='milliseconds')}>"

    @property
    def now(self) -> datetime:
        """The time, in UTC."""
        return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=self._millis)

    @property
    def now_ms(self) -> Millis:
        """The time in milliseconds since the Unix epoch."""
        return self._millis

    def advance(self, by: Duration) -> None:
        """Move forward by a `datetime.timedelta` or by text such as ``"31m"``.

        Raises:
            ValueError: *by* is not a length of time, or it is negative: time does not run backwards.
        """
        self._millis += to_millis(by)


@contextmanager
def freeze(sessions: AsyncSessions | Sessions, clock: ClockT) -> Generator[ClockT]:
    """Let *sessions* read *clock* for the length of a ``with`` block, where the manager is built elsewhere.

    Its own clock returns afterwards, with what corrects it and the time of the next sweep. Sessions made under one
    clock are judged by the other, so begin a `FrozenClock` at ``datetime.now(UTC)`` if sessions are to live on.
    """
    core = sessions._core  # noqa: SLF001 - a test changes what an application cannot
    before, follows = (core._clock, core.offset, core.next_sweep), (core.follows, core.watch)  # noqa: SLF001 - as above
    core._clock, core.offset, core.follows, core.watch = clock, 0, False, None  # noqa: SLF001 - as above
    try:
        yield clock
    finally:
        core._clock, core.offset, core.next_sweep = before  # noqa: SLF001 - as above
        core.follows, core.watch = follows
