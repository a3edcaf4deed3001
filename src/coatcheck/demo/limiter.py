"""How often a password may be tried: per account and per address, in bounded memory.

A token bucket for each key: some tries at once, then one for every interval. Tries are paid for before the password is
checked, so that many at once do not slip through together, and given back when it was right. The clock is an argument.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from math import ceil
from typing import Final

MOST_KEYS: Final = 10_000
"""Keys that one limiter remembers; the one that was not tried for the longest time is forgotten first."""


class Limiter:
    """Allows *burst* tries of a key at once, and one more every *interval* seconds."""

    def __init__(self, *, burst: int, interval: float, clock: Callable[[], float], most_keys: int = MOST_KEYS) -> None:
        """Begin with nobody known. *clock* returns seconds."""
        self._burst = burst
        self._interval = interval
        self._clock = clock
        self._most_keys = most_keys
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        """Count the keys that are remembered."""
        return len(self._spent)

    def wait(self, key: str, cost: int = 1) -> int:
        """Return the whole seconds until *key* may be tried; 0 when it may be tried now. A try may *cost* several."""
        excess = self._level(key) + cost - self._burst
        return 0 if excess <= 0 else max(1, ceil(excess * self._interval))

    def spend(self, key: str, cost: int = 1) -> None:
        """Pay for a try of *key*."""
        self._keep(key, self._level(key) + cost)

    def give_back(self, key: str) -> None:
        """Return what one try of *key* cost: it was no guess."""
        self._keep(key, self._level(key) - 1)

    def _level(self, key: str) -> float:
        """Return how many tries still weigh on *key* now."""
        level, at = self._spent.get(key, (0.0, 0.0))
        return max(0.0, level - max(0.0, self._clock() - at) / self._interval)

    def _keep(self, key: str, level: float) -> None:
        if level <= 0:
            self._spent.pop(key, None)
            return
        self._spent[key] = (level, self._clock())
        self._spent.move_to_end(key)
        if len(self._spent) > self._most_keys:
            self._spent.popitem(last=False)
