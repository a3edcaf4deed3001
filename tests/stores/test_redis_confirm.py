"""Dead stays dead on Redis: what a worker acknowledged is brought back before anything is read (promise 2)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from coatcheck.errors import ConfigurationError, StoreUnavailable, Unconfirmed
from coatcheck.model import Tombstone
from coatcheck.stores import from_url
from coatcheck.stores.redis.address import read_url
from coatcheck.stores.redis.link import Call, Script
from coatcheck.stores.redis.opening import make_link
from coatcheck.testing._make import NOW, Maker
from coatcheck.verbs import Created, Limit
from tests.servers import binaries
from tests.servers.cluster import RedisCluster
from tests.servers.fixtures import needed
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer
from tests.servers.sentinels import Sentinels
from tests.stores.redis_links import READ, Run, die, driven, put

BOTH = pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "asyncio"])


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """Give a server with Redis's default: snapshots alone, so that a crash loses what came after the last."""
    with RedisServer(snapshots=True) as server:
        yield server


def save(server: RedisServer) -> None:
    """Write the snapshot that the server will come back with."""
    with server.client() as client:
        client.save()


@BOTH
def test_a_death_survives_a_restart_in_place(server: RedisServer, *, blocking: bool) -> None:
    """The server forgets an acknowledged `end`; the worker that did it brings it back before its first read."""
    store: Any = from_url(f"{server.url}?timeout=5s", blocking=blocking)
    with asyncio.Runner() as runner:
        maker = Maker(runner.run(store.key()))
        kept, ended, evicted = maker.record("ann"), maker.record("bob"), maker.record("cid")
        for record in (kept, ended, evicted):
            assert isinstance(runner.run(store.create(record, now=NOW)), Created)
        save(server)
        assert isinstance(runner.run(store.end(ended.id, reason="revoked", now=NOW)), Tombstone)
        answer = runner.run(store.create(maker.record("cid"), now=NOW, limit=Limit(1, "evict_oldest")))
        assert isinstance(answer, Created)
        server.kill()
        server.restart()
        found = runner.run(store.find([kept.id, ended.id, evicted.id]))
        assert [type(row).__name__ for row in found] == ["Record", "Tombstone", "Tombstone"]
        runner.run(store.close())


@BOTH
def test_everybody_who_reads_waits_for_the_deaths(server: RedisServer, *, blocking: bool) -> None:
    """After a restart in place no read of any task sees what was dead, however many read at once."""
    with driven(f"{server.url}?timeout=5s", blocking=blocking) as (link, run):
        keys = [b"k%d" % number for number in range(2000)]
        run(link.run_many([put(key, b"alive") for key in keys]))
        save(server)
        run(link.run_many([die(key) for key in keys], confirm=True))
        server.kill()
        server.restart()
        if blocking:
            assert run(link.get(keys)) == [b"dead"] * len(keys)
        else:

            async def all_read() -> list[Any]:
                return list(await asyncio.gather(*[link.run(Call(READ, (key,))) for key in keys]))

            assert run(all_read()) == [b"dead"] * len(keys)
        assert link.ledger.replayed == len(keys)
        run(link.get(keys[:1]))
        assert link.ledger.replayed == len(keys), "once is enough"


@BOTH
def test_without_the_ledger_the_dead_come_back(server: RedisServer, *, blocking: bool) -> None:
    """The proof of the two tests above: a call that is not remembered is undone by the restart."""
    with driven(f"{server.url}?timeout=5s", blocking=blocking) as (link, run):
        run(link.run(put(b"a", b"alive")))
        save(server)
        run(link.run(die(b"a")))
        server.kill()
        server.restart()
        assert run(link.get([b"a"])) == [b"alive"]


@BOTH
def test_a_death_whose_answer_was_lost_is_done_before_the_next_read(server: RedisServer, *, blocking: bool) -> None:
    """Unreached or unanswered, a revocation is unknown to its caller and owed: the next answer is after it."""
    with (
        Proxy("127.0.0.1", server.port) as proxy,
        driven(f"redis://127.0.0.1:{proxy.port}/0?timeout=300ms", blocking=blocking) as (link, run),
    ):
        run(link.run(put(b"a", b"alive")))
        proxy.cut()
        with pytest.raises(StoreUnavailable):
            run(link.run(die(b"a"), confirm=True))
        proxy.heal()
        assert run(link.get([b"a"])) == [b"dead"]


