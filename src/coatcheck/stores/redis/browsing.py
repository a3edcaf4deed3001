"""Everybody's sessions, page by page and counted; on Cluster over all partitions.

The partitions of neighbouring slots are asked together: a script is sent to the node of the first of them, and reads
those that this node has. A partition that it does not have, because the border between two nodes lies there or a slot
is on its way, is named in the answer and asked by itself.
"""

from __future__ import annotations

import heapq
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Final, TypeAlias

from coatcheck.model import Millis, Record, Tombstone
from coatcheck.stores.redis import listing, scripts
from coatcheck.stores.redis.engine import Engine, pairs
from coatcheck.stores.redis.link import Call
from coatcheck.tokens import is_id
from coatcheck.verbs import Page

Place: TypeAlias = tuple[Millis, str]
"""When a session began, and its id: pages are ordered by it, the latest first."""
Group: TypeAlias = tuple[str, ...]
"""The own tags of partitions that are asked together."""

TOGETHER: Final = 64
"""Partitions that one script looks at."""
_LEAST: Final = 4
"""Sessions that every group is asked for at least, so that it is seldom asked again."""
_LOOKS: Final = 10_000
"""How many sessions whose due time has come are looked at in counting; beyond them it is an estimate."""
_CURSOR: Final = re.compile(r"(\d{1,16})\.(.+)", re.ASCII)


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
    groups = _groups(engine)
    looks = _LOOKS if len(groups) == 1 else 2 * _LOOKS // len(groups)
    live = 0
    while groups:
        calls = [engine.call_in(scripts.COUNT, group[0], now, looks, *group) for group in groups]
        answers = await engine.link.run_many(calls)
        live += sum(int(number) for number, *_ in answers)
        groups = [(tag.decode(),) for _, *elsewhere in answers for tag in elsewhere]
    return live


async def newest(engine: Engine, most: int, place: Place | None) -> list[Place]:
    """Return the places of the latest *most* sessions after *place*.

    Each group is asked for a few. A group whose few are all among the latest may have more of them and is asked again,
    from there on and for as many as may be wanted.
    """
    found: list[Place] = []
    floor = "-inf"
    asked: dict[Group, Place | None] = dict.fromkeys(_groups(engine), place)
    share = most if len(asked) == 1 else min(most, max(_LEAST, 2 * most // len(asked)))
    while asked:
        answers = await engine.link.run_many([_newest(engine, group, share, at, floor) for group, at in asked.items()])
        again: dict[Group, Place | None] = {}
        for (group, at), (tags, rows) in zip(asked.items(), answers, strict=True):
            elsewhere = [tag.decode() for tag in tags]
            again.update(((tag,), at) for tag in elsewhere)
            places = [(int(began), name) for name, began in pairs(rows)]
            found += places
            if len(places) == share:
                again[tuple(tag for tag in group if tag not in elsewhere)] = places[-1]
        found = heapq.nlargest(most, found)
        asked = {group: at for group, at in again.items() if at is None or len(found) < most or at > found[-1]}
        share, floor = most, str(found[-1][0]) if len(found) == most else floor
    return found


def _newest(engine: Engine, group: Group, most: int, place: Place | None, floor: str) -> Call:
    after = place or (0, "")
    return Call(scripts.NEWEST, (engine.keys.begun(group[0]),), (engine.keys.prefix, most, *after, floor, *group))


def _groups(engine: Engine) -> list[Group]:
    """Return all partitions in groups."""
    owns = engine.keys.partitions()
    return [owns[at : at + TOGETHER] for at in range(0, len(owns), TOGETHER)]


async def _browse_user(engine: Engine, user_id: str, limit: int, place: Place | None) -> Page:
    """Return a page of one user's rows, who has few."""
    rows = [*await listing.standing(engine, user_id), *await listing.ended(engine, user_id, -1)]
    known = {row.id: row for row in rows if isinstance(row, Record | Tombstone)}
    placed = sorted(((row.created_at, row.id), row) for row in known.values())
    later = [row for at, row in reversed(placed) if place is None or at < place]
    items = tuple(later[:limit])
    more = len(later) > limit and items
    return Page(items, f"{items[-1].created_at}.{items[-1].id}" if more else None)


async def _page(engine: Engine, limit: int, place: Place | None) -> tuple[list[Record | Tombstone], Place | None]:
    """Return the rows after *place* that can be read, and the place after which there is more."""
    places = await newest(engine, limit + 1, place)
    ids = [name for _, name in places[:limit]]
    rows = await engine.found(ids)
    missing = [name for name, row in zip(ids, rows, strict=True) if row is None]
    if missing:
        await _heal(engine, missing)
    items = [row for row in rows if isinstance(row, Record | Tombstone)]
    return items, places[limit - 1] if limit and len(places) > limit else None


async def _heal(engine: Engine, missing: Sequence[str]) -> None:
    """Drop from the indexes of their partitions what they name and is not there."""
    named: dict[str, list[str]] = defaultdict(list)
    for each in missing:
        named[engine.keys.own(each[1:4])].append(each)
    await engine.link.run_many([engine.call_in(scripts.HEAL, own, "", "", *ids) for own, ids in named.items()])


def _read_cursor(cursor: str) -> Place:
    """Return the place that a cursor names."""
    match = _CURSOR.fullmatch(cursor)
    if match is None or not is_id(match[2]):
        raise ValueError("this is not a cursor of an earlier page")
    return int(match[1]), match[2]
