"""The PostgreSQL store across `fork()`: a worker never touches its parent's connections."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import threading
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from coatcheck.stores import _forking
from coatcheck.stores.postgres import connecting
from coatcheck.stores.postgres.async_pool import BoundedAsyncConnection
from coatcheck.stores.postgres.blocking import BoundedConnection
from tests.servers.postgres import PostgresServer
from tests.stores._postgres import Place

PRELUDE = """
import asyncio, contextlib, os, signal, sys, threading, traceback
from coatcheck.runtime import finish
from coatcheck.stores.postgres import AsyncPostgresStore, PostgresStore
from coatcheck.stores.postgres.options import read_url
from coatcheck.testing._make import NOW, Maker, put
from coatcheck.verbs import Created
url = sys.argv[1]

def in_child(work):
    pid = os.fork()
    if pid == 0:
        signal.alarm(30)  # a child that hangs in C ends all the same
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return pid

def wait(pids):
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * len(pids)

@contextlib.contextmanager
def amid(count, busy):
    stop = threading.Event()
    threads = [threading.Thread(target=busy, args=(lambda: not stop.is_set(),)) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
"""


@pytest.fixture
def place(postgres15: PostgresServer) -> Place:
    """Give an empty schema."""
    place = Place(postgres15, "processes")
    place.prepare()
    return place


def run(code: str, place: Place) -> str:
    """Run *code* in a Python of its own, which ends within a minute, and return what it printed."""
    program = PRELUDE + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", program, place.url],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_workers_forked_from_a_warm_parent(place: Place) -> None:
    """As under gunicorn's prefork with an application loaded beforehand: parent and four workers go on side by side."""
    code = """
        store = PostgresStore(read_url(url))
        make = Maker(finish(store.key()))
        shared = make.record("ann")
        assert isinstance(finish(store.create(shared, now=NOW)), Created)

        def work(number):
            own = Maker(finish(store.key()), seed=number + 2).record("bob")
            assert isinstance(finish(store.create(own, now=NOW)), Created)
            for count in range(20):
                change = put(**{f"{number}-{count}": b"1"})
                assert isinstance(finish(store.commit(shared.id, generation=1, change=change, now=NOW)), int)
            finish(store.close())

        pids = [in_child(lambda number=number: work(number)) for number in range(4)]
        for count in range(20):
            assert isinstance(finish(store.commit(shared.id, generation=1, change=put(p=b"1"), now=NOW)), int)
        wait(pids)
        [found] = finish(store.find([shared.id]))
        print(found.version, len(found.data), len(finish(store.list_user("bob", now=NOW))))
        finish(store.close())
    """
    assert run(code, place).split() == ["101", "81", "4"]


def test_a_fork_amid_busy_threads(place: Place) -> None:
    """A fork that finds locks held and connections in use by other threads leaves a worker that works."""
    code = """
        store = PostgresStore(read_url(url))
        record = Maker(finish(store.key())).record("ann")
        finish(store.create(record, now=NOW))

        def busy(again):
            while again():
                finish(store.find([record.id]))

        def work():
            assert finish(store.find([record.id]))[0].id == record.id

        with amid(4, busy):
            wait([in_child(work) for _ in range(10)])
        finish(store.close())
        print("well")
    """
    assert run(code, place).split() == ["well"]


@pytest.fixture
def gated(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[bool]]:
    """Give, for whatever makes or closes a connection, whether each call of it was one that a fork waits for."""
    seen: dict[str, list[bool]] = {"connect": [], "close": [], "async connect": [], "async close": []}

    def watch(owner: Any, name: str, what: str) -> None:
        original = getattr(owner, name)

        def watched(*args: Any, **given: Any) -> Any:
            seen[what].append(threading.get_ident() in _forking._gate.inside)
            return original(*args, **given)

        monkeypatch.setattr(owner, name, watched)

    watch(BoundedConnection, "connect", "connect")
    watch(psycopg.Connection, "close", "close")
    watch(BoundedAsyncConnection, "connect", "async connect")
    watch(psycopg.AsyncConnection, "close", "async close")
    return seen


def test_a_fork_waits_for_whatever_makes_or_closes_a_connection(place: Place, gated: dict[str, list[bool]]) -> None:
    """The fault is one in a thousand forks, so the gate is looked at: it is entered for each, in both clients."""
    store, other = place.blocking(), place.asynchronous()

    async def story() -> None:
        for client in (store, other):
            await client.open()
            await client.find(["0" + "A" * 25])
            await client.close()

    asyncio.run(story())
    assert {what: set(calls) for what, calls in gated.items()} == {what: {True} for what in gated}


def test_a_fork_waits_for_a_connection_that_is_given_up() -> None:
    """Likewise where a connection is closed in the middle of an operation."""
    inside: list[bool] = []
    hung: Any = SimpleNamespace(
        pgconn=SimpleNamespace(finish=lambda: inside.append(threading.get_ident() in _forking._gate.inside))
    )
    connecting.abandon(hung, (number for number in range(3)))
    assert inside == [True]


def test_a_fork_while_connections_are_made(place: Place) -> None:
    """No lock of a library's, taken while a thread makes or closes a connection, is held for ever in a worker."""
    code = """
        store = PostgresStore(read_url(url))
        finish(store.open())

        def busy(again):
            while again():
                own = PostgresStore(read_url(url))
                finish(own.open())
                finish(own.close())

        with amid(4, busy):
            for _ in range(50):
                wait([in_child(lambda: finish(store.open()))])
        finish(store.close())
        print("well")
    """
    assert run(code, place).split() == ["well"]


def test_an_asyncio_store_opened_before_the_fork(place: Place) -> None:
    """A worker's own event loop makes its own connections; the parent's go on."""
    code = """
        store = AsyncPostgresStore(read_url(url))

        async def story(number):
            record = Maker(await store.key(), seed=number).record("ann")
            assert isinstance(await store.create(record, now=NOW), Created)
            assert [row.id for row in await store.find([record.id])] == [record.id]

        with asyncio.Runner() as parent:
            parent.run(story(1))
            wait([in_child(lambda number=number: asyncio.Runner().run(story(number))) for number in (2, 3, 4)])
            parent.run(story(5))
            print(len(parent.run(store.list_user("ann", now=NOW))))
            parent.run(store.close())
    """
    assert run(code, place).split() == ["5"]
