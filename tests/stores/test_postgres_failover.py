"""The PostgreSQL store beside real replicas: nothing read from a standby, failover by the URL, a replica that hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from coatcheck.errors import StoreUnavailable, Unconfirmed
from coatcheck.model import Record, Tombstone
from coatcheck.runtime import finish
from coatcheck.stores.postgres import AsyncPostgresStore, PostgresStore
from coatcheck.stores.postgres.options import read_url
from coatcheck.testing._make import IDLE, NOW, Maker, put
from coatcheck.verbs import Created, Tally
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import PostgresServer
from tests.servers.process import wait_for
from tests.stores._postgres import Place, with_schema


@pytest.fixture
def primary(postgres15: PostgresServer) -> Iterator[Place]:
    """Give a schema on a server of this test's own; the shared one says that there is a PostgreSQL 15."""
    del postgres15
    with PostgresServer(15) as server:
        place = Place(server, "failover")
        place.prepare()
        yield place


@pytest.fixture
def standby(primary: Place) -> Iterator[PostgresServer]:
    """Give its streaming replica."""
    replica = primary.server.make_replica()
    yield replica
    replica.stop()


def test_a_standby_is_never_asked(primary: Place, standby: PostgresServer) -> None:
    """Promise 2: a standby lags and would show a revoked session as live, so that its address is refused as it is."""
    record = Maker(finish(primary.blocking().key())).record("ann")
    assert isinstance(finish(primary.blocking().create(record, now=NOW)), Created)
    options = read_url(with_schema(standby.url, primary.schema))
    for store in (PostgresStore(options), AsyncPostgresStore(options)):
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="no host of the URL takes writes"):
                asyncio.run(store.find([record.id]))


def test_a_failover_is_followed(primary: Place, standby: PostgresServer) -> None:
    """Bad day: the primary dies and its standby takes over; both clients go on there, with all that was replicated."""
    hosts = f"127.0.0.1:{standby.port},127.0.0.1:{primary.server.port}"
    url = primary.url.replace(f"127.0.0.1:{primary.server.port}", hosts)
    store, other = PostgresStore(read_url(url)), AsyncPostgresStore(read_url(url))
    record = Maker(finish(store.key())).record("ann")
    assert isinstance(finish(store.create(record, now=NOW)), Created)
    count = 'SELECT count(*) FROM "failover".coatcheck_sessions'
    wait_for(lambda: standby.execute(count) == [(1,)], what="the session to be replicated")

    async def story() -> None:
        assert len(await other.find([record.id])) == 1
        primary.server.kill()
        for client in (store, other):
            with pytest.raises(StoreUnavailable):
                await client.find([record.id])
        standby.promote()
        for version, client in ((2, store), (3, other)):
            assert await client.commit(record.id, generation=1, change=put(a=b"1"), now=NOW) == version
            [found] = await client.find([record.id])
            assert isinstance(found, Record)
            assert found.version == version
        await other.close()

    asyncio.run(story())
    finish(store.close())


@pytest.mark.parametrize("blocking", [True, False])
def test_a_synchronous_replica_that_hangs_holds_nobody_up(primary: Place, blocking: bool) -> None:
    """Bad day: a commit that waits for its replica is an outage within the timeout, and stands once that goes on."""
    options = read_url(primary.url + "&timeout=200ms")
    store = PostgresStore(options) if blocking else AsyncPostgresStore(options)
    replica = primary.server.make_replica(synchronous=True)

    async def story() -> None:
        record = Maker(await store.key()).record("ann")
        assert isinstance(await store.create(record, now=NOW), Created)
        replica.freeze()
        try:
            with pytest.raises(StoreUnavailable, match="did not answer in time"):
                await store.end(record.id, reason="revoked", now=NOW)
            assert await store.find([record.id]) is not None
        finally:
            replica.thaw()
        ended = 'SELECT count(*) FROM "failover".coatcheck_sessions WHERE ended_at IS NOT NULL'
        wait_for(lambda: primary.server.execute(ended) == [(1,)], what="the replica to confirm")
        [found] = await store.find([record.id])
        assert isinstance(found, Tombstone)
        await store.close()

    try:
        asyncio.run(story())
    finally:
        replica.stop()


def test_counts_wait_for_no_replica(primary: Place) -> None:
    """Counts are no promise: they are added at once while the synchronous replica hangs and a sign-in waits for it."""
    store = primary.blocking(timeout="500ms")
    record = Maker(finish(store.key())).record("ann")
    replica = primary.server.make_replica(synchronous=True)
    replica.freeze()
    try:
        for _ in range(3):
            finish(store.add_counts([Tally(NOW, {"created": 1})], now=NOW))
        with pytest.raises(StoreUnavailable, match="did not answer in time"):
            finish(store.create(record, now=NOW))
    finally:
        replica.thaw()
    [day] = finish(store.read_counts("day", since=0, until=NOW))
    assert day.counts == {"created": 3}
    finish(store.close())
    replica.stop()


CLIENTS = ("blocking", "asyncio", "through PgBouncer")


