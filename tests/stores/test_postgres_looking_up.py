"""How look-ups share a round trip, without a server: bounded batches, bounded waits, outages, eager tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from coatcheck.errors import StoreUnavailable
from coatcheck.model import Found
from coatcheck.stores.postgres.looking_up import TOGETHER, Ask, LookUps


def over(ask: Ask, *, patience: float = 20) -> LookUps:
    """Return look-ups that *ask* answers."""
    return LookUps(ask, patience=patience, silent=lambda: StoreUnavailable("it did not answer in time"))


def test_a_batch_is_bounded_and_its_failure_reaches_everybody() -> None:
    """Those beyond the bound wait for the next one; of an outage each caller has an error of their own."""
    asked: list[int] = []

    async def ask(ids: Sequence[str]) -> dict[str, Found]:
        asked.append(len(ids))
        if len(asked) == 2:
            raise StoreUnavailable("gone")
        return {}

    async def story() -> None:
        look_ups = over(ask)
        waits = [look_ups.find([f"{number}-{count}" for count in range(100)]) for number in range(7)]
        answers = await asyncio.gather(*waits, return_exceptions=True)
        failed = [answer for answer in answers if isinstance(answer, StoreUnavailable)]
        assert asked == [TOGETHER, 200]
        assert len({id(error) for error in failed}) == 2
        assert answers[:5] == [[None] * 100] * 5

    asyncio.run(story())


def test_an_outage_reaches_those_who_came_meanwhile() -> None:
    """Bad day: whoever waits behind a look-up that failed is told with it, and does not wait for an outage anew."""
    asked: list[int] = []

    async def story() -> None:
        down = asyncio.Event()

        async def ask(ids: Sequence[str]) -> dict[str, Found]:
            asked.append(len(ids))
            await down.wait()
            if len(asked) == 1:
                raise StoreUnavailable("gone")
            return {}

        look_ups = over(ask)
        waits = [asyncio.ensure_future(look_ups.find(["a"]))]
        for _ in range(3):  # until the first one is asked for
            await asyncio.sleep(0)
        waits += [asyncio.ensure_future(look_ups.find([f"{number}"])) for number in range(4)]
        await asyncio.sleep(0)
        down.set()
        answers = await asyncio.gather(*waits, return_exceptions=True)
        assert [str(answer) for answer in answers] == ["gone"] * 5
        assert asked == [1]
        assert await look_ups.find(["a"]) == [None]

    asyncio.run(story())


def test_nobody_waits_longer_than_the_patience() -> None:
    """Bad day: callers behind a look-up that hangs are told in time, and those who come later are well."""
    asked: list[Sequence[str]] = []

    async def story() -> None:
        hangs = asyncio.Event()

        async def ask(ids: Sequence[str]) -> dict[str, Found]:
            asked.append(ids)
            await hangs.wait()
            return {}

        look_ups = over(ask, patience=0.05)
        first = asyncio.ensure_future(look_ups.find(["a"]))
        for _ in range(3):
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            answers = await asyncio.gather(first, look_ups.find(["b"]), return_exceptions=True)
            assert [str(answer) for answer in answers] == ["it did not answer in time"] * 2
            hangs.set()
            assert await look_ups.find(["c"]) == [None]
        assert asked == [["a"], ["c"]], "nobody waits for b any more"

    asyncio.run(story())


def test_tasks_that_begin_at_once_are_no_trap() -> None:
    """With an eager task factory (Python 3.12) the work may be done before its task is returned."""

    def eager(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **_: Any) -> Any:
        try:
            work.send(None)
        except StopIteration:
            done = loop.create_future()
            done.set_result(None)
            return done
        raise AssertionError("only what never waits is tested here")

    async def ask(ids: Sequence[str]) -> dict[str, Found]:
        return {}

    async def story() -> None:
        look_ups = over(ask)
        loop = asyncio.get_running_loop()
        factory: Any = eager
        loop.set_task_factory(factory)
        try:
            async with asyncio.timeout(5):
                for _ in range(3):
                    assert await look_ups.find(["a"]) == [None]
        finally:
            loop.set_task_factory(None)

    asyncio.run(story())
