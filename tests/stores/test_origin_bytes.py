"""How a session came to be, as it lies in SQLite, PostgreSQL and Redis: bytes that no verb writes a second time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import pytest

from coatcheck.model import Damaged, Device, Record, Tombstone
from coatcheck.origin import Origin, encode_origin
from coatcheck.runtime import finish
from coatcheck.stores.postgres import rows as postgres_rows
from coatcheck.stores.redis import RedisStore, layout
from coatcheck.stores.redis.frames import parts_of
from coatcheck.stores.redis.keys import Keys
from coatcheck.stores.sqlite import SqliteStore
from coatcheck.stores.sqlite import rows as sqlite_rows
from coatcheck.testing._make import MINUTE, NOW, Maker, active, put
from coatcheck.verbs import Created
from tests.stores._postgres import Place
from tests.stores.redis_plain import PlainLink

KEYS: Final = Keys("coatcheck", "", 1)
LABEL: Final = "deploy script"
ORIGIN: Final = Origin(carrier="bearer", label=LABEL)
NEWER: Final = msgspec.msgpack.encode({"carrier": "bearer", "label": LABEL, "region": "eu-1"})
"""What a newer release wrote, which knows one field more."""


class Shelf(NamedTuple):
    """A store, and the bytes of an origin in it."""

    store: Any
    reader: Any
    stored: Callable[[str], bytes | None]
    replace: Callable[[str, bytes], None]


def in_sqlite(file: Path) -> Shelf:
    """Look at the column of the file."""
    store = SqliteStore(file)
    finish(store.open())

    def stored(id: str) -> bytes | None:
        with closing(sqlite3.connect(file)) as other:
            found: bytes | None = other.execute("SELECT origin FROM sessions WHERE id = ?", (id,)).fetchone()[0]
            return found

    def change(id: str, raw: bytes) -> None:
        with closing(sqlite3.connect(file)) as other, other:
            other.execute("UPDATE sessions SET origin = ? WHERE id = ?", (raw, id))

    return Shelf(store, sqlite_rows, stored, change)


def in_postgres(place: Place) -> Shelf:
    """Look at the column of the table."""
    place.prepare()

    def stored(id: str) -> bytes | None:
        found: bytes | None = place.execute("SELECT origin FROM {s}.coatcheck_sessions WHERE id = %s", id)[0][0]
        return found

    def change(id: str, raw: bytes) -> None:
        place.execute("UPDATE {s}.coatcheck_sessions SET origin = %s WHERE id = %s", raw, id)

    return Shelf(place.blocking(), postgres_rows, stored, change)


def in_redis(link: PlainLink) -> Shelf:
    """Look at the seventh part of the string."""
    client: Any = link.client
    client.flushall()

    def parts(id: str) -> tuple[bytes, int, list[bytes], int]:
        raw: Any = client.get(KEYS.session(id))
        at = layout.HEAD.size + int.from_bytes(raw[106:108], "big")
        at += 2 + raw[at]
        return raw, at, *parts_of(raw, at)

    def stored(id: str) -> bytes | None:
        found = parts(id)[2]
        return found[6] if len(found) > 6 else None

    def change(id: str, raw: bytes) -> None:
        old, at, found, data_at = parts(id)
        found = [*found[:6], raw]
        rest = b"".join(len(part).to_bytes(2, "big") + part for part in found)
        made = old[:at] + bytes((len(found),)) + rest + old[data_at:]
        client.set(KEYS.session(id), made[:5] + len(made).to_bytes(4, "big") + made[9:])

    return Shelf(RedisStore(link), layout, stored, change)


@pytest.fixture(params=["sqlite", "postgres", "redis"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelf]:
    """Give an empty store of each kind."""
    if request.param == "sqlite":
        shelf = in_sqlite(tmp_path / "sessions.db")
    elif request.param == "postgres":
        shelf = in_postgres(Place(request.getfixturevalue("postgres15"), "origins"))
    else:
        shelf = in_redis(PlainLink(request.getfixturevalue("redis_server").url))
    yield shelf
    finish(shelf.store.close())


def add(shelf: Shelf, **fields: Any) -> Record:
    """Sign in a user that is always the same one."""
    record = Maker(finish(shelf.store.key())).record("ann", device=Device(last_address="::1"), **fields)
    answer = finish(shelf.store.create(record, now=NOW))
    assert isinstance(answer, Created)
    return answer.record


def found(shelf: Shelf, record: Record) -> Any:
    """Return what the store knows of a session."""
    return finish(shelf.store.find([record.id]))[0]


def change_all(shelf: Shelf, record: Record) -> None:
    """Ask for every change that a live session may meet; each must be made."""
    store, make = shelf.store, Maker(b"other", seed=9)
    seen = active(NOW + MINUTE, address="2001:db8:85a3:1234:5678:8a2e:370:7334")
    assert finish(store.commit(record.id, generation=1, change=put(a=b"22", b=b"x" * 900), now=NOW)) == 2
    assert finish(store.touch(record.id, generation=1, seen=seen, now=NOW)) is None
    by_age = finish(store.rotate(record.id, generation=1, rotation=make.rotation(record), change=put(), now=NOW))
    assert isinstance(by_age, Record)
    rotation = make.rotation(by_age, by_age=False)
    assert isinstance(finish(store.rotate(record.id, generation=1, rotation=rotation, change=put(), now=NOW)), Record)
    assert finish(store.set_roles("ann", ("admin",), now=NOW)) == (record.id,)


def test_what_a_newer_release_says_of_an_origin_stays(shelf: Shelf) -> None:
    """Promise 12: a field that this release does not know is passed over, and every change leaves the bytes alone."""
    record = add(shelf, origin=ORIGIN, data={"a": b"1"})
    assert shelf.stored(record.id) == encode_origin(ORIGIN)
    shelf.replace(record.id, NEWER)
    assert found(shelf, record) == record
    change_all(shelf, record)
    assert shelf.stored(record.id) == NEWER
    assert found(shelf, record).origin == ORIGIN


def test_a_plain_origin_takes_no_bytes_and_is_not_decoded(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """S-90: a browser's session is read as quickly as before, and takes no more room."""
    plain, other = add(shelf, data={"a": b"1"}), Maker(finish(shelf.store.key()), seed=2).record("bob", origin=ORIGIN)
    assert isinstance(finish(shelf.store.create(other, now=NOW)), Created)
    assert shelf.stored(plain.id) is None

    def decode(_raw: bytes | None) -> Origin:
        pytest.fail("decoded")

    monkeypatch.setattr(shelf.reader, "decode_origin", decode)
    assert found(shelf, plain) == plain
    change_all(shelf, plain)
    assert shelf.stored(plain.id) is None
    with pytest.raises(pytest.fail.Exception):
        found(shelf, other)