@pytest.fixture(params=CLIENTS)
def waiting(request: pytest.FixtureRequest, primary: Place, pgbouncer: PgBouncer) -> Iterator[Any]:
    """Give a store whose changes wait for a synchronous replica, as a role that would rather not hear any warning."""
    del pgbouncer  # says whether there is one
    primary.execute("ALTER ROLE postgres SET client_min_messages = error")
    with ExitStack() as stack:
        if request.param == "through PgBouncer":
            pooler = stack.enter_context(PgBouncer(primary.server))
            primary.url = with_schema(pooler.url, primary.schema)
        yield primary.asynchronous(timeout="20s") if request.param == "asyncio" else primary.blocking(timeout="20s")


async def broken_off(
    primary: Place, verb: Coroutine[Any, Any, object], kind: type[StoreUnavailable] = Unconfirmed
) -> Any:
    """Run a verb whose wait for the replica an operator cancels; return what it raises."""
    with ThreadPoolExecutor(1) as threads:
        cancelled = threads.submit(cancel_the_wait, primary)
        with pytest.raises(kind, match="replica did not confirm") as caught:
            await verb
        cancelled.result()
    return caught.value


def test_a_wait_for_a_replica_that_is_broken_off_is_no_success(primary: Place, waiting: Any) -> None:
    """Promise 2: PostgreSQL reports success and only warns; each verb says that it waits in vain, also asked again."""

    async def story() -> None:
        make = Maker(await waiting.key())
        first, second = make.record("ann"), make.record("bob")
        for record in (first, second):
            assert isinstance(await waiting.create(record, now=NOW), Created)
        below = await waiting.raise_epoch(now=NOW)
        replica = primary.server.make_replica(synchronous=True)
        replica.freeze()
        try:
            for ends, record in ((True, first), (False, first)):
                fault = await broken_off(primary, waiting.end(record.id, reason="revoked", now=NOW))
                assert [row.id for row in fault.ended] == [record.id] * ends
            for ends in (True, False):
                fault = await broken_off(primary, waiting.take(second.id, now=NOW))
                assert [row.id for row in fault.ended] == [second.id] * ends
            fault = await broken_off(primary, waiting.end_all(below=below, reason="revoked", now=NOW, limit=9))
            assert fault.ended == ()
        finally:
            replica.thaw()
        assert await waiting.end(first.id, reason="revoked", now=NOW) is None
        await waiting.close()
        replica.stop()

    asyncio.run(story())


def test_what_is_not_confirmed_is_in_the_error(primary: Place, waiting: Any) -> None:
    """The answer of a verb whose wait is broken off is not lost: what ended, the epoch, the record with its secret."""

    async def story() -> None:
        make = Maker(await waiting.key())
        record, others = make.record("ann"), [make.record("bob") for _ in range(2)]
        for each in (record, *others):
            assert isinstance(await waiting.create(each, now=NOW), Created)
        replica = primary.server.make_replica(synchronous=True)
        replica.freeze()
        try:
            commit = waiting.commit(record.id, generation=1, change=put(a=b"1"), now=NOW)
            fault = await broken_off(primary, commit, StoreUnavailable)
            assert set(vars(fault)) <= {"__notes__"}, "a verb that keeps nothing puts no row into its error"
            await broken_off(primary, waiting.set_roles("ann", ("editor",), now=NOW))
            rotation = make.rotation(record)
            rotate = waiting.rotate(record.id, generation=2, rotation=rotation, change=put(), now=NOW)
            fault = await broken_off(primary, rotate)
            assert fault.record is not None
            assert (fault.record.secret_digest, fault.record.roles) == (rotation.secret_digest, ("editor",))
            fault = await broken_off(primary, waiting.end_user("bob", reason="revoked", now=NOW, keep=others[1].id))
            assert [row.id for row in fault.ended] == [others[0].id]
            fault = await broken_off(primary, waiting.raise_epoch(now=NOW))
            assert fault.epoch == await waiting.epoch("nobody")
            below = fault.epoch
            fault = await broken_off(primary, waiting.end_all(below=below, reason="revoked", now=NOW, limit=9))
            assert {row.id for row in fault.ended} == {record.id, others[1].id}
        finally:
            replica.thaw()
        await waiting.close()
        replica.stop()

    asyncio.run(story())


def test_a_sweep_tells_what_it_buried_without_its_replica(primary: Place, waiting: Any) -> None:
    """Expired stays expired: a sweep whose wait is broken off goes on, so that each end is told once."""

    async def story() -> None:
        record = Maker(await waiting.key()).record("ann")
        assert isinstance(await waiting.create(record, now=NOW), Created)
        replica = primary.server.make_replica(synchronous=True)
        replica.freeze()
        try:
            with ThreadPoolExecutor(1) as threads:
                cancelled = threads.submit(cancel_the_wait, primary)
                buried = await waiting.sweep(now=NOW + IDLE, limit=5, forget_before=0, max_ended=9)
                cancelled.result()
        finally:
            replica.thaw()
        assert [row.id for row in buried.ended] == [record.id]
        assert not buried.more
        await waiting.close()
        replica.stop()

    asyncio.run(story())


def cancel_the_wait(primary: Place) -> None:
    """Cancel what waits for a replica, once something does."""
    query = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    wait_for(lambda: primary.server.execute(query) == [(1,)], what="the change to wait for the replica")
