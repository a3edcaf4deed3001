"""The SQLite store: the contract, for threads and for asyncio, its indexes, and what its file holds."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from coatcheck import tokens
from coatcheck.model import RECORD_SCHEMA, Record
from coatcheck.runtime import finish
from coatcheck.stores.contract import EPOCH_KEPT
from coatcheck.stores.sqlite import AsyncSqliteStore, SqliteStore, changes, sql
from coatcheck.stores.sqlite.rows import Row
from coatcheck.testing._make import ABSOLUTE, IDLE, NOW, Maker, put
from coatcheck.testing.contract import Kind, OpenStore, Plant, StoreContract
from coatcheck.verbs import Buried, Created, Limit
from tests.stores._sqlite import Execute, add, executing, found, opened


def plant_in(file: Path) -> Plant:
    """Return what makes a row of *file* unreadable."""

    def plant(id: str, kind: Kind) -> None:
        column, value = ("schema", RECORD_SCHEMA + 1) if kind == "newer" else ("data", b"\xc1 no map")
        with closing(sqlite3.connect(file)) as other, other:
            other.execute(f"UPDATE sessions SET {column} = ? WHERE id = ?", (value, id))  # noqa: S608

    return plant


class TestSqliteStore(StoreContract):
    """SQLite, for threads."""

    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        """Give stores over one file."""
        return lambda tenant="": SqliteStore(tmp_path / "sessions.db", tenant=tenant)

    @pytest.fixture
    def plant(self, tmp_path: Path) -> Plant:
        """Meddle with that file."""
        return plant_in(tmp_path / "sessions.db")


class TestAsyncSqliteStore(StoreContract):
    """SQLite, for asyncio."""

    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        """Give stores over one file."""
        return lambda tenant="": AsyncSqliteStore(tmp_path / "sessions.db", tenant=tenant)

    @pytest.fixture
    def plant(self, tmp_path: Path) -> Plant:
        """Meddle with that file."""
        return plant_in(tmp_path / "sessions.db")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Name a database file that is not there yet."""
    return tmp_path / "sessions.db"


@pytest.fixture
def store(file: Path) -> Iterator[SqliteStore]:
    """Give an empty store, closed when the test ends."""
    with opened(file) as store:
        yield store


@pytest.fixture
def make(store: SqliteStore) -> Maker:
    """Give a maker of records for it."""
    return Maker(finish(store.key()))


@pytest.fixture
def execute(file: Path, store: SqliteStore) -> Execute:
    """Give a way to meddle with the file behind the store's back."""
    finish(store.open())
    return executing(file)


PLANS = {
    sql.FIND: "sqlite_autoindex_sessions_1",
    sql.FIND_MANY: "sqlite_autoindex_sessions_1",
    sql.STANDING_OF_USER: "sessions_live_of_user",
    sql.ENDED_OF_USER: "sessions_ended_of_user",
    sql.STANDING_BELOW_EPOCH: "sessions_due_absolute",
    sql.BROWSE: "sessions_created",
    sql.BROWSE_USER: "sessions_live_of_user (tenant=? AND user_id=?)",
    sql.DUE_ABSOLUTE: "sessions_due_absolute (tenant=? AND expires_at<?)",
    sql.DUE_IDLE: "sessions_due_idle (tenant=? AND idle_expires_at<?)",
    sql.FORGET_OLD: "sessions_ended (tenant=? AND ended_at>? AND ended_at<?)",
    sql.FORGET_SURPLUS: "sessions_ended (tenant=? AND ended_at>?)",
    sql.FORGET_EPOCHS: "users_raised (tenant=? AND raised_at<?)",
    sql.BURY: "sqlite_autoindex_sessions_1",
    sql.SAVE_DATA: "sqlite_autoindex_sessions_1",
    sql.GET_SIDE: "sqlite_autoindex_sides_1",
    sql.DROP_SIDES: "sqlite_autoindex_sides_1",
}


@pytest.mark.parametrize("statement", PLANS)
def test_every_statement_uses_its_index(store: SqliteStore, file: Path, statement: str) -> None:
    """S-50, S-65, S-88, S-89: no lookup, list, page or sweep walks the table."""
    finish(store.open())
    names = (
        "tenant", "user_id", "now", "schema", "limit", "created_at", "id", "below", "before", "raised_before",
        "max_ended",
    )  # fmt: skip
    terms: object = dict.fromkeys(names, 1) if ":tenant" in statement else (1,) * statement.count("?")
    with closing(sqlite3.connect(file)) as other:
        plan = " / ".join(row[3] for row in other.execute(f"EXPLAIN QUERY PLAN {statement}", terms))  # type: ignore[arg-type]
    assert PLANS[statement] in plan
    assert "SCAN sessions" not in plan
    if statement in {sql.BROWSE, sql.DUE_ABSOLUTE, sql.DUE_IDLE, sql.FORGET_OLD}:
        assert "TEMP B-TREE" not in plan


