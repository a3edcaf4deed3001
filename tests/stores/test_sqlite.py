"""The SQLite store: the contract, for threads and for asyncio, and what it makes of rows it cannot read."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from coatcheck import tokens
from coatcheck.model import RECORD_SCHEMA, Damaged, Device, FromTheFuture, Record, Tombstone
from coatcheck.runtime import finish
from coatcheck.stores.sqlite import AsyncSqliteStore, SqliteStore, sql
from coatcheck.stores.sqlite.rows import Row
from coatcheck.testing._make import ABSOLUTE, IDLE, NOW, Maker, active, put
from coatcheck.testing.contract import OpenStore, StoreContract
from coatcheck.verbs import Created, Refusal, Replacing


class TestSqliteStore(StoreContract):
    """The store for threads keeps the contract."""

    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        """Give stores over one file."""
        return lambda tenant="": SqliteStore(tmp_path / "sessions.db", tenant=tenant)


class TestAsyncSqliteStore(StoreContract):
    """The store for asyncio keeps the contract."""

    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        """Give stores over one file."""
        return lambda tenant="": AsyncSqliteStore(tmp_path / "sessions.db", tenant=tenant)


Execute = Callable[..., None]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Name a database file that is not there yet."""
    return tmp_path / "sessions.db"


@pytest.fixture
def store(file: Path) -> Iterator[SqliteStore]:
    """Give an empty store, closed when the test ends."""
    store = SqliteStore(file)
    yield store
    finish(store.close())


@pytest.fixture
def make(store: SqliteStore) -> Maker:
    """Give a maker of records for it."""
    return Maker(finish(store.key()))


@pytest.fixture
def execute(file: Path, store: SqliteStore) -> Execute:
    """Give a way to meddle with the file behind the store's back."""
    finish(store.open())

    def run(statement: str, *terms: object) -> None:
        with closing(sqlite3.connect(file)) as other, other:
            other.execute(statement, terms)

    return run


def found(store: SqliteStore, id: str) -> object:
    """Return what the store knows of one id."""
    return finish(store.find([id]))[0]


def add(store: SqliteStore, record: Record) -> Record:
    """Insert a record that must be accepted."""
    answer = finish(store.create(record, now=NOW))
    assert isinstance(answer, Created)
    return answer.record


DAMAGE = [
    ("data", b"\xc1 no map"), ("data", None), ("data", "text"), ("device", b"\x01"), ("roles", "{}"), ("amr", "[1"),
    ("secret_digest", "text"), ("secret_digest", b""), ("version", "many"), ("generation", -1), ("created_at", "soon"),
    ("last_seen_at", 0.5), ("rotate_due", 2), ("persistent", b""), ("schema", "one"), ("schema", 0), ("lifetime", b"x"),
]  # fmt: skip


@pytest.mark.parametrize(("column", "value"), DAMAGE)
def test_a_damaged_row_is_answered_as_damaged(
    store: SqliteStore, make: Maker, execute: Execute, column: str, value: object
) -> None:
    """Promise 12: a row that cannot be read is `Damaged`, changes nothing, is in no list, and repeats no value."""
    whole, hurt = add(store, make.record("ann")), add(store, make.record("ann", data={"key": b"value"}))
    execute(f"UPDATE sessions SET {column} = ? WHERE id = ?", value, hurt.id)  # noqa: S608
    answer = found(store, hurt.id)
    assert isinstance(answer, Damaged)
    assert answer.id == hurt.id
    assert "many" not in answer.why
    assert "soon" not in answer.why
    assert finish(store.commit(hurt.id, generation=1, change=put(a=b"1"), now=NOW)) is Refusal.GONE
    assert finish(store.touch(hurt.id, generation=1, seen=active(NOW), now=NOW)) is Refusal.GONE
    assert finish(store.list_user("ann", now=NOW)) == [whole]
    assert finish(store.browse(limit=10)).items == (whole,)
    assert finish(store.find([whole.id, hurt.id]))[0] == whole


def test_text_that_is_none_is_damage(store: SqliteStore, make: Maker, execute: Execute) -> None:
    """Promise 12: text that is not UTF-8, on which sqlite3 itself would raise, is damage of that row alone."""
    whole, hurt = add(store, make.record("ann")), add(store, make.record("ann"))
    execute("UPDATE sessions SET lifetime = CAST(x'ff41' AS TEXT) WHERE id = ?", hurt.id)
    assert isinstance(found(store, hurt.id), Damaged)
    assert finish(store.list_user("ann", now=NOW)) == [whole]


def test_damaged_rows_do_not_stop_the_sweeper(store: SqliteStore, make: Maker, execute: Execute) -> None:
    """A sweep that meets damaged rows first goes on to the others, one batch after another."""
    records = [add(store, make.record("ann")) for _ in range(6)]
    execute("UPDATE sessions SET secret_digest = 'x', expires_at = expires_at - 1 WHERE rowid <= 4")
    later = NOW + ABSOLUTE
    swept = [finish(store.sweep(now=later, limit=2, forget_before=0, max_ended=99)) for _ in range(4)]
    assert {tombstone.id for batch in swept for tombstone in batch} == {record.id for record in records[4:]}


