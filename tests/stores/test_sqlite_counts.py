"""Counts on SQLite: processes that add at once, files of an earlier release, and what reading costs."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from coatcheck.counting import KEPT, LENGTH
from coatcheck.runtime import finish
from coatcheck.stores.sqlite import SqliteStore, schema, sql
from coatcheck.stores.sqlite.database import database
from coatcheck.testing._make import MINUTE, NOW, Maker
from coatcheck.verbs import Tally
from tests.stores._sqlite import add, executing, opened

PROCESSES = 6
TIMES = 40

ADDING = """
import asyncio, sys
from coatcheck.stores.sqlite import AsyncSqliteStore, SqliteStore
from coatcheck.testing._make import MINUTE, NOW
from coatcheck.verbs import Tally
kind, file, times = sys.argv[1:]

async def main():
    store = (SqliteStore if kind == "blocking" else AsyncSqliteStore)(file)
    sys.stdin.read()
    for time in range(int(times)):
        await store.add_counts([Tally(NOW + time % 2 * MINUTE, {"created": 1, "read.3": 5})], now=NOW)
    await store.close()

asyncio.run(main())
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Name a database file that is not there yet."""
    return tmp_path / "sessions.db"


@pytest.fixture
def store(file: Path) -> Iterator[SqliteStore]:
    """Give a store over it."""
    with opened(file) as store:
        yield store


def test_every_processs_counts_are_added(file: Path, store: SqliteStore) -> None:
    """Ruling 12: six real processes, half of them asyncio, add at once: each number of each is in the sums."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ADDING, ("blocking", "asyncio")[number % 2], str(file), str(TIMES)],
            stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in range(PROCESSES)
    ]  # fmt: skip
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    for process in processes:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    whole = PROCESSES * TIMES
    half = {"created": whole // 2, "read.3": whole // 2 * 5}
    begin = NOW - NOW % LENGTH["day"]
    minutes = finish(store.read_counts("minute", since=begin, until=begin + LENGTH["day"]))
    assert [tally.counts for tally in minutes] == [half, half]
    [day] = finish(store.read_counts("day", since=begin, until=begin + 1))
    assert day.counts == {"created": whole, "read.3": whole * 5}


def test_a_file_of_the_release_before_learns_to_count(file: Path) -> None:
    """A file of two steps gets its third when it is opened, and keeps its sessions."""
    with closing(sqlite3.connect(file, isolation_level=None)) as old:
        schema.migrate(old, str(file), schema.STEPS[:2])
        key = b"k" * 32
        old.execute(sql.MAKE_KEY, (key,))
    with opened(file) as store:
        record = add(store, Maker(key).record("ann"))
        finish(store.add_counts([Tally(NOW, {"created": 1})], now=NOW))
        assert finish(store.find([record.id])) == [record]
        assert len(finish(store.read_counts("minute", since=NOW - MINUTE, until=NOW + 1))) == 1
    with closing(sqlite3.connect(file)) as now:
        assert now.execute("PRAGMA user_version").fetchone() == (len(schema.STEPS),)


def test_the_release_before_goes_on_beside_this_one(file: Path, store: SqliteStore) -> None:
    """Two releases on one file during a deployment: the table of counts refuses nobody who does not know it."""
    finish(store.add_counts([Tally(NOW, {"created": 1})], now=NOW))
    with closing(sqlite3.connect(file, isolation_level=None)) as older:
        schema.migrate(older, str(file), schema.STEPS[:2])
        assert older.execute("PRAGMA user_version").fetchone() == (len(schema.STEPS),)


def test_counts_do_not_wait_for_the_disk(file: Path, store: SqliteStore) -> None:
    """A count is no promise: it is written with `synchronous=NORMAL` (1), after a sign-in's `FULL` (2)."""
    add(store, Maker(finish(store.key())).record("ann"))
    writer = database(str(file))._writer.connection
    assert writer is not None
    assert writer.execute("PRAGMA synchronous").fetchone() == (2,)
    finish(store.add_counts([Tally(NOW, {"created": 1})], now=NOW))
    assert writer.execute("PRAGMA synchronous").fetchone() == (1,)


def test_a_call_that_fails_adds_nothing(file: Path, store: SqliteStore) -> None:
    """All of one call or nothing, so that what is written again is not counted twice."""
    finish(store.open())
    raising = "SELECT RAISE(ABORT, 'no') WHERE new.name = 'b' AND new.every = 86400000"
    executing(file)(f"CREATE TRIGGER half_way BEFORE INSERT ON counts BEGIN {raising}; END")
    with pytest.raises(sqlite3.IntegrityError):
        finish(store.add_counts([Tally(NOW, {"a": 1, "b": 1})], now=NOW))
    assert finish(store.read_counts("minute", since=0, until=2 * NOW)) == []
    finish(store.add_counts([Tally(NOW, {"a": 1})], now=NOW))
    [minute] = finish(store.read_counts("minute", since=0, until=2 * NOW))
    assert minute.counts == {"a": 1}


def test_counts_are_found_by_their_key(file: Path, store: SqliteStore) -> None:
    """Reading a day of minutes, and forgetting, look at those rows alone and sort nothing."""
    finish(store.open())
    told = {"tenant": "", "every": LENGTH["minute"], "since": NOW - KEPT["minute"], "until": NOW}
    with closing(sqlite3.connect(file)) as other:
        for statement, terms in ((sql.READ_COUNTS, told), (sql.FORGET_COUNTS, ("", 1, NOW))):
            plan = " / ".join(row[3] for row in other.execute(f"EXPLAIN QUERY PLAN {statement}", terms))  # type: ignore[arg-type]
            assert plan.startswith("SEARCH counts USING PRIMARY KEY (tenant=? AND every=? AND at")
            assert "TEMP B-TREE" not in plan
