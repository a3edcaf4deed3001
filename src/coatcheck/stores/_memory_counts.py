"""The memory store's counts: a dictionary of numbers for each minute, hour and day."""

from __future__ import annotations

from collections.abc import Sequence

from coatcheck import counting
from coatcheck.counting import Every
from coatcheck.model import Millis
from coatcheck.verbs import Tally


class CountRows:
    """Nothing here locks: the store calls it inside its own lock."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._buckets: dict[Every, dict[Millis, dict[str, int]]] = {every: {} for every in counting.LENGTH}

    def add(self, tallies: Sequence[Tally], now: Millis) -> None:
        """Add, and forget what is too old."""
        before = counting.forgotten(now)
        for (every, at), counts in counting.spread(tallies).items():
            if at >= before[every]:
                sums = self._buckets[every].setdefault(at, {})
                for name, count in counts.items():
                    sums[name] = sums.get(name, 0) + count
        for every, buckets in self._buckets.items():
            for at in [at for at in buckets if at < before[every]]:
                del buckets[at]

    def read(self, every: Every, since: Millis, until: Millis) -> list[Tally]:
        """Return copies, so that what is handed out cannot change what is kept."""
        return [Tally(at, dict(sums)) for at, sums in sorted(self._buckets[every].items()) if since <= at < until]
