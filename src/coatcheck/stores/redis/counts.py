"""Counters: numbers by minute, hour and day, ten of which lie in one hash.

All keys of a tenant's counts lie in one slot, so that adding is one step on Cluster too. A block of ten is a hash that
Redis keeps packed, which takes a quarter of what fields of their own would.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from coatcheck import counting
from coatcheck.counting import KEPT, LENGTH, Every
from coatcheck.model import Millis
from coatcheck.stores.redis import scripts
from coatcheck.stores.redis.engine import Engine
from coatcheck.stores.redis.link import Arg, Call
from coatcheck.verbs import Tally

BLOCK: Final = 10
"""Buckets in one hash: with all names there are, fewer fields than the 512 up to which Redis packs it."""


async def add(engine: Engine, tallies: Sequence[Tally], now: Millis) -> None:
    """Add each tally to its minute, hour and day, and forget what is too old, also of what was just added."""
    before = counting.forgotten(now)
    blocks: dict[Every, dict[Millis, list[tuple[Millis, str, int]]]] = {every: {} for every in LENGTH}
    for (every, at), counts in counting.spread(tallies).items():
        fields = blocks[every].setdefault(at - at % (BLOCK * LENGTH[every]), [])
        fields += ((at, name, count) for name, count in counts.items())
    args: list[Arg] = [engine.keys.counts()]
    for every, length in LENGTH.items():
        args += (every, BLOCK * length, length, KEPT[every], before[every], len(blocks[every]))
        for block, fields in blocks[every].items():
            args += (block, fields[0][0], len(fields))
            args += (arg for at, name, count in fields for arg in (f"{(at - block) // length}:{name}", count))
    await engine.link.run(Call(scripts.ADD_COUNTS, engine.keys.touched(engine.keys.counting()), tuple(args)))


async def read(engine: Engine, every: Every, since: Millis, until: Millis) -> list[Tally]:
    """Return the buckets that begin in that time, oldest first."""
    index = engine.keys.counts(every)
    width = BLOCK * LENGTH[every]
    known = sorted(map(int, await engine.link.run(Call(scripts.BLOCKS, (index.encode(),)))))
    blocks = [block for block in known if since - width < block < until]
    calls = [Call(scripts.BLOCK, (f"{index}:{block}".encode(),)) for block in blocks]
    answers: list[list[bytes]] = await engine.link.run_many(calls) if calls else []
    read = [_tallies(every, block, rows) for block, rows in zip(blocks, answers, strict=True)]
    return [tally for tallies in read for tally in tallies if since <= tally.at < until]


def _tallies(every: Every, block: Millis, rows: Sequence[bytes]) -> list[Tally]:
    """Read a block's fields and numbers, which come in turn."""
    buckets: dict[str, dict[str, int]] = {}
    for at in range(0, len(rows), 2):
        number, _, name = rows[at].decode().partition(":")
        buckets.setdefault(number, {})[name] = int(rows[at + 1])
    tallies = (Tally(block + int(number) * LENGTH[every], counts) for number, counts in buckets.items())
    return sorted(tallies, key=lambda tally: tally.at)
