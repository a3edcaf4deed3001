"""The sweeper: burying what has expired, and forgetting tombstones. Scripts stay short; a long sweep is many."""

from __future__ import annotations

import heapq
from collections import Counter
from typing import Final

from coatcheck.model import Millis, Tombstone
from coatcheck.stores.redis import scripts
from coatcheck.stores.redis.engine import Engine, pairs
from coatcheck.stores.redis.link import Call
from coatcheck.stores.redis.walking import share
from coatcheck.verbs import Buried

_BURIED: Final = 16
"""Sessions that one script buries at most: while it runs, everybody else waits."""
_BATCH: Final = 100
"""Tombstones that one script forgets at most."""
_LOOKS: Final = 100
"""Sessions that one script looks at, most of which were renewed."""
_NO_BOUND: Final = -1


async def sweep(engine: Engine, *, now: Millis, limit: int, forget_before: Millis, max_ended: int) -> Buried:
    """Bury up to *limit* expired sessions and answer them; forget old tombstones and those beyond *max_ended*."""
    own, *others = engine.keys.partitions()
    if others:
        return await _sweep_partitions(engine, now, limit, forget_before, max_ended)
    ended = await _bury(engine, own, now, limit)
    left = 10 * limit
    while left > 0:
        most = min(_BATCH, left)
        gone = await engine.link.run(_forgetting(engine, own, forget_before, max_ended, most))
        left -= gone
        if gone < most:
            break
    return Buried(ended, more=limit > 0 and (len(ended) >= limit or left <= 0))


async def _bury(engine: Engine, own: str, now: Millis, limit: int) -> tuple[Tombstone, ...]:
    """Bury up to *limit* expired sessions of the one partition."""
    ended: tuple[Tombstone, ...] = ()
    while len(ended) < limit:
        most = min(limit - len(ended), _BURIED)
        rows = await engine.link.run(_sweeping(engine, own, now, most))
        ended += engine.tombstones(rows)
        if len(rows) // 2 < most and len(rows) % 2 == 0:
            break
    return ended


async def _sweep_partitions(engine: Engine, now: Millis, limit: int, before: Millis, max_ended: int) -> Buried:
    """Bury and forget in all partitions together."""
    noted: dict[str, list[int]] = {}
    ended = await share(
        engine,
        limit,
        count=lambda own: engine.call_in(scripts.STAND, own, now),
        act=lambda own, most: _sweeping(engine, own, now, most),
        noted=noted,
    )
    new = Counter(engine.keys.own(tombstone.id[1:4]) for tombstone in ended)
    kept = {own: tombstones + new[own] for own, (_, tombstones) in noted.items() if tombstones or new[own]}
    more = bool(kept) and await _forget_everywhere(engine, kept, before, max_ended, 10 * limit)
    return Buried(ended, more=limit > 0 and (len(ended) >= limit or more))


async def _forget_everywhere(engine: Engine, kept: dict[str, int], before: Millis, max_ended: int, limit: int) -> bool:
    """Forget up to *limit* old tombstones of the partitions that have some, and of the oldest beyond *max_ended*.

    Answers whether a bound stopped it.
    """
    most = min(_BATCH, limit)
    gone = await engine.link.run_many([_forgetting(engine, own, before, _NO_BOUND, most) for own in kept])
    more = any(forgotten == most for forgotten in gone)
    kept = {own: ended - forgotten for (own, ended), forgotten in zip(kept.items(), gone, strict=True)}
    beyond = sum(kept.values()) - max_ended
    surplus = min(beyond, limit)
    if surplus <= 0:
        return more
    rows = await engine.link.run_many([engine.call_in(scripts.OLDEST, own, surplus) for own in kept])
    ends = ((at, name, own) for own, each in zip(kept, rows, strict=True) for name, at in pairs(each))
    oldest = heapq.nsmallest(surplus, ends)
    doomed = Counter(own for *_, own in oldest)
    await engine.link.run_many([
        _forgetting(engine, own, 0, kept[own] - number, number) for own, number in doomed.items()
    ])  # fmt: skip
    return more or beyond > limit


def _sweeping(engine: Engine, own: str, now: Millis, most: int) -> Call:
    return engine.call_in(scripts.SWEEP, own, now, most, _LOOKS)


def _forgetting(engine: Engine, own: str, before: Millis, most: int, limit: int) -> Call:
    return engine.call_in(scripts.FORGET, own, before, most, limit)