@pytest.mark.parametrize(
    "raw", [b"\xc1", b"\x90", b"\x81\xa7carrier\xa6pigeon", b"\x81\xa5label\xa3\xff\xfe\xfd", NEWER + b"\0"]
)
def test_an_origin_that_cannot_be_read_is_damage(shelf: Shelf, raw: bytes) -> None:
    """Promise 12: such a session is signed out instead of taken for a browser's, repeats no value, and can be ended."""
    record = add(shelf, origin=ORIGIN)
    shelf.replace(record.id, raw)
    answer = found(shelf, record)
    assert isinstance(answer, Damaged)
    assert "pigeon" not in answer.why
    assert finish(shelf.store.list_user("ann", now=NOW)) == []
    assert finish(shelf.store.end(record.id, reason="revoked", now=NOW)) is not None
    assert isinstance(found(shelf, record), Tombstone)
    assert not shelf.stored(record.id)


ENDINGS: dict[str, Callable[[Any, Record], object]] = {
    "end": lambda store, record: finish(store.end(record.id, reason="signed_out", now=NOW)),
    "take": lambda store, record: finish(store.take(record.id, now=NOW)),
    "end_user": lambda store, _: finish(store.end_user("ann", reason="revoked", now=NOW)),
    "end_all": lambda store, _: finish(store.end_all(below=2**50, reason="revoked", now=NOW, limit=9)),
    "sweep": lambda store, _: finish(store.sweep(now=2 * NOW, limit=9, forget_before=0, max_ended=9)),
}


@pytest.mark.parametrize("verb", ENDINGS)
def test_an_ended_session_keeps_no_origin(shelf: Shelf, verb: str) -> None:
    """Promise 7: who acted and what a person called a token go with the session, whichever verb ends it."""
    record = add(shelf, origin=ORIGIN)
    assert ENDINGS[verb](shelf.store, record)
    assert isinstance(found(shelf, record), Tombstone)
    assert not shelf.stored(record.id)
