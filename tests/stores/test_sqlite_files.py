"""The SQLite store's file: who may read it, how it is made and migrated, and what is said when it cannot be used."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from coatcheck.errors import ConfigurationError, StoreUnavailable
from coatcheck.model import replace
from coatcheck.origin import PLAIN, Origin
from coatcheck.runtime import finish
from coatcheck.stores.sqlite import SqliteStore, connecting, faults, rows, schema, sql
from coatcheck.stores.sqlite.database import database
from coatcheck.testing._make import NOW, Maker, put


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Name a database file that is not there yet."""
    return tmp_path / "sessions.db"


def test_every_file_is_its_owners_alone(file: Path) -> None:
    """Promise 7: the database and the files beside it have mode 0600, whatever the umask."""
    before = os.umask(0)
    try:
        store = SqliteStore(file)
        key = finish(store.key())
        finish(store.create(Maker(key).record("ann"), now=NOW))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
        finish(store.close())
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("sessions.db", "sessions.db-wal", "sessions.db-shm", "sessions.db-turns"), 0o600)


def test_sign_in_waits_for_the_disk_and_activity_does_not(file: Path) -> None:
    """What is acknowledged durably is synced (`synchronous=FULL`, 2), the rest with the next (`NORMAL`, 1)."""
    store = SqliteStore(file)
    maker = Maker(finish(store.key()))
    record = maker.record("ann")

    def synchronous() -> int:
        connection = database(str(file))._writer.connection
        assert connection is not None
        return int(connection.execute("PRAGMA synchronous").fetchone()[0])

    finish(store.create(record, now=NOW))
    assert synchronous() == 2
    finish(store.commit(record.id, generation=1, change=put(a=b"1"), now=NOW))
    assert synchronous() == 1
    finish(store.end(record.id, reason="signed_out", now=NOW))
    assert synchronous() == 2
    finish(store.close())


def test_a_missing_directory_is_a_fault_of_set_up(tmp_path: Path) -> None:
    """A directory that is not there is said so when the store opens, with the path."""
    store = SqliteStore(tmp_path / "nowhere" / "sessions.db")
    with pytest.raises(ConfigurationError, match=r"nowhere/sessions.db cannot be used: no such file or directory"):
        finish(store.open())


def test_a_file_of_another_kind_is_a_fault_of_set_up(file: Path) -> None:
    """A file that is no database is refused and left as it is."""
    file.write_bytes(b"not a database at all" * 100)
    with pytest.raises(ConfigurationError, match="not a SQLite database"):
        finish(SqliteStore(file).open())
    assert file.read_bytes() == b"not a database at all" * 100


@pytest.mark.parametrize("statement", ["CREATE TABLE theirs (x)", "PRAGMA application_id = 7"])
def test_another_applications_database_is_refused(file: Path, statement: str) -> None:
    """Coatcheck does not put its tables into a database that somebody else uses."""
    with closing(sqlite3.connect(file)) as other:
        other.execute(statement)
    with pytest.raises(ConfigurationError, match="a file of its own"):
        finish(SqliteStore(file).open())


def test_a_file_that_is_destroyed_while_in_use_is_unavailable(file: Path) -> None:
    """Promise 9: damage of the file itself is loud, not an anonymous visitor."""
    store = SqliteStore(file)
    maker = Maker(finish(store.key()))
    record = maker.record("ann")
    finish(store.create(record, now=NOW))
    finish(store.close())
    size = file.stat().st_size
    finish(store.open())
    with file.open("r+b") as raw:
        raw.write(b"\xff" * size)
    with pytest.raises(StoreUnavailable, match=r"sessions\.db is unavailable"):
        finish(store.find([record.id]))
    with pytest.raises(StoreUnavailable):
        finish(store.end(record.id, reason="signed_out", now=NOW))


def test_a_locked_file_is_unavailable_and_recovers(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise 9: somebody else's lock that does not end is a `StoreUnavailable`; reading goes on, and later writing."""
    monkeypatch.setattr(connecting, "_WRITE_TIMEOUT", 0.0)
    store = SqliteStore(file)
    record = Maker(finish(store.key())).record("ann")
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="held its lock for too long"):
            finish(store.create(record, now=NOW))
        assert finish(store.find([record.id])) == [None]
        other.execute("ROLLBACK")
    finish(store.create(record, now=NOW))
    assert finish(store.find([record.id])) != [None]
    finish(store.close())


def test_a_full_disk_is_unavailable_and_undoes_the_change(file: Path) -> None:
    """Promise 9: when the file may not grow, the change is refused as a whole and the store goes on."""
    store = SqliteStore(file)
    maker = Maker(finish(store.key()))
    record = maker.record("ann")
    finish(store.create(record, now=NOW))
    writer = database(str(file))._writer.connection
    assert writer is not None
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreUnavailable, match="the disk is full"):
        finish(store.commit(record.id, generation=1, change=put(big=b"x" * 500_000), now=NOW))
    assert finish(store.find([record.id])) == [record]
    writer = database(str(file))._writer.connection
    if writer is not None:
        writer.execute("PRAGMA max_page_count = 1000000")
    assert finish(store.commit(record.id, generation=1, change=put(small=b"x"), now=NOW)) == 2
    finish(store.close())


