"""The form of a revocation by rule: its fields as a `Selection`, and what a preview of it finds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from coatcheck.durations import to_millis
from coatcheck.model import Millis, SessionInfo
from coatcheck.selection import Selection
from coatcheck.sessions import AsyncSessions
from coatcheck.web.console.seeking import refuse_cookie

FIELDS: Final = ("user", "role", "device", "address", "older", "unseen", "who", "memory")
"""The form's fields."""

EXAMPLES: Final = 10
"""Sessions that a preview shows."""

_PAGE: Final = 500
_WHO: Final = {"signed-in": True, "anonymous": False}
_MEMORY: Final = {"remembered": True, "unremembered": False}


class Preview(Struct, frozen=True):
    """What a selection would end: how many were looked at, how many match, and the newest of those."""

    looked: int
    matching: int
    first: tuple[SessionInfo, ...]


def written(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the form's fields as they were written, the empty ones too.

    Raises:
        PastedCookie: a whole cookie is in one of them.
    """
    return {name: refuse_cookie(fields.get(name, "")) for name in FIELDS}


def selection_of(fields: Mapping[str, str], now: Millis) -> Selection | None:
    """Return what the fields select at *now*; ``None`` when nothing is written in them.

    Raises:
        ValueError: one cannot be read; says which and how to write it.
    """
    texts = {name: fields.get(name, "").strip() for name in FIELDS}
    wanted: dict[str, Any] = {
        "user_id": fields.get("user") or None,
        "role": texts["role"] or None,
        "device": texts["device"] or None,
        "address": texts["address"] or None,
        "created_before": now - to_millis(texts["older"]) if texts["older"] else None,
        "seen_before": now - to_millis(texts["unseen"]) if texts["unseen"] else None,
        "signed_in": _WHO.get(texts["who"]),
        "remembered": _MEMORY.get(texts["memory"]),
    }
    return Selection(**wanted) if any(value is not None for value in wanted.values()) else None


async def preview(sessions: AsyncSessions, selection: Selection) -> Preview:
    """Look at every session that *selection* may mean."""
    looked = matching = 0
    first: list[SessionInfo] = []
    after: str | None = None
    while True:
        page, after = await sessions.browse(limit=_PAGE, after=after, user_id=selection.user_id)
        for info in page:
            looked += info.live
            if info.live and selection.matches(info):
                matching += 1
                if len(first) < EXAMPLES:
                    first.append(info)
        if after is None:
            return Preview(looked, matching, tuple(first))
