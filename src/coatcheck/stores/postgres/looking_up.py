"""Everybody who looks a session up in one tick of the event loop shares one round trip."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from coatcheck.model import Found

Ask: TypeAlias = Callable[[Sequence[str]], Awaitable[dict[str, Found]]]

TOGETHER: Final = 500
"""The most ids in one statement; those that are left are in the next."""

_Waiting: TypeAlias = tuple[tuple[str, ...], "asyncio.Future[list[Found]]"]


class LookUps:
    """Gathers look-ups while the one before is on its way, and asks for them together.

    Args:
        ask: looks up any number of ids at once, and answers what it found by id.
    """

    def __init__(self, ask: Ask) -> None:
        """Begin with nobody waiting."""
        self._ask = ask
        self._waiting: list[_Waiting] = []
        self._asking: asyncio.Task[None] | None = None

    async def find(self, ids: Sequence[str]) -> list[Found]:
        """Return what is known of each id, in order."""
        future: asyncio.Future[list[Found]] = asyncio.get_running_loop().create_future()
        self._waiting.append((tuple(ids), future))
        if self._asking is None:
            # The task begins after whatever else is ready in this tick.
            self._asking = asyncio.get_running_loop().create_task(self._work())
        return await future

    async def _work(self) -> None:
        together: list[_Waiting] = []
        try:
            while self._waiting:
                together = self._gather()
                try:
                    found = await self._ask(list({each: None for ids, _ in together for each in ids}))
                except Exception as error:  # noqa: BLE001 - whatever it was, everybody who waits is told
                    _fail(together, error)
                else:
                    _answer(together, found)
        finally:
            self._asking = None
            for _, future in [*together, *self._waiting]:  # left only when the loop is being torn down
                future.cancel()
            self._waiting.clear()

    def _gather(self) -> list[_Waiting]:
        """Take those who wait, up to `TOGETHER` ids; at least one, however many ids that is."""
        count = taken = 0
        for ids, _ in self._waiting:
            if taken and count + len(ids) > TOGETHER:
                break
            count, taken = count + len(ids), taken + 1
        together, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return [each for each in together if not each[1].done()] or together


def _answer(together: list[_Waiting], found: dict[str, Found]) -> None:
    for ids, future in together:
        if not future.done():
            future.set_result([found.get(each) for each in ids])


def _fail(together: list[_Waiting], error: Exception) -> None:
    """Give each an error of its own: one that is raised twice would gather the tracebacks of all."""
    for _, future in together:
        if not future.done():
            future.set_exception(type(error)(*error.args))