@BOTH
def test_a_refused_debt_does_not_stop_reading(*, blocking: bool) -> None:
    """What nobody was told was done, and the server refuses for now, is owed on; reading goes on meanwhile."""
    stubborn = Script.of("stubborn", "#!lua\nredis.call('SET', KEYS[1], 'dead')\nreturn 1")
    with RedisServer() as server, driven(f"{server.url}?timeout=300ms", blocking=blocking) as (link, run):
        run(link.run(put(b"a", b"alive")))
        with server.client() as client:
            client.config_set("maxmemory", "1mb")
            with pytest.raises(StoreUnavailable, match="out of memory"):
                run(link.run(Call(stubborn, (b"a",)), confirm=True))
            assert run(link.get([b"a"])) == [b"alive"]
            client.config_set("maxmemory", "0")
        deadline = time.monotonic() + 10
        while run(link.get([b"a"])) != [b"dead"]:
            assert time.monotonic() < deadline, "the debt was never paid"


def _pair(version: int, gap: Any) -> Any:
    """Return the binary of a version; 7 is the machine's Redis."""
    return needed(binaries.redis, gap) if version == 7 else needed(lambda: binaries.valkey(version), gap)


@pytest.mark.parametrize("version", [7, 8, 9])
@BOTH
def test_a_revocation_is_confirmed_by_replicas(version: int, gap: Any, *, blocking: bool) -> None:
    """With confirm=1 a frozen replica makes it Unconfirmed, also when it is repeated and nothing is left to write.

    The second half is the trap: since Redis 7.2 ``WAIT`` answers at once on a connection that has written nothing.
    """
    binary = _pair(version, gap)
    script = Script.of("end once", "#!lua flags=allow-oom\nreturn redis.call('SET', KEYS[1], '', 'NX') and 1 or 0")
    with RedisServer(binary=binary) as primary, RedisServer(binary=binary, replica_of=primary) as replica:
        replica.wait_linked()
        url = f"{primary.url}?confirm=1&confirm_timeout=1s&timeout=5s"
        with driven(url, blocking=blocking) as (link, run):
            assert run(link.run(Call(script, (b"{t}a",)), confirm=True)) == 1
            replica.freeze()
            for _ in range(2):
                with pytest.raises(Unconfirmed, match="fewer than 1 replicas"):
                    run(link.run(Call(script, (b"{t}b",)), confirm=True))
            replica.thaw()
            run(link.close())  # a new connection, that has written nothing
            replica.freeze()
            with pytest.raises(Unconfirmed):
                run(link.run(Call(script, (b"{t}a",)), confirm=True))
            replica.thaw()
            deadline = time.monotonic() + 10
            while True:
                try:
                    assert run(link.run(Call(script, (b"{t}a",)), confirm=True)) == 0
                    break
                except Unconfirmed:
                    assert time.monotonic() < deadline


def test_confirming_needs_its_replicas_at_start() -> None:
    """confirm=2 with one replica is refused, and says how many there are."""
    with RedisServer() as primary, RedisServer(replica_of=primary) as replica:
        replica.wait_linked()
        with (
            driven(f"{primary.url}?confirm=2", blocking=True) as (link, run),
            pytest.raises(ConfigurationError, match="has 1 replicas connected and confirm=2"),
        ):
            run(link.open())


def test_waiting_for_the_disk(gap: Any) -> None:
    """confirm_disk waits for the append-only file where the server has WAITAOF, and is refused where it has not."""
    with (
        RedisServer(appendonly="everysec") as old,
        driven(f"{old.url}?confirm_disk=yes", blocking=True) as (link, run),
        pytest.raises(ConfigurationError, match=r"confirm_disk needs Redis 7\.2"),
    ):
        run(link.open())
    binary = _pair(9, gap)
    with (
        RedisServer(binary=binary) as none,
        driven(f"{none.url}?confirm_disk=yes", blocking=True) as (link, run),
        pytest.raises(ConfigurationError, match="appendonly yes"),
    ):
        run(link.open())
    with RedisServer(binary=binary, appendonly="everysec", snapshots=True) as server:
        url = f"{server.url}?confirm_disk=yes&confirm_timeout=5s"
        with driven(url, blocking=True) as (link, run):
            run(link.run(put(b"a", b"alive")))
            run(link.run(die(b"a"), confirm=True))
            server.kill()
            server.restart()
        with driven(server.url, blocking=True) as (link, run):  # another worker, that remembers nothing
            assert run(link.get([b"a"])) == [b"dead"]


