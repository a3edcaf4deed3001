"""What the pages say of times, reasons and devices: in words, on the server, for people without JavaScript too."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from coatcheck.durations import in_words
from coatcheck.errors import REASONS
from coatcheck.model import Device, Millis

ENDED: Final[dict[str, str]] = {
    "signed_out": "Signed out there",
    "revoked": "Signed out from another device",
    "evicted": "Made room for a newer sign-in",
    "idle": "Not used for too long",
    "absolute": "Reached its maximum length",
    "superseded": "Replaced by a new sign-in there",
}
"""Why a device in the list is not signed in any more."""


def told(reason: str | None) -> str | None:
    """Return what the person is told on the sign-in page; nothing for a word that is not ours."""
    return REASONS.get(reason) if reason and reason != "none" else None


def moment(millis: Millis) -> datetime:
    """Return a point in time."""
    return datetime.fromtimestamp(millis / 1000, UTC)


def clock_text(at: datetime) -> str:
    """Return a point in time, such as ``"21 Nov 2026, 12:32 UTC"``."""
    return f"{at.day} {at:%b %Y, %H:%M} UTC"


def ago(millis: Millis, now: Millis) -> str:
    """Return how long ago something was, in its largest unit, such as ``"3 hours ago"``."""
    passed = now - millis
    if passed < 60_000:
        return "just now"
    largest = max(unit for unit in (60_000, 3_600_000, 86_400_000) if unit <= passed)
    return f"{in_words(passed // largest * largest)} ago"


def browser_name(device: Device | None) -> str:
    """Return the device's name for people."""
    return device.name if device else "Unknown browser"
