"""Connections belong to a process, a thread or an event loop, and never to two at once."""

from __future__ import annotations

import asyncio
import gc
import math
import os
import signal
import threading
import warnings

import pytest

from coatcheck.errors import StoreUnavailable
from coatcheck.runtime import finish
from coatcheck.stores.redis.address import read_url
from coatcheck.stores.redis.client import RedisLink
from coatcheck.stores.redis.opening import make_link
from tests.servers.redis import RedisServer
from tests.stores.redis_links import driven, put


def test_a_crowded_pool_says_so_and_hurts_nobody(redis_server: RedisServer) -> None:
    """When all connections are in use the next question fails in time, and those under way go on."""
    with driven(f"{redis_server.url}?timeout=300ms&pool=1", blocking=False) as (link, run):

        async def scenario() -> None:
            await link.run(put(b"a", b"1"))
            [node] = await link._routing.primaries(math.inf)
            pool = node._pool
            wire = await pool.take(math.inf)
            with pytest.raises(StoreUnavailable, match="raise pool="):
                await link.get([b"a"])
            pool.give(wire)
            assert await link.get([b"a"]) == [b"1"]

        run(scenario())


def test_connections_are_not_shared_across_fork(redis_server: RedisServer) -> None:
    """Parent and child ask at the same time after a fork, and each has its own answers."""
    link = make_link(read_url(f"{redis_server.url}?timeout=5s"), blocking=True)
    finish(link.run(put(b"a", b"parent")))  # leaves an idle connection, which the child inherits
    child = _fork(link, b"child")
    try:
        assert _own_answers(link, b"parent", 300)
    finally:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        finish(link.close())
    assert code == 0


def test_a_fork_among_threads_leaves_no_lock_behind(redis_server: RedisServer) -> None:
    """A child that is forked while threads are in the middle of asking answers; it never waits for their locks."""
    link = make_link(read_url(f"{redis_server.url}?timeout=5s&pool=2"), blocking=True)
    stop = threading.Event()

    def work(name: bytes) -> None:
        while not stop.is_set():
            assert _own_answers(link, name, 10)

    threads = [threading.Thread(target=work, args=(b"t%d" % number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    try:
        children = [_fork(link, b"c%d" % number) for number in range(4)]
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        finish(link.close())
    assert codes == [0] * 4


def _own_answers(link: RedisLink, name: bytes, times: int) -> bool:
    """Ask for what only this process and thread writes; whether every answer was its own."""
    return all(
        finish(link.run(put(name, b"%s%d" % (name, number)))) == b"%s%d" % (name, number)
        and finish(link.get([name])) == [b"%s%d" % (name, number)]
        for number in range(times)
    )


def _fork(link: RedisLink, name: bytes) -> int:
    """Fork, ask in the child, and return its process id; its exit code says how it went, -14 that it hung."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what is tested
        pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        signal.alarm(30)
        code = 0 if _own_answers(link, name, 300) else 2
    finally:
        os._exit(code)


def test_a_later_event_loop_is_not_hurt_by_an_earlier_one(redis_server: RedisServer) -> None:
    """Connections belong to a loop: what a closed loop left behind is let go, and the next one makes its own."""
    link = make_link(read_url(f"{redis_server.url}?timeout=5s"), blocking=False)

    async def ask(*, close: bool) -> None:
        assert await link.run(put(b"a", b"1")) == b"1"
        assert await asyncio.gather(*[link.get([b"a"]) for _ in range(20)]) == [[b"1"]] * 20
        if close:
            await link.close()

    asyncio.run(ask(close=False))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the first loop's user did not close: Python says so
        asyncio.run(ask(close=True))
        gc.collect()
