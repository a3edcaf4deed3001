"""The PostgreSQL store's bounds: behind a pooler, while it is opened, for callers that leave."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from coatcheck.errors import StoreUnavailable
from coatcheck.runtime import finish
from coatcheck.stores.postgres import PostgresStore, blocking, connecting
from coatcheck.stores.postgres.async_pool import AsyncPool, BoundedAsyncConnection
from coatcheck.stores.postgres.options import read_url
from coatcheck.testing._make import NOW
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import PostgresServer
from tests.servers.process import wait_for
from tests.stores._postgres import Place, waiting, with_schema

NOBODY = "0" + "A" * 25


@pytest.fixture
def place(postgres15: PostgresServer) -> Place:
    """Give an empty schema."""
    place = Place(postgres15, "bounds")
    place.prepare()
    return place


@pytest.fixture
def pooled(postgres15: PostgresServer, pgbouncer: PgBouncer) -> Iterator[Place]:
    """Give a schema on a server of this test's own behind a PgBouncer, to be frozen."""
    del postgres15, pgbouncer  # they say whether there are any
    with PostgresServer(15) as server, PgBouncer(server) as pooler:
        place = Place(server, "bounds", through=pooler.url)
        place.prepare()
        yield place


def test_a_frozen_server_behind_pgbouncer_holds_nobody_up(pooled: Place) -> None:
    """Bad day: the client gives up once, not a second time for the rest of its pipeline, and says what it was."""
    store, other = pooled.blocking(timeout="200ms"), pooled.asynchronous(timeout="200ms")

    async def story() -> None:
        await other.open()
        finish(store.open())
        pooled.server.freeze()
        try:
            for client in (store, other):
                with pytest.raises(StoreUnavailable, match="did not answer in time"):
                    await client.find([NOBODY])
                with pytest.raises(StoreUnavailable, match="did not answer in time"):
                    await client.take(NOBODY, now=NOW)
        finally:
            pooled.server.thaw()
        await other.close()

    asyncio.run(story())
    finish(store.close())


@pytest.mark.parametrize("through", [False, True])
def test_a_caller_that_leaves_is_let_go(place: Place, pgbouncer: PgBouncer, through: bool) -> None:
    """A cancelled change ends as cancelled, not as an outage, also in the middle of a transaction behind PgBouncer."""
    place = Place(place.server, "bounds", through=pgbouncer.url if through else None)
    lock = place.server.connect(autocommit=False)

    async def story() -> None:
        store = place.asynchronous()
        await store.open()
        lock.execute(b"LOCK TABLE bounds.coatcheck_sessions")
        leaving = asyncio.ensure_future(store.take(NOBODY, now=NOW))
        await asyncio.to_thread(wait_for, lambda: waiting(place, "coatcheck_take"), what="the change to wait")
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        lock.rollback()
        assert await store.take(NOBODY, now=NOW) is None
        await store.close()

    with closing(lock):
        asyncio.run(story())


def test_a_cancellation_that_comes_with_a_free_connection_counts(place: Place) -> None:
    """A caller cancelled in the very tick in which a connection becomes free is cancelled, and the connection free."""

    async def story() -> None:
        pool = AsyncPool(read_url(place.url + "&pool=1"))
        for first in ("release", "cancel"):
            await pool._enter()
            leaving = asyncio.ensure_future(pool._enter())
            for _ in range(3):
                await asyncio.sleep(0)
            for act in (first, "cancel" if first == "release" else "release"):
                if act == "release":
                    pool._room.release()
                else:
                    leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
            assert not pool._room.locked()

    asyncio.run(story())