def test_errors_are_told_apart_in_one_place() -> None:
    """A mistake in the calling code is not called an outage."""
    assert faults.is_engine_fault(sqlite3.OperationalError())
    assert faults.is_engine_fault(sqlite3.DatabaseError())
    assert not faults.is_engine_fault(sqlite3.IntegrityError())
    assert not faults.is_engine_fault(sqlite3.ProgrammingError())
    assert isinstance(faults.not_opened(OSError(13, "Permission denied"), "x.db"), ConfigurationError)
    assert isinstance(faults.not_opened(OSError(28, "No space left on device"), "x.db"), StoreUnavailable)


def steps(*more: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Return this release's steps and those of a newer one."""
    return (*schema.STEPS, *more)


ADDITION = ("ALTER TABLE sessions ADD COLUMN colour TEXT",)
BREAK = ("UPDATE meta SET value = 9 WHERE name = 'oldest_reader'",)


def upgrade(file: Path, *more: tuple[str, ...]) -> None:
    """Open the file as a newer release would."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        schema.migrate(other, str(file), steps(*more))


def test_a_later_step_migrates_a_file_in_use(file: Path) -> None:
    """Steps go forward only, keep the sessions, and are taken once."""
    store = SqliteStore(file)
    record = Maker(finish(store.key())).record("ann")
    finish(store.create(record, now=NOW))
    upgrade(file, ADDITION)
    upgrade(file, ADDITION)
    assert finish(store.find([record.id])) == [record]
    assert finish(store.commit(record.id, generation=1, change=put(a=b"1"), now=NOW)) == 2
    finish(store.close())


def test_an_addition_of_a_newer_release_is_no_obstacle(file: Path) -> None:
    """Two releases on one file: while ``oldest_reader`` allows it, the older one opens the newer one's file."""
    finish(SqliteStore(file).open())
    upgrade(file, ADDITION)
    store = SqliteStore(file)
    assert len(finish(store.key())) == 32
    finish(store.close())


def test_a_file_that_only_a_newer_release_can_use_is_refused(file: Path) -> None:
    """A format beyond this release is refused when the store opens, and not touched."""
    finish(SqliteStore(file).open())
    upgrade(file, ADDITION, BREAK)
    with pytest.raises(ConfigurationError, match=r"newer coatcheck \(format 6; this one knows 4\)"):
        finish(SqliteStore(file).open())


def test_a_release_that_knows_three_steps_uses_the_file(file: Path) -> None:
    """Promise 12: it reads, makes and ends sessions of a migrated file, and leaves what it does not know."""
    known = sql.COLUMNS.removesuffix(", origin")
    insert = f"INSERT INTO sessions ({known}) VALUES ({', '.join('?' * (known.count(',') + 1))})"  # noqa: S608
    maker = Maker(b"key")
    old, new = maker.record("ann", data={"a": b"1"}), maker.record("ann", origin=Origin(carrier="bearer"))
    with closing(sqlite3.connect(file, isolation_level=None)) as before:
        schema.migrate(before, str(file), schema.STEPS[:3])
        before.execute("PRAGMA journal_mode = WAL")
        before.execute(insert, rows.encode(old)[:-1])
        store = SqliteStore(file)
        assert finish(store.find([old.id])) == [old]
        finish(store.create(new, now=NOW))
        schema.migrate(before, str(file), schema.STEPS[:3])
        later = maker.record("ann")
        before.execute(insert, rows.encode(later)[:-1])
        statement = f"SELECT {known} FROM sessions WHERE id = ?"  # noqa: S608
        assert rows.decode((*before.execute(statement, (new.id,)).fetchone(), None)) == replace(new, origin=PLAIN)
        before.execute(sql.SAVE_DATA, (2, rows.encode_data(old), new.id))
        assert finish(store.find([later.id, new.id])) == [later, replace(new, data=old.data, version=2)]
        finish(store.close())


def test_a_step_that_fails_leaves_the_file_as_it_was(file: Path) -> None:
    """Migration is all or nothing."""
    finish(SqliteStore(file).open())
    with pytest.raises(sqlite3.OperationalError):
        upgrade(file, (*ADDITION, "THIS IS NOT SQL"))
    with closing(sqlite3.connect(file)) as other:
        assert other.execute("PRAGMA user_version").fetchone() == (len(schema.STEPS),)
        assert "colour" not in {row[1] for row in other.execute("PRAGMA table_info(sessions)")}
