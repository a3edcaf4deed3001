"""The PostgreSQL store on bad days: loud, bounded, in words that hold no password, and well again afterwards."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from coatcheck.errors import ConfigurationError, StoreUnavailable
from coatcheck.runtime import finish
from coatcheck.stores.postgres import AsyncPostgresStore, PostgresStore
from coatcheck.stores.postgres.options import read_url
from coatcheck.testing._make import NOW, Maker, put
from coatcheck.verbs import Created
from tests.servers.pgbouncer import PgBouncer
from tests.servers.ports import free_port
from tests.servers.postgres import PostgresServer
from tests.servers.process import wait_for
from tests.servers.tls import certificates
from tests.stores._postgres import Place, waiting

NOBODY = "0" + "A" * 25


@pytest.fixture
def place(postgres15: PostgresServer) -> Place:
    """Give an empty schema."""
    place = Place(postgres15, "faults")
    place.prepare()
    return place


@pytest.fixture
def store(place: Place) -> Iterator[PostgresStore]:
    """Give a store that waits a fifth of a second for a statement."""
    store = place.blocking(timeout="200ms")
    yield store
    finish(store.close())


@pytest.fixture
def server() -> Iterator[Place]:
    """Give a server of this test's own, to be broken."""
    with PostgresServer(15, config={"max_connections": "12", "superuser_reserved_connections": "3"}) as own:
        place = Place(own, "broken")
        place.prepare()
        yield place


def texts(error: BaseException) -> str:
    """Return an error's text and those of everything it came from."""
    shown, at = "", error
    while True:
        shown += str(at) + repr(at)
        following = at.__cause__ or at.__context__
        if following is None:
            return shown
        at = following


def refused(url: str) -> Exception:
    """Open a store on *url* by both clients, which must be refused alike; return the error."""
    errors: list[Exception] = []
    for client in (PostgresStore(read_url(url)), AsyncPostgresStore(read_url(url))):
        try:
            asyncio.run(client.open())
        except (ConfigurationError, StoreUnavailable) as error:
            errors.append(error)
    assert len(errors) == 2
    assert str(errors[0]) == str(errors[1])
    assert "private" not in texts(errors[0]) + texts(errors[1]), "the password"
    return errors[0]


def test_what_a_person_must_set_right_is_said_at_once(place: Place) -> None:
    """Bad day: a wrong password, user, database or TLS is a start-up error that names the place (promise 9)."""
    server = place.server
    for url, cause in (
        (server.url_of(password="not private"), "password is wrong"),
        (server.url_of(user="stranger"), "password is wrong"),
        (server.url_of(database="nowhere"), "no such database"),
        (server.url + "?sslmode=require", "does not speak TLS"),
    ):
        error = refused(url)
        assert isinstance(error, ConfigurationError), url
        assert cause in str(error)
        assert f"127.0.0.1:{server.port}/" in str(error)


def test_a_certificate_is_checked_when_asked_for(tmp_path: Path) -> None:
    """Bad day: a certificate that nobody vouches for is a start-up error; the right authority opens (promise 9)."""
    (tmp_path / "right").mkdir()
    (tmp_path / "wrong").mkdir()
    right, wrong = certificates(tmp_path / "right", "127.0.0.1"), certificates(tmp_path / "wrong", "127.0.0.1")
    with PostgresServer(15, tls=right) as server:
        place = Place(server, "tls")
        place.prepare()
        strict = place.url + "&sslmode=verify-full&sslrootcert="
        assert "not trusted" in str(refused(strict + str(wrong.authority)))
        assert "root certificate" in str(refused(strict + str(tmp_path / "nowhere.pem")))
        trusting = PostgresStore(read_url(strict + str(right.authority)))
        finish(trusting.open())
        finish(trusting.close())


def test_an_unreachable_server_is_an_outage() -> None:
    """Bad day: nobody listens; that is an outage, for it may pass, and names host, port and database."""
    port = free_port()
    error = refused(f"postgresql://ann:private@127.0.0.1:{port}/shop")
    assert isinstance(error, StoreUnavailable)
    assert str(error) == f"the PostgreSQL store 127.0.0.1:{port}/shop is unavailable: it refused the connection"


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("postgresql://ann:private@h/d?timeout=soon", "timeout="),
        ("postgresql://ann:private@h/d?timeout=1h", "timeout="),
        ("postgresql://ann:private@h/d?prepare=yes", "prepare="),
        ("postgresql://ann:private@h/d?pool=0", "pool="),
        ("postgresql://ann:private@h/d?schema=a'b", "schema="),
        ("postgresql://ann:private@h/d?colour=blue", "cannot be read"),
        ("postgresql://ann:private%zz@h/d", "cannot be read"),
        ("postgresql://ann:pa?private@h/d", "cannot be read"),
        ("postgresql://ann:pa?pool=private@h/d", "cannot be read"),
        ("postgresql://ann:55?sslmode=private@h/d", "cannot be read"),
        ("postgresql://ann:55?schema=private@h/d", "cannot be read"),
    ],
)
def test_a_wrong_url_says_how_to_write_it(url: str, cause: str) -> None:
    """A fault of the URL is told without the URL, whose password might be in it (promise 7)."""
    with pytest.raises(ConfigurationError, match=cause) as caught:
        read_url(url)
    assert "private" not in texts(caught.value)


