"""A store as the torture machine sees it: its writes counted, its engine's clock hidden, its verbs interrupted.

The pauses let other tasks act between any two steps of a request, also over stores whose verbs never suspend.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any, ClassVar, Final

from coatcheck.errors import CoatcheckError
from torture.recording import WROTE

READS: Final = frozenset(
    {"find", "epoch", "key", "list_user", "list_ended", "browse", "count", "get_side", "open", "close", "clock"}
)
_LONG: Final = 0.1
"""The share of pauses that are long."""
_PLAIN: Final = frozenset({"traits", "tenant"})


class StoreBroke(CoatcheckError):
    """A verb raised what the contract does not know; recorded as an answer, and judged as a violation."""

    code: ClassVar[str] = "crashed"


class Watched:
    """A store that is watched; everything else is the inner store's."""

    def __init__(self, inner: Any, seed: int, *, pauses: float = 0.5) -> None:
        """Watch *inner*; *pauses* is the share of verbs before and after which others get a turn."""
        self.inner = inner
        self._draw = random.Random(seed).random  # noqa: S311 - which turn is given, not a secret
        self._pauses = pauses

    def __repr__(self) -> str:
        """Show the inner store as it shows itself."""
        return repr(self.inner)

    async def clock(self) -> None:
        """Hide the engine's clock: the run's own decides."""

    def __getattr__(self, name: str) -> Any:
        """Return the inner store's verb, watched, and keep it for the next call."""
        inner = getattr(self.inner, name)
        if name in _PLAIN or name.startswith("_"):
            return inner
        reads = name in READS

        async def verb(*args: Any, **options: Any) -> Any:
            await self._pause()
            if not reads:
                WROTE.get()[0] += 1
            try:
                answer = await inner(*args, **options)
            except (CoatcheckError, ValueError):  # a ValueError is what `browse` says of a cursor nobody issued
                raise
            except Exception as error:
                raise StoreBroke(f"{name} raised {type(error).__name__}") from error
            await self._pause()
            return answer

        setattr(self, name, verb)
        return verb

    async def _pause(self) -> None:
        """Let others act: mostly once or not at all, now and then for long."""
        draw = self._draw()
        turns = 0 if draw >= self._pauses else int(draw * 500) + 1 if draw < self._pauses * _LONG else 1
        for _ in range(turns):
            await asyncio.sleep(0)
