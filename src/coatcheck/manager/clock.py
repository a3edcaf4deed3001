"""Whether this machine's clock was set since the store's was last asked.

A store with a clock of its own is asked for it now and then, and the difference is added to ours. A clock that is set
meanwhile, by an hour or by a second, would make that difference wrong until the next time: sessions would end early,
or be renewed beyond their time. So before each verdict the clock is held against one that nobody can set.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

JUMP: Final = 0.25
"""Seconds that a clock and the time that really passed may differ before the clock counts as set."""


FRESH: Final = 900.0
"""Seconds for which a comparison with the store's clock holds: one that runs wrong slowly is never seen to jump.

Longer than the policy's pause between sweeps, which compare too; who switched those off asks once in this time.
"""


class Watch:
    """A clock that can be set, held against one that cannot. Both are functions that return seconds.

    How far the one is ahead of the other never changes, unless the first is set; or unless the machine slept, and then
    the store's clock is worth asking for too. The comparison is made on every request, so it is two clocks' reading.
    """

    __slots__ = ("_ahead", "_clock", "_elapsed", "_marked")

    def __init__(self, clock: Callable[[], float], elapsed: Callable[[], float]) -> None:
        """Begin with a clock that nobody has compared with the store's."""
        self._clock, self._elapsed = clock, elapsed
        self._ahead, self._marked = math.inf, -math.inf

    def mark(self, wall: float) -> None:
        """Take note that the clock, which read *wall* just now, was compared with the store's."""
        self._marked = self._elapsed()
        self._ahead = wall - self._marked

    def is_off(self) -> bool:
        """Whether the clock was set since, or not compared for long, or never."""
        elapsed = self._elapsed()
        return elapsed - self._marked > FRESH or abs(self._clock() - elapsed - self._ahead) > JUMP
