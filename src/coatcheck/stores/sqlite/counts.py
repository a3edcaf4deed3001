"""Verbs that count what happens, by minute, hour and day (capability *counters*).

Plain functions over a connection; what is added where, and what is forgotten when, is said in `coatcheck.counting`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

import msgspec

from coatcheck import counting
from coatcheck.counting import LENGTH, Every
from coatcheck.model import Millis
from coatcheck.stores.sqlite import sql
from coatcheck.verbs import Tally

_read: Final = msgspec.json.Decoder(dict[str, int])


def add(connection: sqlite3.Connection, tenant: str, tallies: Sequence[Tally], now: Millis) -> None:
    """Add each tally to its minute, hour and day, and forget those that are too old, seen from *now*."""
    before = counting.forgotten(now)
    added = [
        (tenant, LENGTH[every], at, name, count)
        for (every, at), counts in counting.spread(tallies).items()
        if at >= before[every]
        for name, count in counts.items()
    ]
    connection.executemany(sql.ADD_COUNT, added)
    connection.executemany(sql.FORGET_COUNTS, [(tenant, LENGTH[every], oldest) for every, oldest in before.items()])


def read(connection: sqlite3.Connection, tenant: str, every: Every, since: Millis, until: Millis) -> list[Tally]:
    """Return the buckets that begin from *since* to before *until*, oldest first."""
    terms = {"tenant": tenant, "every": LENGTH[every], "since": since, "until": until}
    return [Tally(at, _read.decode(counts)) for at, counts in connection.execute(sql.READ_COUNTS, terms)]
