"""How long is waited for Redis, and by how many: one deadline for all that a question takes, one look for everybody."""

from __future__ import annotations

import asyncio
import math
import signal
import socket
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from redis.connection import Connection

from coatcheck.errors import StoreUnavailable
from coatcheck.runtime import finish
from coatcheck.stores.redis import asynchronous, client
from coatcheck.stores.redis.address import read_url
from coatcheck.stores.redis.blocking import BlockingWire
from coatcheck.stores.redis.client import RedisLink
from coatcheck.stores.redis.once import in_turn
from coatcheck.stores.redis.routing import Sentinels as Routing
from tests.servers.redis import RedisServer
from tests.servers.sentinels import Sentinels
from tests.stores.redis_links import Run, driven, put

BOTH = pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "asyncio"])

SLACK = 0.6
"""Seconds beside the timeout of one, on a machine that has other things to do: less than a second timeout."""


@contextmanager
def silent(number: int) -> Generator[list[str]]:
    """Give so many places where connections are accepted and nothing is ever answered."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=200)) for _ in range(number)]
        yield [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


def seconds_to_fail(link: RedisLink, run: Run[Any], work: Any) -> float:
    """Return how long it takes until an opened store does not answer."""
    link._opened = True
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        run(work)
    return time.monotonic() - began


class Timer(BaseException):
    """What gevent's timers and Celery's soft time limits raise: no `Exception`, at any moment."""


def test_an_exception_from_outside_leaves_no_answer_behind() -> None:
    """A timer goes off while an answer is awaited: the next question on that thread gets its own answer (promise 2)."""

    def ring(*_: object) -> None:
        raise Timer

    with RedisServer() as server, driven(f"{server.url}?timeout=5s", blocking=True) as (link, run):
        run(link.run_many([put(b"a", b"1"), put(b"b", b"2")]))
        before = signal.signal(signal.SIGALRM, ring)
        server.freeze()
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(Timer):
                run(link.get([b"a"]))
        finally:
            signal.signal(signal.SIGALRM, before)
            thaw = threading.Timer(0.2, server.thaw)
            thaw.start()
        assert run(link.get([b"b"])) == [b"2"]
        thaw.join()


def test_waiting_on_purpose_needs_no_new_redis_py(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """redis-py 6.2 takes no time limit for one answer: a command that waits for replicas works there too."""
    read: Any = Connection.read_response

    def as_in_6_2(self: Connection, *, disconnect_on_error: bool = True) -> Any:
        return read(self, disconnect_on_error=disconnect_on_error)

    wire = BlockingWire(read_url(redis_server.url), ("127.0.0.1", redis_server.port))
    deadline = time.monotonic() + 5
    finish(wire.connect(deadline))
    with monkeypatch.context() as patched:
        patched.setattr(Connection, "read_response", as_in_6_2)
        assert finish(wire.ask([("WAIT", 0, 1)], deadline, wait=0.1)) == [0]
    wire.drop()


@BOTH
def test_silent_sentinels_are_asked_once_for_everybody(*, blocking: bool) -> None:
    """Many questions without a primary wait for one look together, and no longer than the timeout (promise 9)."""
    with (
        silent(3) as places,
        driven(f"redis+sentinel://{','.join(places)}/main?timeout=1s", blocking=blocking) as (link, run),
    ):
        calls = [put(b"k%d" % number, b"1") for number in range(64)]
        assert seconds_to_fail(link, run, link.run_many(calls)) < 1 + SLACK


def test_requests_at_the_same_time_share_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who come while the sentinels are being asked wait for that answer, and fail with it (promise 9)."""
    looks: list[float] = []
    ask = Routing._ask_sentinels

    async def counted(self: Routing, deadline: float) -> Any:
        looks.append(deadline)
        return await ask(self, deadline)

    monkeypatch.setattr(Routing, "_ask_sentinels", counted)
    with silent(2) as places, driven(f"redis+sentinel://{','.join(places)}/main?timeout=1s", blocking=False) as both:
        link, run = both

        async def at_once() -> None:
            asked = [link.run(put(b"k%d" % number, b"1"), confirm=True) for number in range(20)]
            faults = await asyncio.gather(*asked, return_exceptions=True)
            assert all("none of the sentinels" in str(fault) for fault in faults)
            raise StoreUnavailable

        assert seconds_to_fail(link, run, at_once()) < 1 + SLACK
    assert len(looks) == 1


@BOTH
def test_a_silent_sentinel_leaves_time_for_the_others(sentinels: Sentinels, *, blocking: bool) -> None:
    """The first of four accepts and never answers: the primary is found in the same request."""
    with silent(1) as places:
        url = sentinels.url.replace("://", f"://{places[0]},", 1)
        with driven(f"{url}?timeout=2s", blocking=blocking) as (link, run):
            assert run(link.run(put(b"silent", b"1"))) == b"1"


def test_each_candidate_has_a_part_of_the_time() -> None:
    """Few share it evenly; of many the first have a quarter each, and it ends with the deadline."""
    deadline = time.monotonic() + 60
    few = [until for _, until in in_turn("ab", deadline)]
    assert few[0] == pytest.approx(deadline - 30, abs=1)
    assert few[1] == pytest.approx(deadline, abs=1)
    many = next(until for _, until in in_turn("abcdefgh", deadline))
    assert many == pytest.approx(deadline - 45, abs=1)
    assert [each for each, _ in in_turn("abc", time.monotonic() - 1)] == ["a"]


def test_the_wait_for_a_connection_counts() -> None:
    """Waiting for the only connection and then for a silent server is one timeout, and not two (promise 9)."""
    with silent(1) as [place], driven(f"redis://{place}/0?timeout=2s&pool=1", blocking=False) as (link, run):

        async def one_after_the_other() -> None:
            [node] = await link._routing.primaries(math.inf)
            wire = await node._pool.take(math.inf)
            asyncio.get_running_loop().call_later(1.2, node._pool.give, wire)
            await link.get([b"a"])

        assert seconds_to_fail(link, run, one_after_the_other()) < 2 + SLACK


@BOTH
def test_a_silent_server_is_not_asked_group_by_group(*, blocking: bool) -> None:
    """What does not fit into one pipeline is given up with the first of several (promise 9)."""
    with silent(1) as [place], driven(f"redis://{place}/0?timeout=1s", blocking=blocking) as (link, run):
        calls = [put(b"k%d" % number, b"1") for number in range(3 * client.GROUP)]
        assert seconds_to_fail(link, run, link.run_many(calls)) < 1 + SLACK


def test_first_requests_at_the_same_time_open_once(redis_server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """The servers are looked at once, and each warning is logged once."""
    with driven(f"{redis_server.url}?replicas=9&timeout=5s", blocking=False) as (link, run):

        async def at_once() -> list[Any]:
            return list(await asyncio.gather(*[link.run(put(b"a", b"1"), confirm=True) for _ in range(10)]))

        assert run(at_once()) == [b"1"] * 10
    assert [record.message for record in caplog.records if "replicas=9" in record.message] == [link.warnings[-1]]


def test_a_connection_that_cannot_be_made_takes_no_place(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error before the connection exists, as of a certificate's file, leaves the pool as large as it was."""
    with driven(f"{redis_server.url}?timeout=1s&pool=1", blocking=False) as (link, run):
        with monkeypatch.context() as patched:
            patched.setattr(asynchronous, "AsyncWire", _fail)
            for _ in range(2):
                with pytest.raises(OSError, match="no such file"):
                    run(link.get([b"a"]))
        run(link.get([b"a"]))


def _fail(*_: object) -> None:
    raise OSError("no such file")
