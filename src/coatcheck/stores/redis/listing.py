"""Verbs that only read many sessions: a user's, or everybody's page by page. What an index names in vain is dropped."""

from __future__ import annotations

import re
from typing import Final

from coatcheck.model import Found, Millis, Record, Tombstone
from coatcheck.stores.redis import layout, scripts
from coatcheck.stores.redis.engine import Engine, pairs
from coatcheck.stores.redis.keys import ids_of
from coatcheck.tokens import is_id
from coatcheck.verbs import Page

_CURSOR: Final = re.compile(r"(\d{1,16})\.(.+)", re.ASCII)
_LOOKS: Final = 10_000
"""How many sessions whose due time has come are looked at in counting; beyond them it is an estimate."""


async def epoch(engine: Engine, user_id: str) -> int:
    """Return the user's epoch and the store-wide one together."""
    keys = engine.keys
    _, rows = await engine.read_of(
        user_id, lambda tag: [keys.epoch(tag, user_id), keys.everybody(keys.own(tag))]
    )  # fmt: skip
    return sum(map(layout.read_epoch, rows))


async def list_user(engine: Engine, user_id: str, now: Millis) -> list[Record]:
    """Return the user's live sessions, most recently seen first."""
    found = await _standing(engine, user_id)
    alive = [row for row in found if isinstance(row, Record) and row.dead_at(now) is None]
    return sorted(alive, key=lambda record: (record.last_seen_at, record.created_at, record.id), reverse=True)


async def list_ended(engine: Engine, user_id: str, limit: int) -> list[Tombstone]:
    """Return the user's tombstones, most recent first, at most *limit*."""
    ended = await _ended(engine, user_id, limit) if limit > 0 else []
    return sorted(ended, key=lambda row: (row.ended_at, row.created_at, row.id), reverse=True)


async def browse(engine: Engine, *, limit: int, after: str | None, user_id: str | None) -> Page:
    """Return a page of everything, newest first.

    Raises:
        ValueError: *after* is not a cursor of an earlier page.
    """
    place = None if after is None else _read_cursor(after)
    if user_id is not None:
        return await _browse_user(engine, user_id, limit, place)
    while True:
        items, place = await _page(engine, limit, place)
        # A page of nothing but rows that cannot be read is no end.
        if items or place is None:
            return Page(tuple(items), None if place is None else f"{place[0]}.{place[1]}")


async def count(engine: Engine, now: Millis) -> int:
    """Return how many live sessions there are.

    A session that the idle clock has locked counts from the moment on at which a sweep has met it.
    """
    [own] = engine.keys.partitions()
    return int(await engine.link.run(engine.call_in(scripts.COUNT, own, now, _LOOKS)))


async def _standing(engine: Engine, user_id: str) -> list[Found]:
    """Return what a user's index names and has not ended."""
    tag, [index] = await engine.read_of(user_id, lambda tag: [engine.keys.index(tag, user_id)])
    rows = await engine.found(ids_of(index, tag)) if index else []
    if any(row is None or getattr(row, "user_id", user_id) != user_id or isinstance(row, Tombstone) for row in rows):
        await engine.link.run(engine.call(scripts.HEAL, tag, tag, user_id))
    return [row for row in rows if getattr(row, "user_id", user_id) == user_id]


async def _ended(engine: Engine, user_id: str, limit: int) -> list[Tombstone]:
    """Return the last *limit* tombstones of a user, all for -1."""
    tag, rows = await engine.run_of(user_id, lambda tag: engine.call(scripts.ENDED_OF, tag, tag, user_id, limit))
    ended = engine.tombstones(rows)
    if any(raw is None for _, raw in pairs(rows)):
        await engine.link.run(engine.call(scripts.HEAL, tag, tag, user_id))
    return list(ended)


async def _browse_user(engine: Engine, user_id: str, limit: int, place: tuple[Millis, str] | None) -> Page:
    """Return a page of one user's rows, who has few."""
    rows = [*await _standing(engine, user_id), *await _ended(engine, user_id, -1)]
    known = {row.id: row for row in rows if isinstance(row, Record | Tombstone)}
    placed = sorted(((row.created_at, row.id), row) for row in known.values())
    later = [row for at, row in reversed(placed) if place is None or at < place]
    items = tuple(later[:limit])
    more = len(later) > limit and items
    return Page(items, f"{items[-1].created_at}.{items[-1].id}" if more else None)


async def _page(
    engine: Engine, limit: int, place: tuple[Millis, str] | None
) -> tuple[list[Record | Tombstone], tuple[Millis, str] | None]:
    """Return the rows after *place* that can be read, and the place after which there is more."""
    [own] = engine.keys.partitions()
    rows = await engine.link.run(engine.call_in(scripts.BROWSE, own, limit + 1, *(place or (0, ""))))
    found = [(rows[at].decode(), int(rows[at + 1]), rows[at + 2]) for at in range(0, len(rows), 3)]
    missing = [name for name, _, raw in found if raw is None]
    if missing:
        await engine.link.run(engine.call_in(scripts.HEAL, own, "", "", *missing))
    read = (layout.decode(name, engine.tenant, raw) for name, _, raw in found[:limit])
    items = [row for row in read if isinstance(row, Record | Tombstone)]
    return items, (found[limit - 1][1], found[limit - 1][0]) if limit and len(found) > limit else None


def _read_cursor(cursor: str) -> tuple[Millis, str]:
    """Return the place that a cursor names."""
    match = _CURSOR.fullmatch(cursor)
    if match is None or not is_id(match[2]):
        raise ValueError("this is not a cursor of an earlier page")
    return int(match[1]), match[2]