def _resume(run: Run[Any], ask: Any, seconds: float = 40) -> Any:
    """Ask until there is an answer: a failover takes a while, and every answer until then is StoreUnavailable."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return run(ask())
        except StoreUnavailable:
            assert time.monotonic() < deadline, "the store never came back"


@BOTH
def test_deaths_survive_failovers_of_sentinel(sentinels: Sentinels, *, blocking: bool) -> None:
    """The primary dies with an acknowledged death that no replica has; the first read at the new one sees it dead."""
    with driven(f"{sentinels.url}?timeout=1s", blocking=blocking) as (link, run):
        for number in range(2):
            key = b"s%d%d" % (number, blocking)
            run(link.run(put(key, b"alive")))
            with sentinels.primary().client() as client:
                assert client.wait(2, 5000) == 2
            replicas = [server for server in sentinels.servers if server is not sentinels.primary()]
            for replica in replicas:
                replica.freeze()
            run(link.run(die(key), confirm=True))
            old = sentinels.kill_primary()
            for replica in replicas:
                replica.thaw()
            sentinels.wait_failed_over(old)
            assert _resume(run, lambda key=key: link.get([key])) == [b"dead"]
            assert run(link.run(put(b"after", b"1"))) == b"1"
            sentinels.restart_dead()
            sentinels.wait_settled()


@BOTH
def test_deaths_survive_failovers_of_a_cluster(redis_cluster: RedisCluster, *, blocking: bool) -> None:
    """The same on a Cluster: only the dead primary's calls are repeated, and its slots are found again."""
    with driven(f"{redis_cluster.url}?timeout=1s", blocking=blocking) as (link, run):
        keys = [b"{c%d%d}" % (number, blocking) for number in range(30)]
        run(link.run_many([put(key, b"alive") for key in keys]))
        redis_cluster.wait_settled()
        run(link.run_many([die(key) for key in keys], confirm=True))
        redis_cluster.kill_primary(keys[0].decode())
        redis_cluster.wait_failed_over()
        assert _resume(run, lambda: link.get(keys)) == [b"dead"] * len(keys)
        assert 0 < link.ledger.replayed < len(keys)
        redis_cluster.restart_dead()
        redis_cluster.wait_settled()


def test_the_ledger_is_bounded_in_number_and_in_time(caplog: pytest.LogCaptureFixture) -> None:
    """Ten minutes, and no more than so many calls; the oldest go, with a warning."""
    from coatcheck.stores.redis.ledger import KEEP, Ledger
    from coatcheck.stores.redis.wire import Identity

    now = [0.0]
    ledger = Ledger(clock=lambda: now[0], most=3)
    one, other = Identity("1", "1"), Identity("2", "2")
    ledger.note([die(b"%d" % number) for number in range(5)], one, ledger.begin())
    assert len(ledger) == 3
    assert "the oldest of them are not brought back" in caplog.text
    assert [entry.call.keys for entry in ledger.look(other, lambda _: True).entries] == [(b"2",), (b"3",), (b"4",)]
    assert ledger.look(one, lambda _: True).entries == []
    now[0] = KEEP
    assert ledger.look(other, lambda _: True).entries == []
    assert len(ledger) == 0


def test_a_death_noted_while_a_server_is_looked_at_is_not_overlooked() -> None:
    """Whatever the order of the steps, a server is not settled while it lacks a death (promise 2)."""
    from coatcheck.stores.redis.ledger import Ledger
    from coatcheck.stores.redis.wire import Identity

    old, new = Identity("1", "1"), Identity("2", "2")
    ledger = Ledger()
    began = ledger.begin()  # a call is sent to the old server
    look = ledger.look(new, lambda _: True)  # meanwhile the new one is looked at
    ledger.note([die(b"a")], old, began)
    assert not ledger.settle(new, look), "noted between look and settle"

    began = ledger.begin()
    assert ledger.settle(new, ledger.look(new, lambda _: True))
    assert ledger.settled(new)
    ledger.note([die(b"b")], old, began)  # the old server's answer is noted last
    assert not ledger.settled(new), "noted after settle"


def test_a_link_that_cannot_tell_servers_apart_repeats_on_every_connection(server: RedisServer) -> None:
    """Where INFO is forbidden each new connection may lead to another server, so each is brought up to date."""
    with server.client() as client:
        client.acl_setuser("app", enabled=True, passwords=["+word"], keys=["*"], commands=["+@all", "-info", "-config"])
    link = make_link(read_url(server.url_of(user="app", password="word")), blocking=True)
    from coatcheck.runtime import finish

    finish(link.run(put(b"a", b"alive")))
    assert "could not be checked" in link.warnings[0]
    finish(link.run(die(b"a"), confirm=True))
    finish(link.close())
    finish(link.run(put(b"a", b"alive again")))
    assert link.ledger.replayed == 1
    finish(link.close())
