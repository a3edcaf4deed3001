"""Django's ``set_expiry`` on sessions whose clocks are the policy's: it may end a session sooner, never later.

Seconds count from the last change of the session, as Django's do; a moment is a moment. Both are kept in the session
under keys of their own and judged when it is loaded, on the server. How long the cookie lasts is chosen when somebody
signs in, so there ``0`` means a cookie that ends with the browser, and more than the policy's ordinary lifetime asks
for the remembered one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from django.utils import timezone

from coatcheck.data import Data
from coatcheck.errors import StoreUnavailable
from coatcheck.lifecycle import Judgement, Verdict
from coatcheck.model import Millis
from coatcheck.policy import Policy
from coatcheck.state import State

Expiry: TypeAlias = int | datetime | timedelta | None

EXPIRY: Final = "_session_expiry"
"""Django's own key: seconds, ``0``, or a moment as text."""
DEADLINE: Final = "_session_deadline"
"""When the session ends because of it, in milliseconds since the Unix epoch."""


def deadline_for(value: int | datetime | timedelta, now: Millis) -> Millis:
    """Return when a session ends whose expiry is set to *value* now."""
    if isinstance(value, timedelta):
        return now + value // timedelta(milliseconds=1)
    if isinstance(value, datetime):
        aware = value if timezone.is_aware(value) else timezone.make_aware(value)
        return int(aware.timestamp() * 1000)
    return now + value * 1000


def as_kept(value: int | datetime | timedelta, now: Millis) -> int | str:
    """Return what Django keeps of *value*."""
    if isinstance(value, int):
        return value
    return datetime.fromtimestamp(deadline_for(value, now) / 1000, UTC).isoformat()


def remembered(value: Expiry, policy: Policy, now: Millis) -> bool | None:
    """Say which lifetime a sign-in gets by *value*, in the words of ``login(remember=)``."""
    if value is None:
        return None
    if value == 0:
        return False
    span = policy.span("default")
    ordinary = min((time for time in (span.idle, span.absolute) if time is not None), default=None)
    longer = ordinary is not None and deadline_for(value, now) - now > ordinary
    return True if longer and policy.allow_remember else None


def restart(data: Data, now: Millis) -> None:
    """Let an expiry in seconds begin anew, for the session is being changed."""
    if EXPIRY not in data:
        return
    seconds = data.peek(EXPIRY)
    if isinstance(seconds, int) and seconds != 0 and data.delta():
        data.set(DEADLINE, now + seconds * 1000)


def deadline_in(state: State) -> Millis | None:
    """Return when the session ends because of its own expiry; ``None`` where it has none."""
    moment = state.data.peek(DEADLINE) if DEADLINE in state.data else None
    return moment if isinstance(moment, int) else None


async def end_if_over(state: State) -> None:
    """End a session whose own expiry has come; it is then judged as one that reached its maximum length."""
    record, deadline = state.live, deadline_in(state)
    core = state.core
    if record is None or deadline is None or await core.moment() < deadline:
        return
    state.judgement = Judgement(Verdict.EXPIRED, state.judgement.holder, "absolute")
    state.data = Data({})
    try:
        tombstone = await core.store.end(record.id, reason="absolute", now=await core.moment())
    except StoreUnavailable as fault:
        core.tell_outage(fault)  # it opens nothing here all the same, and is judged again at the next request
    else:
        if tombstone is not None:
            core.emit_end(tombstone)


def ends_at(state: State) -> Millis:
    """Return when the session ends as things stand; for a visitor without one, when one that began now would."""
    record, core = state.live, state.core
    known: tuple[Millis | None, ...]
    if record is not None:
        known = (record.idle_expires_at, record.expires_at, deadline_in(state))
    else:
        now, span = core.now(), core.policy.span("default")
        begun = (None if time is None else now + time for time in (span.idle, span.absolute))
        known = (*begun, deadline_in(state))
    return min((moment for moment in known if moment is not None), default=FAR)


FAR: Final = 253_402_300_799_000
"""The end of the year 9999: what a date can still say of a session that no clock ends."""
