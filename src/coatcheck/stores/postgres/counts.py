"""The verbs of the PostgreSQL store that count what happens, by minute, hour and day (capability *counters*)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from coatcheck import counting
from coatcheck.counting import LENGTH, Every
from coatcheck.model import Millis
from coatcheck.stores.postgres import sql
from coatcheck.stores.postgres.asking import PostgresAsking
from coatcheck.verbs import Tally

_read: Final = msgspec.json.Decoder(dict[str, int])


class PostgresCounts(PostgresAsking):
    """Counters; what is added where, and what is forgotten when, is said in `coatcheck.counting`."""

    async def add_counts(self, tallies: Sequence[Tally], *, now: Millis) -> None:
        """Add each tally to its minute, hour and day, and forget those that are too old."""
        before = counting.forgotten(now)
        added = [
            (LENGTH[every], at, name, count)
            for (every, at), counts in counting.spread(tallies).items()
            if at >= before[every]
            for name, count in counts.items()
        ]
        given = {
            "tenant": self.tenant,
            **{name: [row[place] for row in added] for place, name in enumerate(("every", "at", "names", "counts"))},
            "forget_every": [LENGTH[every] for every in before],
            "forget_before": list(before.values()),
        }
        await self._anyhow(sql.ADD_COUNTS, given)

    async def read_counts(self, every: Every, *, since: Millis, until: Millis) -> list[Tally]:
        """Return the buckets of that time, oldest first."""
        given = {"tenant": self.tenant, "every": LENGTH[every], "since": since, "until": until}
        return [Tally(int(at), _read.decode(counts)) for at, counts in await self._read(sql.READ_COUNTS, given)]
