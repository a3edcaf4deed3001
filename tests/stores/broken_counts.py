"""Ways to count wrongly, each of which the conformance suite must notice; the rest is `tests.stores.broken`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from coatcheck import counting
from coatcheck.counting import Every
from coatcheck.model import Millis
from coatcheck.stores.memory import MemoryStore
from coatcheck.verbs import Tally
from tests.stores import broken


class OverwritesCounts(MemoryStore):
    """`add_counts` puts its numbers in the place of those that others had added."""

    async def add_counts(self, tallies: Sequence[Tally], *, now: Millis) -> None:
        """Overwrite."""
        await super().add_counts(tallies, now=now)
        for (every, at), counts in counting.spread(tallies).items():
            self._counts._buckets[every].get(at, {}).update(counts)


class RacesTheCounts(broken._Suspending):
    """`add_counts` reads the sums, adds, and writes them back later."""

    async def add_counts(self, tallies: Sequence[Tally], *, now: Millis) -> None:
        """Look, then leap."""
        spread = counting.spread(tallies)
        known = {
            (every, at, name): self._counts._buckets[every].get(at, {}).get(name, 0)
            for (every, at), counts in spread.items()
            for name in counts
        }
        await asyncio.sleep(0)
        await super().add_counts(tallies, now=now)
        for (every, at), counts in spread.items():
            sums = self._counts._buckets[every].get(at)
            if sums is not None:
                sums.update({name: known[every, at, name] + count for name, count in counts.items()})


class RemembersMinutes(MemoryStore):
    """Minutes are kept for as long as days are."""

    async def add_counts(self, tallies: Sequence[Tally], *, now: Millis) -> None:
        """Forget nothing."""
        kept = {at: dict(counts) for at, counts in self._counts._buckets["minute"].items()}
        await super().add_counts(tallies, now=now)
        for at, counts in kept.items():
            self._counts._buckets["minute"].setdefault(at, counts)


class CountsTooMuch(MemoryStore):
    """`read_counts` answers the bucket that begins when the time asked for ends."""

    async def read_counts(self, every: Every, *, since: Millis, until: Millis) -> list[Tally]:
        """Answer one more."""
        return await super().read_counts(every, since=since, until=until + 1)
