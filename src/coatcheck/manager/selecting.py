"""Bulk work on chosen sessions: counting them, and ending them one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from coatcheck.errors import StoreUnavailable, Unconfirmed
from coatcheck.manager import ending, listing
from coatcheck.manager.core import Core
from coatcheck.model import SessionInfo, replace
from coatcheck.selection import EVERYTHING, Selection

PAGE: Final = 500
"""Rows that one step of the walk reads."""

Progress: TypeAlias = Callable[[int, int], object]
"""Told how many sessions were looked at, and how many of them were counted or ended."""


class Walk:
    """One way through all rows that a selection may mean, newest first, and how far it has come."""

    def __init__(self, core: Core, selection: Selection, on_progress: Progress | None) -> None:
        """Stand at the beginning.

        Raises:
            ValueError: the selection is of sessions that have ended.
        """
        if selection.ended or selection.reason is not None:
            raise ValueError("a session that has ended cannot be ended again; leave out ended and reason")
        self.core = core
        self.looked = self.done = 0
        # Also one that the idle clock has only locked: showing a factor would bring it back.
        self._selection = replace(selection, ended=None)
        self._on_progress = on_progress
        self._after: str | None = None
        self._begun = False

    async def page(self) -> list[SessionInfo] | None:
        """Return the next page; ``None`` behind the last."""
        if self._begun and self._after is None:
            return None
        if self._begun:
            await self.core.runtime.pause(0)
        self._begun = True
        user_id = self._selection.user_id
        infos, self._after = await listing.browse(self.core, limit=PAGE, after=self._after, user_id=user_id)
        return infos

    def meant(self, page: list[SessionInfo]) -> Iterator[SessionInfo]:
        """Give those of a page that are meant and left no tombstone yet, and tell of the progress after each."""
        for info in page:
            self.looked += 1
            if info.ended_at is None and self._selection.matches(info):
                yield info
                self._tell()
        self._tell()

    def _tell(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self.looked, self.done)


async def count_where(core: Core, selection: Selection, on_progress: Progress | None = None) -> int:
    """Return how many live sessions match."""
    walk = Walk(core, selection, on_progress)
    while (page := await walk.page()) is not None:
        for info in walk.meant(page):
            walk.done += info.live
    return walk.done


async def revoke_where(core: Core, selection: Selection, on_progress: Progress | None = None) -> int:
    """End every session that matches; returns how many no clock had ended before.

    Where replicas are missing it goes on to the end, asks once more for those, and then says so once.
    """
    walk = Walk(core, selection, on_progress)
    if replace(selection, ended=None) == EVERYTHING:
        raise ValueError("this selects everybody: revoke_all() ends all sessions, and refuses sign-ins under way too")
    unconfirmed: list[str] = []
    try:
        while (page := await walk.page()) is not None:
            for info in walk.meant(page):
                if await _is_still_meant(core, selection, info):
                    await _revoke(core, info.id, walk, unconfirmed)
        await _confirm(core, unconfirmed, walk.done)
    except StoreUnavailable as fault:
        fault.add_note(f"{walk.done} sessions were ended and stay ended; run it again for the rest.")
        raise
    return walk.done


async def _revoke(core: Core, session_id: str, walk: Walk, unconfirmed: list[str]) -> None:
    try:
        walk.done += await ending.revoke(core, session_id, user_id=None)
    except Unconfirmed as fault:
        walk.done += any(stone.reason == "revoked" for stone in fault.ended)
        unconfirmed.append(session_id)


async def _is_still_meant(core: Core, selection: Selection, info: SessionInfo) -> bool:
    """Look again where the answer may have changed since the page was read: somebody came back, or has other roles."""
    if selection.seen_before is None and selection.role is None and selection.address is None:
        return True
    now = await listing.get(core, info.id)
    return now is not None and now.ended_at is None and replace(selection, ended=None).matches(now)


async def _confirm(core: Core, ids: list[str], ended: int) -> None:
    """Wait for the replicas once more: what has ended is ended again.

    Raises:
        Unconfirmed: too few answer still.
    """
    for session_id in ids:
        try:
            await ending.revoke(core, session_id, user_id=None)
        except Unconfirmed as fault:
            raise Unconfirmed(
                f"{ended} sessions were ended, and too few replicas confirmed {len(ids)} of them: {fault}. After a "
                "failover look for sessions that came back"
            ) from fault
