"""Concurrent questions share round trips, and nothing else: not each other's faults, and not a cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from coatcheck.errors import StoreUnavailable
from coatcheck.stores.redis.address import read_url
from coatcheck.stores.redis.batching import BatchedLink, Batcher
from coatcheck.stores.redis.opening import make_link
from tests.servers.redis import RedisServer
from tests.stores.redis_links import COUNT, FAIL, Call, put


def calls(server: RedisServer) -> dict[str, int]:
    """Return how often the server ran each command."""
    return {name.removeprefix("cmdstat_"): stat["calls"] for name, stat in server.info("commandstats").items()}


def batched(server: RedisServer) -> BatchedLink:
    """Return the asyncio link to *server*, patient."""
    link = make_link(read_url(f"{server.url}?timeout=5s"), blocking=False)
    assert isinstance(link, BatchedLink)
    return link


def test_the_reads_of_one_step_are_one_command(redis_server: RedisServer) -> None:
    """64 concurrent reads are one MGET, one alone is one GET, and keys asked twice are asked once (one round trip)."""

    async def scenario() -> None:
        link = batched(redis_server)
        await link.run_many([put(b"k%d" % number, number) for number in range(64)])
        before = calls(redis_server)
        answers = await asyncio.gather(*[link.get([b"k%d" % number, b"k0"]) for number in range(64)])
        assert answers == [[b"%d" % number, b"0"] for number in range(64)]
        assert await link.get([b"k7"]) == [b"7"]
        after = calls(redis_server)
        assert after["mget"] - before.get("mget", 0) == 1
        assert after["get"] - before.get("get", 0) == 1
        await link.close()

    asyncio.run(scenario())


def test_commands_are_bounded_in_size(redis_server: RedisServer) -> None:
    """A thousand keys are four commands, so that others get their turn at the server."""

    async def scenario() -> None:
        link = batched(redis_server)
        before = calls(redis_server)
        assert await link.get([b"none%d" % number for number in range(1000)]) == [None] * 1000
        assert calls(redis_server)["mget"] - before.get("mget", 0) == 4
        await link.close()

    asyncio.run(scenario())


def test_one_failing_script_is_its_callers_alone(redis_server: RedisServer) -> None:
    """Scripts of one step share a pipeline, and each has its own answer or its own fault."""

    async def scenario() -> None:
        link = batched(redis_server)
        await link.run(put(b"n", 0))
        answers: list[Any] = await asyncio.gather(
            *[link.run(Call(FAIL if number == 5 else COUNT, (b"n",))) for number in range(10)], return_exceptions=True
        )
        assert "no good" in str(answers.pop(5))
        assert sorted(answers) == list(range(1, 10))
        await link.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("cancelled", [0, 3], ids=["the first", "another"])
@pytest.mark.parametrize("steps", [0, 1, 2], ids=["before it starts", "in its first step", "under way"])
def test_who_is_cancelled_harms_nobody(redis_server: RedisServer, cancelled: int, steps: int) -> None:
    """Whoever leaves, and whenever: everybody else of the batch is answered, and so is the next question."""

    async def scenario() -> None:
        link = batched(redis_server)
        await link.run_many([put(b"k%d" % number, number) for number in range(8)])
        tasks = [asyncio.ensure_future(link.get([b"k%d" % number])) for number in range(8)]
        for _ in range(steps):
            await asyncio.sleep(0)
        tasks[cancelled].cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(answers.pop(cancelled), asyncio.CancelledError)
        assert answers == [[b"%d" % number] for number in range(8) if number != cancelled]
        assert await link.get([b"k1"]) == [b"1"]
        await link.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_who_asks_alone_and_is_cancelled_leaves_no_answer_behind(redis_server: RedisServer, steps: int) -> None:
    """A connection with an answer still to come is never used again: nobody gets another's answer (promise 2)."""

    async def scenario() -> None:
        link = batched(redis_server)
        await link.run_many([put(b"a", 1), put(b"b", 2)])
        for _ in range(20):
            task = asyncio.ensure_future(link.get([b"a"]))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            assert await link.get([b"b"]) == [b"2"]
        await link.close()

    asyncio.run(scenario())


def test_a_fault_reaches_all_of_its_batch() -> None:
    """When the work fails as a whole, everybody hears of it, and the next batch works again."""
    broken = True

    async def work(items: Sequence[int]) -> list[int | Exception]:
        await asyncio.sleep(0)
        if broken:
            raise StoreUnavailable("down")
        return [item * 2 for item in items]

    async def scenario() -> None:
        nonlocal broken
        batcher: Batcher[int, int] = Batcher(work)
        answers = await asyncio.gather(*[batcher.ask(number) for number in range(5)], return_exceptions=True)
        assert [str(answer) for answer in answers] == ["down"] * 5
        with pytest.raises(StoreUnavailable):
            await batcher.ask(1)
        broken = False
        assert await asyncio.gather(*[batcher.ask(number) for number in range(5)]) == [0, 2, 4, 6, 8]
        assert await batcher.ask(21) == 42

    asyncio.run(scenario())
