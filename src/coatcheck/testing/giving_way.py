"""A store that gives way: every verb lets other tasks run before and after it.

The verbs of a blocking store never suspend, so tasks on one event loop can never meet inside or between them, and a
race that would break a networked store stays green. Wrapped in `yielding`, the same store sees its verbs interleaved
the way a network interleaves them, in an order that a seed fixes.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from coatcheck.model import replace
from coatcheck.stores.contract import Store, Traits

StoreT = TypeVar("StoreT", bound=Store)

_TURNS = 4
"""The event loop gets up to this many turns before a verb, and again after it."""


class Yielding:
    """The wrapper that `yielding` makes; it has every verb that the wrapped store has."""

    def __init__(self, store: Store, seed: int) -> None:
        """Wrap *store*; *seed* fixes how often each verb gives way."""
        self._store = store
        self._random = random.Random(seed)  # noqa: S311  (order of tasks in a test, not a secret)

    def __repr__(self) -> str:
        """Show the wrapped store as it shows itself."""
        return f"Yielding({self._store!r})"

    @property
    def tenant(self) -> str:
        """The wrapped store's."""
        return self._store.tenant

    @property
    def traits(self) -> Traits:
        """The wrapped store's, except that these verbs do suspend."""
        return replace(self._store.traits, blocking=False)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        """Return the verb *name*, giving way around it."""
        verb: Callable[..., Awaitable[Any]] = getattr(self._store, name)

        async def giving_way(*args: object, **options: object) -> Any:
            await self._give_way()
            try:
                return await verb(*args, **options)
            finally:
                await self._give_way()

        return giving_way

    async def _give_way(self) -> None:
        for _ in range(self._random.randrange(_TURNS)):
            await asyncio.sleep(0)


def yielding(store: StoreT, *, seed: int = 0) -> StoreT:
    """Return *store* with turns of the event loop around every verb; *seed* fixes their number."""
    return cast("StoreT", Yielding(store, seed))
