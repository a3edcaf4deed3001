"""The asyncio client of the SQLite store: groups, cancelled callers, several loops, and its end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from sqlite3 import Connection

import pytest

from coatcheck.model import Record
from coatcheck.stores.sqlite import AsyncSqliteStore, asynchronous
from coatcheck.testing._make import NOW, Maker, put
from coatcheck.verbs import Created


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AsyncSqliteStore]:
    """Give an empty store, closed when the test ends."""
    store = AsyncSqliteStore(tmp_path / "sessions.db")
    yield store
    asyncio.run(store.close())


async def add(store: AsyncSqliteStore, maker: Maker, user_id: str = "ann") -> Record:
    """Insert a record that must be accepted."""
    answer = await store.create(maker.record(user_id), now=NOW)
    assert isinstance(answer, Created)
    return answer.record


def fail(_: Connection) -> None:
    """Be a change that fails."""
    raise ZeroDivisionError


def test_one_failing_change_does_not_spoil_its_group(store: AsyncSqliteStore) -> None:
    """Changes share a transaction, not each other's failures: half done work of a failed one is undone, alone."""

    def half_done(db: Connection) -> None:
        db.execute("DELETE FROM sessions")
        raise ZeroDivisionError

    async def scenario() -> None:
        maker = Maker(await store.key())
        kept = await add(store, maker)
        gate = threading.Event()
        block = asyncio.ensure_future(store._write(lambda _: gate.wait(10), durable=False))
        await asyncio.sleep(0)
        changes = [
            asyncio.ensure_future(store.commit(kept.id, generation=1, change=put(a=b"1"), now=NOW)),
            asyncio.ensure_future(store._write(half_done, durable=True)),
            asyncio.ensure_future(store.commit(kept.id, generation=1, change=put(b=b"2"), now=NOW)),
        ]
        await asyncio.sleep(0)
        gate.set()
        answers = await asyncio.gather(*changes, return_exceptions=True)
        assert await block is True
        assert answers[0] == 2
        assert isinstance(answers[1], ZeroDivisionError)
        assert answers[2] == 3

    asyncio.run(scenario())


def test_a_cancelled_caller_does_not_break_the_group(store: AsyncSqliteStore) -> None:
    """A request that is cancelled while it waits leaves the others their answers."""

    async def scenario() -> None:
        maker = Maker(await store.key())
        kept = await add(store, maker)
        gate = threading.Event()
        block = asyncio.ensure_future(store._write(lambda _: gate.wait(10), durable=False))
        await asyncio.sleep(0)
        waiting = [
            asyncio.ensure_future(store.commit(kept.id, generation=1, change=put(a=b"1"), now=NOW)) for _ in range(3)
        ]
        await asyncio.sleep(0)
        waiting[1].cancel()
        gate.set()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert await block is True
        assert answers[0] == 2
        assert isinstance(answers[1], asyncio.CancelledError)
        assert isinstance(answers[2], int)

    asyncio.run(scenario())


def test_a_group_is_bounded_and_shares_one_transaction(
    store: AsyncSqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hundred changes that wait are written in groups of at most `GROUP`, not one by one."""
    sizes: list[int] = []
    real = asynchronous._deliver

    def deliver(requests: list[asynchronous._Request]) -> None:
        sizes.append(len(requests))
        real(requests)

    monkeypatch.setattr(asynchronous, "_deliver", deliver)

    async def scenario() -> None:
        maker = Maker(await store.key())
        kept = await add(store, maker)
        gate = threading.Event()
        block = asyncio.ensure_future(store._write(lambda _: gate.wait(10), durable=False))
        changes = [store.commit(kept.id, generation=1, change=put(a=b"1"), now=NOW) for _ in range(200)]
        waiting = [asyncio.ensure_future(change) for change in changes]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(block, *waiting)

    asyncio.run(scenario())
    assert max(sizes) == asynchronous.GROUP
    assert len(sizes) < 12


def test_closing_writes_what_is_queued(store: AsyncSqliteStore) -> None:
    """Nothing that was asked before `close` is lost by it, and a later verb opens again."""

    async def scenario() -> None:
        maker = Maker(await store.key())
        waiting = [asyncio.ensure_future(add(store, maker)) for _ in range(100)]
        await asyncio.sleep(0)
        await store.close()
        assert not [thread for thread in threading.enumerate() if thread.name == "coatcheck-sqlite"]
        assert all(isinstance(record, Record) for record in await asyncio.gather(*waiting))
        assert await store.count(now=NOW) == 100

    asyncio.run(scenario())


def test_the_store_belongs_to_no_loop(store: AsyncSqliteStore) -> None:
    """One store serves one event loop after another, and two at once in two threads."""

    async def scenario(seed: int) -> Record:
        return await add(store, Maker(await store.key(), seed=seed))

    records = [asyncio.run(scenario(1)), asyncio.run(scenario(2))]
    threads = [
        threading.Thread(target=lambda seed=seed: records.append(asyncio.run(scenario(seed)))) for seed in (3, 4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asyncio.run(store.list_user("ann", now=NOW))) == len(records) == 4


def test_a_loop_that_went_away_does_not_stop_the_writer(store: AsyncSqliteStore) -> None:
    """An answer for a loop that was closed meanwhile is dropped; the next caller is served."""
    gate = threading.Event()

    async def leave() -> None:
        await store.open()
        request = asynchronous._Request(lambda _: gate.wait(10), durable=False)
        store._running_writer().submit(request)

    asyncio.run(leave())
    gate.set()

    async def stay() -> None:
        with pytest.raises(ZeroDivisionError):
            await store._write(fail, durable=False)

    asyncio.run(stay())


def test_a_store_that_nobody_closed_leaves_no_thread(tmp_path: Path) -> None:
    """When the object goes, its thread ends."""
    store = AsyncSqliteStore(tmp_path / "other.db")
    asyncio.run(store.key())
    writer = store._writer
    assert writer is not None
    del store
    writer._thread.join(10)
    assert not writer._thread.is_alive()
