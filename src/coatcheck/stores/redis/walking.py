"""Going through the partitions of a Cluster, so many at a time, for work that has a bound over all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from coatcheck.errors import Unconfirmed
from coatcheck.model import Tombstone
from coatcheck.stores.redis.engine import Engine
from coatcheck.stores.redis.link import Call, Unacknowledged

STEP: Final = 1_024
"""Partitions asked in one pipeline."""


async def share(
    engine: Engine,
    limit: int,
    *,
    count: Callable[[str], Call],
    act: Callable[[str, int], Call],
    confirm: bool = False,
    noted: dict[str, list[int]] | None = None,
) -> tuple[Tombstone, ...]:
    """Ask each partition how much it has to do, and let them do up to *limit* together.

    *count* answers numbers, the first of which is what there may be to do; all that were asked for are *noted*. *act*
    answers ids and tombstones in turn, and one thing more if it has not looked at all that it was asked for.

    Begins where the last walk stopped for its limit, so that no partition waits behind another for ever. What a
    partition was given and did not need goes to others, so fewer than *limit* means that there is nothing left to do.
    """
    own = engine.keys.partitions()
    start = engine.walked_to
    order = own[start:] + own[:start]
    ended: tuple[Tombstone, ...] = ()
    fault: Unacknowledged | None = None
    for at in range(0, len(order), STEP):
        step = order[at : at + STEP]
        engine.walked_to = (start + at) % len(own)
        left = True
        while left and len(ended) < limit:
            counts: list[list[int]] = await engine.link.run_many([count(each) for each in step])
            if noted is not None:
                noted.update({each: numbers for each, numbers in zip(step, counts, strict=True) if each not in noted})
            shares = _shares(step, [numbers[0] for numbers in counts], limit - len(ended))
            calls = [act(each, most) for each, most in shares]
            try:
                answers = await engine.link.run_many(calls, confirm=confirm) if calls else []
            except Unacknowledged as unconfirmed:
                fault, answers = unconfirmed, list(unconfirmed.answers)
            for rows in answers:
                ended += engine.tombstones(rows)
            dealt = sum(most for _, most in shares)
            left = dealt < sum(numbers[0] for numbers in counts) or any(len(rows) % 2 for rows in answers)
        if len(ended) >= limit:
            break
    if fault is not None:
        raise Unconfirmed(str(fault), ended=ended)
    return ended


def _shares(step: tuple[str, ...], wanted: list[int], room: int) -> list[tuple[str, int]]:
    """Deal *room* out to those that want some."""
    shares: list[tuple[str, int]] = []
    for each, want in zip(step, wanted, strict=True):
        if want and room:
            shares.append((each, min(want, room)))
            room -= min(want, room)
    return shares