def test_every_fault_of_a_url_is_told_at_once() -> None:
    """Configuration errors come together, not one a restart."""
    with pytest.raises(ConfigurationError) as caught:
        read_url("postgres://h/d?timeout=soon&pool=many")
    assert len(caught.value.faults) == 2


def test_several_hosts_mean_the_one_that_takes_writes() -> None:
    """A URL with several hosts looks for the primary unless it says otherwise."""
    options = read_url("postgresql://ann:private@one,two:5433/d")
    assert "target_session_attrs=read-write" in options.conninfo
    assert options.place == "one:5432,two:5433/d"
    assert "private" not in repr(options)


def held(place: Place, table: str) -> Any:
    """Lock a table against everybody until the connection is closed."""
    connection = place.server.connect(autocommit=False)
    connection.execute(f"LOCK TABLE {place.schema}.coatcheck_{table}".encode())
    return closing(connection)


def test_a_statement_that_takes_too_long_is_ended_by_the_server(place: Place, store: PostgresStore) -> None:
    """Bad day: a slow store is bounded by the timeout, reads and writes, and no statement is left behind."""
    finish(store.open())
    with held(place, "sessions"):
        for verb in (store.find([NOBODY]), store.take(NOBODY, now=NOW)):
            with pytest.raises(StoreUnavailable, match="took too long"):
                finish(verb)
        assert place.server.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'coatcheck' AND state = 'active'"
        ) == [(0,)]
    assert finish(store.find([NOBODY])) == [None]


@pytest.mark.parametrize("blocking", [True, False])
def test_the_bound_holds_behind_pgbouncer(place: Place, pgbouncer: PgBouncer, blocking: bool) -> None:
    """A pooler keeps a connection's parameters from the server: each transaction then bounds itself, and alone."""
    through = Place(place.server, "faults", through=pgbouncer.url)
    store = through.blocking(timeout="200ms") if blocking else through.asynchronous(timeout="200ms")

    async def story() -> None:
        await store.open()
        with held(place, "sessions"):
            for verb in (store.find([NOBODY]), store.take(NOBODY, now=NOW)):
                with pytest.raises(StoreUnavailable, match="took too long"):
                    await verb
        assert await store.find([NOBODY]) == [None]
        await store.close()

    asyncio.run(story())
    with pgbouncer_connection(pgbouncer) as connection:
        for _ in range(8):
            assert connection.execute(b"SHOW statement_timeout").fetchall() == [("0",)]


def pgbouncer_connection(pgbouncer: PgBouncer) -> Any:
    """Connect as somebody else who shares the pooler's connections."""
    import psycopg

    return psycopg.connect(pgbouncer.url, autocommit=True, prepare_threshold=None)


def test_a_frozen_server_holds_nobody_up(server: Place) -> None:
    """Bad day: a server that hangs ends nothing itself; the client gives up, and finds it again when it goes on."""
    store, other = server.blocking(timeout="200ms"), server.asynchronous(timeout="200ms")

    async def story() -> None:
        await other.open()
        finish(store.open())
        server.server.freeze()
        try:
            for client in (store, other):
                with pytest.raises(StoreUnavailable, match="did not answer in time"):
                    await client.find([NOBODY])
                with pytest.raises(StoreUnavailable, match="did not answer in time"):
                    await client.take(NOBODY, now=NOW)
        finally:
            server.server.thaw()
        for client in (store, other):
            assert await client.find([NOBODY]) == [None]
            await client.close()

    asyncio.run(story())


