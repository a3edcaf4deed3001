"""The asyncio link: what is asked in one step of the event loop travels together.

The first to ask waits for the step to end and finds out whether others came. Alone, it asks by itself, in the plain
form. In company, a task of its own asks for everybody, so that whoever is cancelled harms nobody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from coatcheck.stores.redis.address import Address
from coatcheck.stores.redis.asynchronous import EventLoop
from coatcheck.stores.redis.client import RedisLink
from coatcheck.stores.redis.ledger import Ledger
from coatcheck.stores.redis.link import Call

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Batcher(Generic[Item, Answer]):
    """Collects items for one step of the running event loop.

    Args:
        work: answers a sequence of items, in order; an exception among the answers is its item's alone.
    """

    def __init__(self, work: Callable[[Sequence[Item]], Awaitable[Sequence[Answer | Exception]]]) -> None:
        """Wait for nobody yet."""
        self._work = work
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: list[tuple[Item, asyncio.Future[Answer] | None]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, item: Item) -> Answer:
        """Return the answer to *item*."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._waiting, self._tasks = loop, [], set()
        if self._waiting:
            future: asyncio.Future[Answer] = loop.create_future()
            self._waiting.append((item, future))
            return await future
        return await self._lead(loop, item)

    async def _lead(self, loop: asyncio.AbstractEventLoop, item: Item) -> Answer:
        """Wait for this step of the loop to end, then ask alone or start a task for everybody."""
        own: asyncio.Future[Answer] | None = None
        mine = (item, own)
        self._waiting.append(mine)
        try:
            await asyncio.sleep(0)
        except BaseException:
            self._waiting.remove(mine)  # by identity: nobody else's item is the same tuple
            self._start(loop)
            raise
        if len(self._waiting) > 1:
            own = loop.create_future()
            self._waiting[0] = (item, own)
            self._start(loop)
            return await own
        self._waiting = []
        return _raised((await self._work([item]))[0])

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start a task for everybody who waits."""
        company, self._waiting = self._waiting, []
        if company:
            task = loop.create_task(self._serve(company))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, company: Sequence[tuple[Item, asyncio.Future[Answer] | None]]) -> None:
        """Ask for everybody, and tell everybody."""
        answers: Sequence[Answer | Exception]
        try:
            answers = await self._work([item for item, _ in company])
        except asyncio.CancelledError:
            for _, future in company:
                if future is not None:
                    future.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - everybody of the batch gets it
            answers = [error] * len(company)
        for (_, future), answer in zip(company, answers, strict=True):
            if future is None or future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)


class BatchedLink(RedisLink):
    """The link for asyncio: concurrent reads share commands, concurrent scripts share pipelines."""

    def __init__(self, address: Address, ledger: Ledger | None = None) -> None:
        """Connect to nothing yet."""
        super().__init__(address, EventLoop(), ledger)
        self._reads: Batcher[Sequence[bytes], list[bytes | None]] = Batcher(self._get_all)
        self._runs: Batcher[Call, Any] = Batcher(self.try_many)

    async def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of *keys*, asked together with everybody's who asks now."""
        return await self._reads.ask(keys) if keys else []

    async def run(self, call: Call, *, confirm: bool = False) -> Any:
        """Run one script; one to confirm on a connection of its own, the others together."""
        if confirm:
            return await super().run(call, confirm=True)
        return await self._runs.ask(call)

    async def _get_all(self, wanted: Sequence[Sequence[bytes]]) -> list[list[bytes | None] | Exception]:
        """Return the values for everybody, each key asked once."""
        if len(wanted) == 1:
            return [await super().get(wanted[0])]
        values = await self.try_get(list(dict.fromkeys(key for keys in wanted for key in keys)))
        return [_collected(keys, values) for keys in wanted]


def _collected(keys: Sequence[bytes], values: dict[bytes, bytes | Exception | None]) -> list[bytes | None] | Exception:
    """Return one caller's values, or the first fault among them."""
    found: list[bytes | None] = []
    for key in keys:
        value = values[key]
        if isinstance(value, Exception):
            return value
        found.append(value)
    return found


def _raised(answer: Answer | Exception) -> Answer:
    """Return *answer*, or raise it."""
    if isinstance(answer, Exception):
        raise answer
    return answer
