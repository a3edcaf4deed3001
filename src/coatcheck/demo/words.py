"""What the pages say of times, reasons and devices: in words, on the server, for people without JavaScript too."""

from __future__ import annotations

from typing import Final

from coatcheck.errors import REASONS
from coatcheck.web.console.words import ago, browser_name, clock_text, moment

__all__ = ["ENDED", "GONE", "ago", "browser_name", "clock_text", "moment", "told"]

GONE: Final = "gone"
"""Why a form is refused whose page was made for somebody signed in, and which came without a session."""

ENDED: Final[dict[str, str]] = {
    "signed_out": "Signed out there",
    "revoked": "Ended from another device, by an operator, or because its cookie was used in two places",
    "evicted": "Made room for a newer sign-in",
    "idle": "Not used for too long",
    "absolute": "Reached its maximum length",
    "superseded": "Replaced by a new sign-in there",
}
"""Why a device in the list is not signed in any more."""


def told(reason: str | None) -> str | None:
    """Return what the person is told on the sign-in page; nothing for a word that is not ours."""
    if reason == GONE:
        return "This browser is no longer signed in: you signed out in another tab, or its cookie was deleted."
    return REASONS.get(reason) if reason and reason != "none" else None
