"""The asyncio SQLite store when another process holds the file's lock, and what it keeps off the loop's thread."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from coatcheck import StoreUnavailable
from coatcheck.stores.sqlite import AsyncSqliteStore, asynchronous, connecting, database, queries
from coatcheck.testing._make import NOW, Maker, put
from coatcheck.verbs import Created

WRITERS = 4 * asynchronous.GROUP


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Name the file."""
    return tmp_path / "sessions.db"


@pytest.fixture
def store(file: Path) -> Iterator[AsyncSqliteStore]:
    """Give an empty store, closed when the test ends."""
    store = AsyncSqliteStore(file)
    yield store
    asyncio.run(store.close())


async def add(store: AsyncSqliteStore) -> str:
    """Insert a session and return its id."""
    answer = await store.create(Maker(await store.key()).record("ann"), now=NOW)
    assert isinstance(answer, Created)
    return answer.record.id


def test_a_locked_file_fails_all_who_wait_at_once(
    store: AsyncSqliteStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 9: one busy timeout tells everybody in the queue; the last need not wait one for each group before."""
    monkeypatch.setattr(connecting, "_WRITE_TIMEOUT", 0.2)
    waits: list[int] = []
    real = database.run_group

    def run_group(connection: sqlite3.Connection, group: list[Any]) -> None:
        waits.append(len(group))
        real(connection, group)

    async def scenario() -> None:
        kept = await add(store)
        await store.close()  # the next connection has the short timeout
        monkeypatch.setattr(database, "run_group", run_group)
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            writers = [store.commit(kept, generation=1, change=put(a=b"1"), now=NOW) for _ in range(WRITERS)]
            answers = await asyncio.gather(*writers, return_exceptions=True)
            other.execute("ROLLBACK")
        assert [type(answer) for answer in answers] == [StoreUnavailable] * WRITERS
        assert len(waits) <= 2, "the first group may have begun before the others had asked"
        assert await store.commit(kept, generation=1, change=put(a=b"1"), now=NOW) == 2

    asyncio.run(scenario())


@pytest.mark.parametrize("verb", ["count", "browse"])
def test_what_reads_the_whole_file_is_not_done_on_the_loop(
    store: AsyncSqliteStore, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """Section 3, SQLite: reads are inline as they take microseconds; counting and paging may take long."""
    threads: list[int] = []
    real = getattr(queries, verb)

    def noted(*args: Any, **options: Any) -> Any:
        threads.append(threading.get_ident())
        return real(*args, **options)

    monkeypatch.setattr(queries, verb, noted)

    async def scenario() -> int:
        kept = await add(store)
        if verb == "count":
            assert await store.count(now=NOW) == 1
        else:
            page = await store.browse(limit=10)
            assert [item.id for item in page.items] == [kept]
        return threading.get_ident()

    loop_thread = asyncio.run(scenario())
    assert len(threads) == 1
    assert loop_thread not in threads
