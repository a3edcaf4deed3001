"""``SessionMiddleware(moving=Moving(...))``: which sessions are taken over, and until when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from msgspec import Struct

from coatcheck.moving.legacy import RolesOf, Source, UserOf

_ASKS: Final = "identify"


class Moving(Struct, frozen=True):
    """Takes over the sessions of the library that the application used before.

    Attributes:
        source: what reads them, such as `coatcheck.moving.StarletteCookies`.
        until: the last day (UTC) of the window, or the moment it ends. It cannot be extended: what was ended in it
            is remembered that long. Afterwards the option does nothing.
        user_of: says from a session's data whose it is: an application's own user id as text, or ``None``. Sources
            with a convention of their own (Flask-Login, Django) need none.
        roles_of: says from a session's data which roles its user has now; the policy's ``default_roles`` without it.
    """

    source: Source
    until: str | date
    user_of: UserOf | None = None
    roles_of: RolesOf | None = None

    @property
    def until_ms(self) -> int:
        """When the window ends, in milliseconds since the Unix epoch.

        Raises:
            ValueError: ``until`` is neither a date nor a moment.
        """
        moment = datetime.fromisoformat(self.until) if isinstance(self.until, str) else self.until
        is_day = isinstance(self.until, str) and len(self.until) == len("2027-01-31")
        if is_day or not isinstance(moment, datetime):
            moment = datetime.combine(moment, time(), UTC) + timedelta(days=1)
        if moment.tzinfo is None:
            raise ValueError("a moment needs its time zone")
        return int(moment.timestamp() * 1000)

    def faults(self) -> Iterator[str]:
        """Yield what is wrong, one sentence each."""
        try:
            _ = self.until_ms
        except (TypeError, ValueError):
            yield f'Moving(until={self.until!r}) must be a day such as "2027-01-31", or a moment with its time zone'
        if not callable(getattr(self.source, _ASKS, None)):
            yield f"Moving({self.source!r}) needs a source, such as Moving(StarletteCookies(secret_key), until=...)"
            return
        yield from self.source.faults()
        if self.user_of is None and self.source.user_of is None:
            yield (
                "Moving(user_of=...) is missing: without it nobody could be signed out again; write "
                'user_of=lambda data: data.get("user_id"), or user_of=lambda data: None where nobody signs in'
            )
        for name in ("user_of", "roles_of"):
            given = getattr(self, name)
            if given is not None and not callable(given):
                yield f"Moving({name}={given!r}) must be a function of a session's data"
