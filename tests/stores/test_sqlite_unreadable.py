"""What the SQLite store makes of rows that it cannot read: damaged ones, and those of a newer release (promise 12)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from coatcheck.errors import UnreadableRecord
from coatcheck.model import RECORD_SCHEMA, Damaged, Device, FromTheFuture, Tombstone, entomb, replace
from coatcheck.runtime import finish
from coatcheck.stores.sqlite import SqliteStore
from coatcheck.testing._make import ABSOLUTE, NOW, Maker, active, put
from coatcheck.verbs import Buried, Refusal, Replacing
from tests.stores._sqlite import Execute, add, executing, found, opened


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


REMAINS = [
    ("device", b"\x01"), ("roles", "{}"), ("version", "many"), ("rotate_due", 2), ("previous_digest", "x"),
    ("lifetime", b"x"), ("schema", "one"), ("schema", RECORD_SCHEMA + 1), ("confirmed_at", "soon"), ("data", None),
]  # fmt: skip


@pytest.mark.parametrize(("column", "value"), REMAINS)
def test_what_can_be_read_of_a_damaged_row_is_kept(
    store: SqliteStore, make: Maker, execute: Execute, column: str, value: object
) -> None:
    """Promise 12: whichever column is damaged, the tombstone has what the others say, as the answer has."""
    record = add(store, make.record("ann", device=Device(browser="Firefox 153"), previous_digest=make.digest()))
    execute(f"UPDATE sessions SET {column} = ? WHERE id = ?", value, record.id)  # noqa: S608
    left = finish(store.end(record.id, reason="revoked", now=NOW + 5, owner="ann"))
    assert left is not None
    assert left == found(store, record.id)
    whole = replace(entomb(record, "revoked", NOW + 5), had_data=True)
    lost = {"device": None, "previous_digest": None}
    assert left == (replace(whole, **{column: None}) if column in lost else whole)
    assert finish(store.list_ended("ann", limit=9)) == [left]


@pytest.mark.parametrize("column", ["secret_digest", "created_at", "last_seen_at"])
def test_a_row_without_a_digest_or_a_beginning_is_removed(
    store: SqliteStore, make: Maker, execute: Execute, column: str
) -> None:
    """Promise 2: what cannot even make a tombstone is removed when it is ended, with what lay beside it."""
    record = add(store, make.record("ann"))
    assert finish(store.put_side(record.id, "name", b"value", now=NOW))
    execute(f"UPDATE sessions SET {column} = 'x' WHERE id = ?", record.id)  # noqa: S608
    assert isinstance(found(store, record.id), Damaged)
    assert finish(store.end(record.id, reason="revoked", now=NOW)) is None
    assert found(store, record.id) is None
    assert finish(store.get_side(record.id, "name")) is None


def test_a_newer_releases_tombstone_stays_its_own(store: SqliteStore, make: Maker, execute: Execute) -> None:
    """Promise 2: what a newer release has ended is gone to a change, and is not ended again."""
    record = add(store, make.record("ann"))
    finish(store.end(record.id, reason="signed_out", now=NOW))
    execute("UPDATE sessions SET schema = ? WHERE id = ?", RECORD_SCHEMA + 1, record.id)
    assert finish(store.commit(record.id, generation=1, change=put(a=b"1"), now=NOW)) is Refusal.GONE
    assert finish(store.end(record.id, reason="revoked", now=NOW + 9)) is None
    assert finish(store.take(record.id, now=NOW + 9)) is None
    assert found(store, record.id) == FromTheFuture(record.id, RECORD_SCHEMA + 1)


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
    assert {tombstone.id for batch in swept for tombstone in batch.ended} == {record.id for record in records[4:]}
    assert [batch.more for batch in swept] == [True, True, True, False]


@pytest.mark.parametrize("clock", ["expires_at", "idle_expires_at"])
def test_rows_that_nothing_names_do_not_stop_the_sweeper(
    store: SqliteStore, make: Maker, execute: Execute, clock: str
) -> None:
    """Promise 12: an id that is no text can be asked for by nobody; sweeping goes past it and comes to an end."""
    records = [add(store, make.record("ann", **{clock: NOW})) for _ in range(5)]
    execute(f"UPDATE sessions SET id = CAST(id AS BLOB), {clock} = {clock} - 1 WHERE rowid <= 3")  # noqa: S608
    swept = [finish(store.sweep(now=NOW, limit=2, forget_before=0, max_ended=99)) for _ in range(2)]
    assert {tombstone.id for batch in swept for tombstone in batch.ended} == {record.id for record in records[3:]}
    assert [batch.more for batch in swept] == [True, False]


def test_rows_that_cannot_be_removed_are_not_more(store: SqliteStore, make: Maker, execute: Execute) -> None:
    """Promise 12: ids that are no UTF-8 fill the batch and stay; a sweep that changed nothing says it is done."""
    for _ in range(2):
        add(store, make.record("ann", expires_at=NOW))
    execute("UPDATE sessions SET id = CAST(x'ff' || rowid AS TEXT)")
    assert finish(store.sweep(now=NOW, limit=2, forget_before=0, max_ended=99)) == Buried((), more=False)


def test_a_newer_releases_tombstone_is_not_waited_for(store: SqliteStore, make: Maker, execute: Execute) -> None:
    """Promise 12: a sweep forgets no tombstone of a newer release, and does not go on for ever because of it."""
    records = [add(store, make.record("ann")) for _ in range(20)]
    for record in records:
        finish(store.end(record.id, reason="signed_out", now=NOW))
    execute("UPDATE sessions SET schema = ?", RECORD_SCHEMA + 1)
    assert finish(store.sweep(now=NOW + 9, limit=1, forget_before=NOW + 9, max_ended=0)) == Buried((), more=False)
    assert found(store, records[0].id) == FromTheFuture(records[0].id, RECORD_SCHEMA + 1)


def test_a_future_row_is_left_as_it_is(store: SqliteStore, make: Maker, execute: Execute, file: Path) -> None:
    """Promise 12: no verb changes a row that a newer release wrote, and the sweeper leaves it."""
    record = add(store, make.record("ann"))
    execute("UPDATE sessions SET schema = ?, data = 'of another kind' WHERE id = ?", RECORD_SCHEMA + 1, record.id)

    def row() -> object:
        with closing(sqlite3.connect(file)) as other:
            return other.execute("SELECT * FROM sessions").fetchall()

    before = row()
    assert found(store, record.id) == FromTheFuture(record.id, RECORD_SCHEMA + 1)
    changes: list[Callable[[], object]] = [
        lambda: finish(store.commit(record.id, generation=1, change=put(a=b"1"), now=NOW)),
        lambda: finish(store.touch(record.id, generation=1, seen=active(NOW), now=NOW)),
        lambda: finish(store.rotate(record.id, generation=1, rotation=make.rotation(record), change=put(), now=NOW)),
        lambda: finish(store.set_roles("ann", ("editor",), now=NOW)),
    ]
    for change in changes:
        with pytest.raises(UnreadableRecord, match=f"{record.id} has format {RECORD_SCHEMA + 1}"):
            change()
    assert finish(store.end(record.id, reason="revoked", now=NOW, owner="bob")) is None
    assert finish(store.sweep(now=NOW + ABSOLUTE, limit=9, forget_before=NOW * 2, max_ended=0)).ended == ()
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