def test_a_future_row_is_left_as_it_is(store: SqliteStore, make: Maker, execute: Execute, file: Path) -> None:
    """Promise 12: no verb changes a row that a newer release wrote, and the sweeper leaves it."""
    record = add(store, make.record("ann"))
    execute("UPDATE sessions SET schema = ?, data = 'of another kind' WHERE id = ?", RECORD_SCHEMA + 1, record.id)

    def row() -> object:
        with closing(sqlite3.connect(file)) as other:
            return other.execute("SELECT * FROM sessions").fetchall()

    before = row()
    assert found(store, record.id) == FromTheFuture(record.id, RECORD_SCHEMA + 1)
    assert finish(store.commit(record.id, generation=1, change=put(a=b"1"), now=NOW)) is Refusal.GONE
    assert finish(store.touch(record.id, generation=1, seen=active(NOW), now=NOW)) is Refusal.GONE
    turned = store.rotate(record.id, generation=1, rotation=make.rotation(record), change=put(), now=NOW)
    assert finish(turned) is Refusal.GONE
    assert finish(store.end(record.id, reason="revoked", now=NOW, owner="bob")) is None
    assert finish(store.set_roles("ann", ("editor",), now=NOW)) == ()
    assert finish(store.sweep(now=NOW + ABSOLUTE, limit=9, forget_before=NOW * 2, max_ended=0)) == ()
    assert finish(store.put_side(record.id, "name", b"value", now=NOW)) is False
    assert finish(store.list_user("ann", now=NOW)) == []
    assert finish(store.browse(limit=9)).items == ()
    assert row() == before


Ending = Callable[[SqliteStore, str], object]

ENDINGS: dict[str, Ending] = {
    "end": lambda store, name: finish(store.end(name, reason="revoked", now=NOW, owner="ann")),
    "take": lambda store, name: finish(store.take(name, now=NOW)),
    "end_user": lambda store, name: finish(store.end_user("ann", reason="revoked", now=NOW)),
    "end_all": lambda store, name: finish(store.end_all(below=1, reason="revoked", now=NOW, limit=9)),
    "create": lambda store, name: finish(
        store.create(Maker(b"other", seed=9).record("ann"), now=NOW, replacing=Replacing(id=name, carry=True))
    ),
}


@pytest.mark.parametrize("verb", ENDINGS)
@pytest.mark.parametrize("damage", [f"schema = {RECORD_SCHEMA + 1}", "data = 'no map'"])
def test_what_cannot_be_read_can_be_ended(
    store: SqliteStore, make: Maker, execute: Execute, verb: str, damage: str
) -> None:
    """Promise 2: a damaged or newer row ends like any other, so that no release finds it alive after a revocation."""
    record = add(store, make.record("ann", data={"key": b"value"}))
    execute(f"UPDATE sessions SET {damage} WHERE id = ?", record.id)  # noqa: S608
    assert ENDINGS[verb](store, record.id)
    left = found(store, record.id)
    assert isinstance(left, Tombstone)
    assert (left.user_id, left.had_data) == ("ann", True)


def test_what_a_newer_release_added_is_kept(store: SqliteStore, make: Maker, execute: Execute, file: Path) -> None:
    """Two releases on one file: columns and device fields that this one does not know survive its writes."""
    import msgspec

    record = add(store, make.record("ann", device=Device(browser="Firefox 153")))
    execute("ALTER TABLE sessions ADD COLUMN colour TEXT")
    wider = msgspec.msgpack.encode({"browser": "Firefox 153", "screen": "wide"})
    execute("UPDATE sessions SET colour = 'blue', device = ?", wider)
    finish(store.commit(record.id, generation=1, change=put(a=b"1"), now=NOW, seen=active(NOW, address="::1")))
    finish(store.rotate(record.id, generation=1, rotation=make.rotation(record), change=put(), now=NOW))
    with closing(sqlite3.connect(file)) as other:
        colour, device = other.execute("SELECT colour, device FROM sessions").fetchone()
    kept = msgspec.msgpack.decode(device)
    assert (colour, kept["screen"], kept["last_address"]) == ("blue", "wide", "::1")


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
    sql.BURY: "sqlite_autoindex_sessions_1",
    sql.SAVE_DATA: "sqlite_autoindex_sessions_1",
    sql.GET_SIDE: "sqlite_autoindex_sides_1",
    sql.DROP_SIDES: "sqlite_autoindex_sides_1",
}


@pytest.mark.parametrize("statement", PLANS)
def test_every_statement_uses_its_index(store: SqliteStore, file: Path, statement: str) -> None:
    """S-50, S-65, S-88, S-89: no lookup, list, page or sweep walks the table."""
    finish(store.open())
    names = ("tenant", "user_id", "now", "schema", "limit", "created_at", "id", "below", "before", "max_ended")
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
    assert finish(store.sweep(now=NOW + IDLE, limit=9, forget_before=0, max_ended=9)) == ()
    (ended,) = finish(store.sweep(now=NOW + ABSOLUTE, limit=9, forget_before=0, max_ended=9))
    assert ended.id == record.id


def test_the_blocking_store_does_not_import_asyncio() -> None:
    """Importing the store for threads costs no asyncio."""
    code = "import sys, coatcheck.stores.sqlite; sys.exit('asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