def test_a_restart_is_survived(server: Place) -> None:
    """Bad day: the server was restarted between two requests; neither fails, and a crash loses nothing."""
    store, other = server.blocking(), server.asynchronous()
    record = Maker(finish(store.key())).record("ann", data={"a": b"1"})
    assert isinstance(finish(store.create(record, now=NOW)), Created)

    async def story() -> None:
        assert len(await other.find([record.id])) == 1
        server.server.kill()
        for client in (store, other):
            with pytest.raises(StoreUnavailable):
                await client.find([record.id])
        server.server.restart()
        assert await store.commit(record.id, generation=1, change=put(b=b"2"), now=NOW) == 2
        assert await other.commit(record.id, generation=1, change=put(c=b"3"), now=NOW) == 3
        server.server.restart()
        assert await store.find([record.id]) == await other.find([record.id])
        await other.close()

    asyncio.run(story())
    finish(store.close())


def test_a_connection_lost_in_a_write_is_unknown_and_not_sent_again(place: Place) -> None:
    """Bad day: a write whose connection is cut raises; it is not repeated, and the next verb has a new connection."""
    store = place.blocking()
    make = Maker(finish(store.key()))
    record = make.record("ann")
    finish(store.create(record, now=NOW))
    errors: list[Exception] = []

    def write() -> None:
        try:
            finish(store.commit(record.id, generation=1, change=put(a=b"1"), now=NOW))
        except StoreUnavailable as error:
            errors.append(error)

    with held(place, "sessions"):
        thread = threading.Thread(target=write)
        thread.start()
        wait_for(lambda: waiting(place, "coatcheck_commit"), what="the commit to wait")
        place.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'coatcheck'")
        thread.join(10)
    assert [str(error).rpartition(": ")[2] for error in errors] == ["it is being shut down"]
    assert finish(store.commit(record.id, generation=1, change=put(a=b"1"), now=NOW)) == 2
    finish(store.close())


def test_a_standby_takes_no_writes(place: Place) -> None:
    """Bad day: a server that only reads answers 503 to writes, and is looked up again afterwards."""
    store = place.blocking()
    finish(store.open())
    place.execute("ALTER SYSTEM SET default_transaction_read_only = on")
    place.execute("SELECT pg_reload_conf()")
    try:
        wait_for(
            lambda: place.server.execute("SHOW default_transaction_read_only") == [("on",)], what="the server to refuse"
        )
        with pytest.raises(StoreUnavailable, match="only reads"):
            finish(store.take(NOBODY, now=NOW))
    finally:
        with place.server.connect() as connection:
            connection.execute(b"SET default_transaction_read_only = off")
            connection.execute(b"ALTER SYSTEM RESET default_transaction_read_only")
            connection.execute(b"SELECT pg_reload_conf()")
    wait_for(lambda: place.server.execute("SHOW default_transaction_read_only") == [("off",)], what="it to take writes")
    assert finish(store.take(NOBODY, now=NOW)) is None
    finish(store.close())


def test_too_many_connections_are_told(server: Place) -> None:
    """Bad day: the server has no connection left; that is an outage with its cause, and over when one is free."""
    server.execute("CREATE ROLE shop LOGIN PASSWORD 'private' IN ROLE pg_read_all_data, pg_write_all_data")
    app = Place(server.server, "broken")
    app.url = server.server.url_of(user="shop", password="private") + "?schema=broken"
    taken: list[Any] = []
    try:
        while len(taken) < 12:
            try:
                taken.append(server.server.connect())
            except Exception:  # noqa: BLE001 - full, whatever the client calls it
                break
        assert "no connection left" in str(refused(app.url))
    finally:
        for connection in taken:
            connection.close()
    wait_for(lambda: finish(app.blocking().key()) is not None, what="a free connection")


def test_a_busy_pool_is_bounded(place: Place) -> None:
    """Bad day: every connection of the process is in use; the next caller is told so, within the timeout."""
    errors: list[str] = []

    async def story() -> None:
        other = place.asynchronous(pool="1", timeout="600ms")
        await other.open()
        waits = [asyncio.create_task(other.take(NOBODY, now=NOW)) for _ in range(4)]
        for answer in await asyncio.gather(*waits, return_exceptions=True):
            assert isinstance(answer, StoreUnavailable)
            errors.append(str(answer).rpartition(": ")[2])
        await other.close()

    with held(place, "sessions"):
        asyncio.run(story())
    assert "all 1 connections of this process are in use (pool=)" in errors


def test_nothing_is_logged_of_the_password(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """Promise 7: neither opening nor failing to open logs the password, at any level."""
    caplog.set_level(logging.DEBUG)
    finish(place.blocking().open())
    refused(place.server.url_of(database="nowhere"))
    assert "private" not in caplog.text


def test_text_that_postgresql_cannot_keep_is_the_callers_mistake(store: PostgresStore) -> None:
    """NUL is refused by the manager; a store reached without it says so, and is not unavailable."""
    with pytest.raises(ValueError, match="NUL"):
        finish(store.epoch("ann\0"))
