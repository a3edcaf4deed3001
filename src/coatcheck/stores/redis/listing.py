"""Verbs that read a user's sessions. What an index names in vain is dropped."""

from __future__ import annotations

from coatcheck.model import Found, Millis, Record, Tombstone
from coatcheck.stores.redis import layout, scripts
from coatcheck.stores.redis.engine import Engine, pairs
from coatcheck.stores.redis.keys import ids_of


async def epoch(engine: Engine, user_id: str) -> int:
    """Return the user's epoch and the store-wide one together."""
    keys = engine.keys
    _, rows = await engine.read_of(
        user_id, lambda tag: [keys.epoch(tag, user_id), keys.everybody(keys.own(tag))]
    )  # fmt: skip
    return sum(map(layout.read_epoch, rows))


async def list_user(engine: Engine, user_id: str, now: Millis) -> list[Record]:
    """Return the user's live sessions, most recently seen first."""
    found = await standing(engine, user_id)
    alive = [row for row in found if isinstance(row, Record) and row.dead_at(now) is None]
    return sorted(alive, key=lambda record: (record.last_seen_at, record.created_at, record.id), reverse=True)


async def list_ended(engine: Engine, user_id: str, limit: int) -> list[Tombstone]:
    """Return the user's tombstones, most recent first, at most *limit*."""
    rows = await ended(engine, user_id, limit) if limit > 0 else []
    return sorted(rows, key=lambda row: (row.ended_at, row.created_at, row.id), reverse=True)


async def standing(engine: Engine, user_id: str) -> list[Found]:
    """Return what a user's index names and has not ended."""
    tag, [index] = await engine.read_of(user_id, lambda tag: [engine.keys.index(tag, user_id)])
    rows = await engine.found(ids_of(index, tag)) if index else []
    if any(row is None or getattr(row, "user_id", user_id) != user_id or isinstance(row, Tombstone) for row in rows):
        await engine.link.run(engine.call(scripts.HEAL, tag, tag, user_id))
    return [row for row in rows if getattr(row, "user_id", user_id) == user_id]


async def ended(engine: Engine, user_id: str, limit: int) -> list[Tombstone]:
    """Return the last *limit* tombstones of a user, all for -1."""
    tag, rows = await engine.run_of(user_id, lambda tag: engine.call(scripts.ENDED_OF, tag, tag, user_id, limit))
    found = engine.tombstones(rows)
    if any(raw is None for _, raw in pairs(rows)):
        await engine.link.run(engine.call(scripts.HEAL, tag, tag, user_id))
    return list(found)
