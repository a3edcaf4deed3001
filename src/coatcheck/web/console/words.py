"""What pages say of times, ends and devices: in words, on the server. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from coatcheck.durations import in_words
from coatcheck.model import Device, Millis, SessionInfo

ENDED: Final[dict[str, str]] = {
    "signed_out": "signed out by its user",
    "revoked": "revoked",
    "evicted": "made room for a newer sign-in",
    "idle": "not used for too long (idle timeout)",
    "absolute": "reached its maximum length (absolute timeout)",
    "superseded": "replaced by a new sign-in in the same browser",
}
"""Why a session ended, by its reason."""


def moment(millis: Millis) -> datetime:
    """Return a point in time."""
    return datetime.fromtimestamp(millis / 1000, UTC)


def clock_text(at: datetime) -> str:
    """Return a point in time, such as ``"21 Nov 2026, 12:32 UTC"``."""
    return f"{at.day} {at:%b %Y, %H:%M} UTC"


def _largest(length: Millis) -> str:
    """Return a length of time in its largest unit."""
    unit = max(unit for unit in (60_000, 3_600_000, 86_400_000) if unit <= length)
    return in_words(length // unit * unit)


def _nearest(length: Millis) -> str:
    """Return a length of time, rounded to its largest unit: what is seconds short of 7 days is 7 days."""
    rounded = (length + 30_000) // 60_000 * 60_000
    unit = max(unit for unit in (60_000, 3_600_000, 86_400_000) if unit <= rounded)
    return in_words((rounded + unit // 2) // unit * unit)


def ago(millis: Millis, now: Millis) -> str:
    """Return how long ago something was, in its largest unit, such as ``"3 hours ago"``."""
    return "just now" if now - millis < 60_000 else f"{_largest(now - millis)} ago"


def relative(millis: Millis, now: Millis) -> str:
    """Return where a point in time lies, such as ``"3 hours ago"`` or ``"in 6 days"``."""
    if millis <= now:
        return ago(millis, now)
    return "in less than a minute" if millis - now < 60_000 else f"in {_nearest(millis - now)}"


def browser_name(device: Device | None) -> str:
    """Return the device's name for people."""
    return device.name if device else "Unknown browser"


def known_as(user_id: str | None, names: Mapping[str, str]) -> str | None:
    """Return a user's name with the id, such as ``"Ada Lovelace (u-1815)"``; the id alone where no name is known."""
    return user_id if user_id is None or user_id not in names else f"{names[user_id]} ({user_id})"


def ends_at(info: SessionInfo) -> Millis | None:
    """Return the earlier of a live session's two deadlines; ``None`` where it has none."""
    deadlines = [deadline for deadline in (info.idle_expires_at, info.expires_at) if deadline is not None]
    return min(deadlines, default=None)


def sessions_text(count: int) -> str:
    """Return a number of sessions, such as ``"1 session"`` or ``"1,204 sessions"``."""
    return f"{count:,} session{'' if count == 1 else 's'}"
