"""Looking at sessions from outside: lists without secrets, digests or data."""

from __future__ import annotations

from typing import cast

from coatcheck import tokens
from coatcheck.errors import ConfigurationError
from coatcheck.manager.core import Core
from coatcheck.manager.credentials import checked_user
from coatcheck.model import Record, SessionInfo, Tombstone, describe
from coatcheck.stores.contract import Browses, Capability, Lists

ENDED_AT_MOST = 50
"""Ended sessions that a user's list shows."""

PAGE_AT_MOST = 1000
"""Sessions on one page of `browse`."""


async def get(core: Core, session_id: str) -> SessionInfo | None:
    """Return one session, live or ended; ``None`` when nothing is known of it or its row cannot be read."""
    if not tokens.is_id(session_id):
        return None
    core.runtime.enter()
    found = (await core.store.find((session_id,)))[0]
    return describe(found, await core.moment()) if isinstance(found, Record | Tombstone) else None


async def of_user(core: Core, user_id: str, *, ended: bool) -> list[SessionInfo]:
    """Return a user's live sessions, most recently seen first, then those that ended, most recent first."""
    core.runtime.enter()
    _require(core, Capability.LIST, "list a user's sessions")
    store, now = cast("Lists", core.store), await core.moment()
    checked_user(user_id)
    listed = [describe(record, now) for record in await store.list_user(user_id, now=now)]
    if ended:
        listed += [describe(stone, now) for stone in await store.list_ended(user_id, limit=ENDED_AT_MOST)]
    return listed


async def browse(
    core: Core, *, limit: int, after: str | None, user_id: str | None
) -> tuple[list[SessionInfo], str | None]:
    """Return a page of all sessions and the cursor of the next."""
    core.runtime.enter()
    _require(core, Capability.BROWSE, "browse sessions")
    if not 1 <= limit <= PAGE_AT_MOST:
        raise ValueError(f"limit must lie between 1 and {PAGE_AT_MOST}")
    page = await cast("Browses", core.store).browse(limit=limit, after=after, user_id=user_id)
    now = await core.moment()
    return [describe(item, now) for item in page.items], page.next


async def count(core: Core) -> int:
    """Return how many live sessions there are."""
    core.runtime.enter()
    _require(core, Capability.BROWSE, "count sessions")
    return await cast("Browses", core.store).count(now=await core.moment())


def _require(core: Core, capability: Capability, what: str) -> None:
    if capability not in core.store.traits.capabilities:
        raise ConfigurationError(f"the {core.store.traits.name} store cannot {what}")
