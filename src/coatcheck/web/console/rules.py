"""The form of a revocation by rule: its fields as a `Selection`, and what a preview of it finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from coatcheck.durations import to_millis
from coatcheck.model import Millis, SessionInfo, replace
from coatcheck.selection import Selection, network_of
from coatcheck.sessions import AsyncSessions
from coatcheck.web.console.seeking import refuse_cookie

FIELDS: Final = ("user", "role", "device", "address", "older", "unseen", "who", "memory")
"""The form's fields."""

EXAMPLES: Final = 10
"""Sessions that a preview shows."""

_PAGE: Final = 500
_WHO: Final = {"signed-in": True, "anonymous": False}
_MEMORY: Final = {"remembered": True, "unremembered": False}


class RuleFault(ValueError):
    """Fields that cannot be read: ``faults`` says of each what is wrong, by its name."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        """Keep what is wrong."""
        super().__init__(" ".join(faults.values()))
        self.faults = dict(faults)


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
        RuleFault: some cannot be read; says of each how to write it.
    """
    texts = {name: fields.get(name, "").strip() for name in FIELDS}
    faults: dict[str, str] = {}
    wanted: dict[str, Any] = {
        "user_id": fields.get("user") or None,
        "role": texts["role"] or None,
        "device": texts["device"] or None,
        "address": _read("address", texts, faults, _network),
        "created_before": _read("older", texts, faults, lambda text: now - _length(text)),
        "seen_before": _read("unseen", texts, faults, lambda text: now - _length(text)),
        "signed_in": _WHO.get(texts["who"]),
        "remembered": _MEMORY.get(texts["memory"]),
    }
    if wanted["user_id"] is not None and not texts["user"]:
        faults["user"] = "A user id is more than spaces."
    elif wanted["user_id"] is not None and wanted["signed_in"] is False:
        faults["user"] = "An anonymous session has no user: leave the user id out, or choose who is signed in."
    if faults:
        raise RuleFault(faults)
    return Selection(**wanted) if any(value is not None for value in wanted.values()) else None


def _read(name: str, texts: Mapping[str, str], faults: dict[str, str], read: Callable[[str], Any]) -> Any:
    """Return what a field says, ``None`` where it is empty; what is wrong with it goes to *faults*."""
    try:
        return read(texts[name]) if texts[name] else None
    except ValueError as fault:
        faults[name] = f"{str(fault)[:200]}."
        return None


def _network(text: str) -> str:
    """Return an address or a network as it is written, refused where it is neither."""
    network_of(text)
    return text


def _length(text: str) -> Millis:
    """Return a length of time, refused in a form's words."""
    try:
        return to_millis(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a length of time: write 7d, 12h or 30m") from None


def begun_by(selection: Selection, at: Millis) -> Selection:
    """Return *selection* without sessions that began after *at*: who confirmed the number of then did not mean them."""
    before = at + 1 if selection.created_before is None else min(selection.created_before, at + 1)
    return replace(selection, created_before=before)


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