def test_the_statements_and_the_reader_agree_on_the_columns() -> None:
    """A row is read by position, so both lists of columns are the same."""
    assert tuple(sql.COLUMNS.split(", ")) == Row.__struct_fields__


def test_the_secret_is_nowhere_in_the_file(store: SqliteStore, make: Maker, tmp_path: Path) -> None:
    """Promise 7: neither secret nor token is in the database or the files beside it, before and after a rotation."""
    ticket = tokens.mint(lambda size: b"\x5a" * size)
    record = add(store, make.record("ann", id=ticket.id, secret_digest=tokens.digest(ticket)))
    finish(store.rotate(record.id, generation=1, rotation=make.rotation(record), change=put(), now=NOW))
    files = [path for path in tmp_path.iterdir() if path.is_file()]
    content = b"".join(path.read_bytes() for path in files)
    assert len(files) >= 3
    assert ticket.id.encode() in content
    assert ticket.secret.encode() not in content
    assert b"\x5a" * 32 not in content


def test_reprs_show_no_digest(store: SqliteStore, make: Maker, execute: Execute) -> None:
    """Promise 7: the store and its rows show neither digests nor data."""
    record = add(store, make.record("ann", data={"key": b"ivory"}))
    execute("UPDATE sessions SET aal = 'high' WHERE id = ?", record.id)
    shown = repr(store) + repr(found(store, record.id))
    assert repr(record.secret_digest)[2:-1] not in shown
    assert "ivory" not in shown
    assert "column aal" in shown


def test_sessions_survive_a_restart(file: Path) -> None:
    """S-10: another store object on the same file finds the session and has the same key."""
    first = SqliteStore(file)
    key = finish(first.key())
    record = add(first, Maker(key).record("ann", data={"key": b"value"}))
    finish(first.close())
    second = SqliteStore(file)
    assert found(second, record.id) == record
    assert finish(second.key()) == key
    finish(second.close())


def test_threads_share_the_store(store: SqliteStore, make: Maker) -> None:
    """Promise 3: eight threads that change one session through one store lose nothing."""
    record = add(store, make.record("ann"))

    def work(number: int) -> None:
        for turn in range(20):
            change = put(**{f"{number}.{turn}": b"1"})
            assert isinstance(finish(store.commit(record.id, generation=1, change=change, now=NOW)), int)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    last = found(store, record.id)
    assert isinstance(last, Record)
    assert len(last.data) == 160
    assert last.version == 161


def test_a_locking_session_is_swept_at_its_absolute_deadline(store: SqliteStore, make: Maker) -> None:
    """A session that locks when idle is no prey of the idle index."""
    record = add(store, make.record("ann", locks=True))
    assert finish(store.sweep(now=NOW + IDLE, limit=9, forget_before=0, max_ended=9)) == Buried((), more=False)
    (ended,) = finish(store.sweep(now=NOW + ABSOLUTE, limit=9, forget_before=0, max_ended=9)).ended
    assert ended.id == record.id


def test_old_epochs_are_forgotten_while_there_is_more(store: SqliteStore, file: Path) -> None:
    """S-42: users whose last raise lies long ago leave no row behind, however many they are."""
    for number in range(25):
        finish(store.end_user(f"user-{number}", reason="revoked", now=NOW))
    swept = 0
    while finish(store.sweep(now=NOW, limit=1, forget_before=NOW + EPOCH_KEPT + 1, max_ended=9)).more:
        swept += 1
        assert swept < 20, "sweep never comes to an end"
    with closing(sqlite3.connect(file)) as other:
        assert other.execute("SELECT count(*) FROM users").fetchone() == (0,)


def test_a_sign_in_reads_the_users_sessions_once(store: SqliteStore, file: Path, make: Maker) -> None:
    """S-51: whom a limit evicts and whose clock has run out is one question, for every writer waits meanwhile."""
    kept = [add(store, make.record("ann", created_at=NOW - 9)), add(store, make.record("ann"))]
    over = add(store, make.record("ann", idle_expires_at=NOW))
    asked: list[str] = []
    terms = changes.Terms(NOW, Limit(2, "evict_oldest"), None, None, None, None)
    with closing(sqlite3.connect(file)) as other:
        other.set_trace_callback(asked.append)
        made = changes.create(other, "", make.record("ann"), terms)
    assert isinstance(made, Created)
    assert [(row.id, row.reason) for row in made.ended] == [(over.id, "idle"), (kept[0].id, "evicted")]
    assert sum(each.lstrip().startswith("SELECT") and "ended_at IS NULL" in each for each in asked) == 1


def test_the_blocking_store_does_not_import_asyncio() -> None:
    """Importing the store for threads costs no asyncio."""
    code = "import sys, coatcheck.stores.sqlite; sys.exit('asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
