"""What many need at the same moment and one does for all of them: opening the store, and finding out who serves."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final, TypeVar

from coatcheck.errors import CoatcheckError
from coatcheck.stores.redis.wire import World

T = TypeVar("T")

_LEAST: Final = 4
"""A candidate gets at least one in so many parts of the time: less would be too little for one that is well."""


class Once:
    """Work that is done by the first who needs it. The others wait, and fail as it did.

    Args:
        world: threads or an event loop.
        busy: what is said to somebody who waited in vain.
    """

    def __init__(self, world: World, busy: str) -> None:
        """Do nothing yet."""
        self._door, self._busy = world.door(), busy
        self._done = 0
        self._fault: CoatcheckError | None = None

    async def do(self, needed: Callable[[], bool], work: Callable[[], Awaitable[None]], deadline: float) -> None:
        """Have *work* done if it is *needed*; wait until *deadline* for somebody who is at it already."""
        if not needed():
            return
        done = self._done
        async with self._door.turn(deadline, self._busy):
            if not needed():
                return
            if self._done != done and self._fault is not None:
                raise self._fault  # it was tried while this caller waited, and would fail again
            self._fault = None
            try:
                await work()
            except CoatcheckError as error:
                self._fault = error
                raise
            finally:
                self._done += 1


def in_turn(candidates: Sequence[T], deadline: float) -> Iterator[tuple[T, float]]:
    """Give each of *candidates* a deadline of its own, so that a silent one leaves time for the next.

    Not all of many may get a turn, so put those that were silent lately last.
    """
    least = (deadline - time.monotonic()) / _LEAST
    for place, each in enumerate(candidates):
        now = time.monotonic()
        if place and now >= deadline:
            return
        yield each, min(deadline, now + max((deadline - now) / (len(candidates) - place), least))


def half_way(deadline: float) -> float:
    """Return the moment in the middle between now and *deadline*: the other half is for what comes after."""
    now = time.monotonic()
    return now + max(deadline - now, 0.0) / 2