def test_callers_of_a_store_that_cannot_be_opened_do_not_queue(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bad day: while one caller waits for the first connection the others wait no longer than a statement may take."""
    release, looks = threading.Event(), []

    def hang(pool: object) -> None:
        looks.append(pool)
        assert release.wait(30)
        raise StoreUnavailable("no answer")

    monkeypatch.setattr(blocking._Pool, "_look", hang)
    store = place.blocking(timeout="50ms")
    first = threading.Thread(target=lambda: _refused(store))
    first.start()
    wait_for(lambda: bool(looks), what="the first caller to look")
    _refused(store)  # would otherwise wait for the first one, and then look itself
    release.set()
    first.join(10)
    assert len(looks) == 1


def test_asyncio_callers_of_a_store_that_cannot_be_opened_do_not_queue(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Likewise on an event loop."""

    async def story() -> None:
        release, looks = asyncio.Event(), []

        async def hang(pool: object) -> None:
            looks.append(pool)
            await release.wait()
            raise StoreUnavailable("no answer")

        monkeypatch.setattr(AsyncPool, "_look", hang)
        store = place.asynchronous(timeout="50ms")
        first = asyncio.ensure_future(store.clock())
        await asyncio.sleep(0)  # the first one looks
        with pytest.raises(StoreUnavailable, match="did not answer in time"):
            await asyncio.wait_for(store.clock(), 20)
        release.set()
        with pytest.raises(StoreUnavailable, match="no answer"):
            await first
        assert len(looks) == 1

    asyncio.run(story())


def _refused(store: PostgresStore) -> None:
    with pytest.raises(StoreUnavailable):
        finish(store.clock())


def test_a_server_that_hangs_takes_its_idle_connections_along(place: Place) -> None:
    """Bad day: after one caller gave up, the others do not try one hung connection after the other: each is new."""
    store = place.blocking(timeout="50ms", pool="3")
    finish(store.open())
    pool = store._pool
    taken = [pool._take() for _ in range(3)]
    for connection in taken:
        pool._give(connection)
    lost = pool._idle[-1]
    lost.patience = 0.001
    with pytest.raises(StoreUnavailable, match="in time"):
        finish(store._read("SELECT pg_sleep(0.04)", {}))
    assert all(connection.closed for connection in taken)
    assert finish(store.find([NOBODY])) == [None]
    finish(store.close())


def test_a_connection_in_use_is_dropped_when_it_is_given_back(place: Place) -> None:
    """Bad day: the primary moved while a verb was under way on the old one; nobody is given that connection again."""
    store = place.blocking()
    finish(store.open())
    pool = store._pool
    used = pool._take()
    pool.drop()
    pool._give(used)
    assert used.closed
    finish(store.close())

    async def story() -> None:
        other = place.asynchronous()
        await other.open()
        pool = other._here().pool
        used = await pool._take()
        with closing(place.server.connect(autocommit=False)) as lock:
            lock.execute(b"LOCK TABLE bounds.coatcheck_sessions")
            looking = asyncio.ensure_future(other.find([NOBODY]))
            await asyncio.to_thread(wait_for, lambda: waiting(place, "coatcheck_sessions"), what="the look-up to wait")
            pool.drop()
        assert await looking == [None]
        assert pool._aside is None
        pool._give(used)
        assert used.closed
        await other.close()

    asyncio.run(story())


def test_connecting_is_bounded_as_a_whole(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bad day: names are looked up without a bound, and each address has its own; together they have one."""

    async def hang(**_: object) -> None:
        await asyncio.Event().wait()

    async def story() -> None:
        store = place.asynchronous()
        async with asyncio.timeout(20):
            with pytest.raises(StoreUnavailable, match="did not answer in time"):
                await store.clock()

    monkeypatch.setattr(BoundedAsyncConnection, "connect", hang)
    monkeypatch.setattr(connecting, "longest", lambda _options: 0.05)
    asyncio.run(story())


@pytest.mark.parametrize(
    ("url", "seconds"),
    [
        ("postgresql://h/d", 3 + 2.5),
        ("postgresql://one,two/d?timeout=4s", 2 * 5 + 4.5),
        ("postgresql://h/d?connect_timeout=9", 9 + 2.5),
        ("postgresql://h/d?connect_timeout=0", 130 + 2.5),
    ],
)
def test_the_bound_leaves_time_for_every_host(url: str, seconds: float) -> None:
    """A host that is dead takes its time and no more, so that the next one is still asked."""
    assert connecting.longest(read_url(url)) == seconds


def test_the_environment_does_not_change_the_store(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """``PGOPTIONS`` counts beside the store's own time limit, and ``PGCLIENTENCODING`` makes no text unspeakable."""
    monkeypatch.setenv("PGOPTIONS", "-c search_path=bounds")
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    store = PostgresStore(read_url(place.server.url))
    finish(store.open())
    assert finish(store._read("SELECT current_schema(), current_setting('statement_timeout')", {})) == [
        ("bounds", "2s")
    ]
    assert finish(store.epoch("Дж")) == 0
    finish(store.close())


def test_options_that_a_pooler_came_to_refuse_are_made_up_for(place: Place, pgbouncer: PgBouncer) -> None:
    """A pooler that was put in between while the store is open: each transaction bounds itself from then on."""
    store = place.blocking(timeout="200ms")
    finish(store.open())
    pool = store._pool
    pool.drop()
    pool._options = read_url(with_schema(pgbouncer.url, "bounds", timeout="200ms"))
    with closing(psycopg.connect(place.server.url)) as lock:
        lock.execute(b"LOCK TABLE bounds.coatcheck_sessions")
        for _ in range(2):  # the first one finds out
            with pytest.raises(StoreUnavailable, match="took too long"):
                finish(store.take(NOBODY, now=NOW))
    finish(store.close())


def test_the_urls_parameters_come_before_the_stores_own() -> None:
    """What libpq is told unless the URL says otherwise: limits of time, and signs of life for firewalls."""
    mine = connecting.arguments(read_url("postgresql://h/d?timeout=4s"), plain=False)
    assert (mine["connect_timeout"], mine["keepalives_idle"]) == (5, 60)
    assert mine["options"] == "-c statement_timeout=4000 -c client_min_messages=warning"
    url = "postgresql://h/d?connect_timeout=9&keepalives_idle=7&options=-c%20a.b%3D1&target_session_attrs=any"
    theirs = connecting.arguments(read_url(url), plain=False)
    assert {"connect_timeout", "keepalives_idle"}.isdisjoint(theirs)
    assert theirs["options"] == "-c a.b=1 -c statement_timeout=2000 -c client_min_messages=warning"
    assert "target_session_attrs=any" in theirs["conninfo"]
