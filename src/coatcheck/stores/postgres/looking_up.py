"""Everybody who looks a session up in one tick of the event loop shares one round trip."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, NamedTuple, TypeAlias

from coatcheck.errors import StoreUnavailable
from coatcheck.model import Found

Ask: TypeAlias = Callable[[Sequence[str]], Awaitable[dict[str, Found]]]

TOGETHER: Final = 500
"""The most ids in one statement; those that are left are in the next."""


class _Caller(NamedTuple):
    ids: tuple[str, ...]
    future: asyncio.Future[list[Found]]
    since: float


class LookUps:
    """Gathers look-ups while the one before is on its way, and asks for them together.

    Args:
        ask: looks up any number of ids at once, and answers what it found by id.
        patience: seconds that a caller waits, for those before it and for its own answer.
        silent: makes the error of one who has waited that long.
    """

    def __init__(self, ask: Ask, *, patience: float, silent: Callable[[], Exception]) -> None:
        """Begin with nobody waiting."""
        self._ask, self._patience, self._silent = ask, patience, silent
        self._waiting: list[_Caller] = []
        self._together: list[_Caller] = []
        self._asking: asyncio.Task[None] | None = None
        self._watch: asyncio.TimerHandle | None = None

    async def find(self, ids: Sequence[str]) -> list[Found]:
        """Return what is known of each id, in order."""
        loop = asyncio.get_running_loop()
        caller = _Caller(tuple(ids), loop.create_future(), loop.time())
        self._waiting.append(caller)
        if self._watch is None:
            self._watch = loop.call_at(caller.since + self._patience, self._give_up)
        if self._asking is None or self._asking.done():  # an eager task may be done before it is assigned
            # Any other begins after whatever else is ready in this tick.
            self._asking = loop.create_task(self._work())
        return await caller.future

    async def _work(self) -> None:
        try:
            while self._gather():
                try:
                    found = await self._ask(list({each: None for caller in self._together for each in caller.ids}))
                except StoreUnavailable as error:
                    # Those who came meanwhile would wait as long, for the same.
                    _fail([*self._together, *self._waiting], error)
                except Exception as error:  # noqa: BLE001 - whatever it was, everybody who waits is told
                    _fail(self._together, error)
                else:
                    _answer(self._together, found)
        finally:
            self._asking = None
            for caller in [*self._together, *self._waiting]:  # left only when the loop is being torn down
                caller.future.cancel()
            self._waiting.clear()

    def _gather(self) -> bool:
        """Take those who wait, up to `TOGETHER` ids; at least one caller, however many ids that is, if there is any."""
        waiting = [caller for caller in self._waiting if not caller.future.done()]
        count = taken = 0
        for caller in waiting:
            if taken and count + len(caller.ids) > TOGETHER:
                break
            count, taken = count + len(caller.ids), taken + 1
        self._together, self._waiting = waiting[:taken], waiting[taken:]
        return bool(taken)

    def _give_up(self) -> None:
        """Tell those who have waited for too long, and come again when the next one will have: one timer for all."""
        loop, self._watch = asyncio.get_running_loop(), None
        for caller in [*self._together, *self._waiting]:  # in the order in which they came
            if caller.future.done():
                continue
            if caller.since + self._patience > loop.time():
                self._watch = loop.call_at(caller.since + self._patience, self._give_up)
                return
            caller.future.set_exception(self._silent())


def _answer(together: Iterable[_Caller], found: dict[str, Found]) -> None:
    for caller in together:
        if not caller.future.done():
            caller.future.set_result([found.get(each) for each in caller.ids])


def _fail(callers: Iterable[_Caller], error: Exception) -> None:
    """Give each an error of its own: one that is raised twice would gather the tracebacks of all."""
    for caller in callers:
        if not caller.future.done():
            caller.future.set_exception(type(error)(*error.args))
