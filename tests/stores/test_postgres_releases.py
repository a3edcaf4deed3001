"""Two releases on one PostgreSQL: the one before step 8 signs in, reads and changes sessions on the migrated tables."""

from __future__ import annotations

import threading
from typing import Any, Final

import psycopg
import pytest

from coatcheck.errors import StoreUnavailable
from coatcheck.model import Record, replace
from coatcheck.origin import PLAIN, Origin
from coatcheck.runtime import finish
from coatcheck.stores.postgres import migrating, rows, sql, terms
from coatcheck.stores.postgres.migrating import Migrated, migrate
from coatcheck.stores.postgres.steps import steps
from coatcheck.testing._make import NOW, Maker, put
from coatcheck.verbs import Created, Limit, Replacing
from tests.servers.postgres import PostgresServer
from tests.servers.process import wait_for
from tests.stores._postgres import Place

BEFORE: Final = 7
SIGN_IN_BEFORE: Final = sql.CREATE.replace(", p_origin => %(origin)s", "").replace(", (f.o_session).origin", "")
ORIGIN: Final = Origin(carrier="bearer", label="deploy script")


@pytest.fixture
def place(postgres15: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Give the tables of the release before step 8."""
    place = Place(postgres15, "releases")
    place.execute("DROP SCHEMA IF EXISTS {s} CASCADE")
    monkeypatch.setattr(migrating, "steps", lambda: steps()[:BEFORE])
    assert migrate(place.owner_url) == Migrated(before=0, after=BEFORE)
    monkeypatch.undo()
    return place


def sign_in_as_before(
    connection: psycopg.Connection[Any],
    record: Record,
    *,
    limit: Limit | None = None,
    replacing: Replacing | None = None,
) -> list[tuple[Any, ...]]:
    """Sign in as the release before does, and return the rows of the answer, each as far as it knows it."""
    assert SIGN_IN_BEFORE.count("origin") == 0
    given = rows.parameters(record, "") | terms.signing_in(limit, None, None, replacing, None)
    given |= {"now": NOW, "known": 1, "tenant": ""}
    del given["origin"]
    return connection.execute(sql.filled(SIGN_IN_BEFORE, '"releases"'), given).fetchall()


def test_the_release_before_signs_in_on_migrated_tables(place: Place) -> None:
    """Promise 12: its call makes a plain session, replaces and evicts as ever, and this release reads all of it."""
    with place.server.connect() as connection:
        make = Maker(b"key")
        first = make.record("ann", data={"a": b"1"})
        assert [row[0] for row in sign_in_as_before(connection, first)] == ["created"]
        migrate(place.owner_url)
        store = place.blocking()
        assert finish(store.find([first.id])) == [first]
        second = make.record("ann")
        assert isinstance(finish(store.create(replace(second, origin=ORIGIN), now=NOW)), Created)
        third = make.record("ann", created_at=NOW + 1)
        moved = Replacing(id=first.id, carry=True)
        answer = sign_in_as_before(connection, third, limit=Limit(1, "evict_oldest"), replacing=moved)
        assert [row[0] for row in answer] == ["created", "ended", "ended"]
        assert finish(store.find([third.id])) == [replace(third, data={"a": b"1"}, origin=PLAIN)]
        kept = place.execute("SELECT origin FROM {s}.coatcheck_sessions WHERE id = %s", second.id)
        assert kept == [(None,)], "the tombstone is made by the database, for every release"
        finish(store.close())


def test_the_release_before_changes_a_session_with_an_origin(place: Place) -> None:
    """Promise 12: the functions it calls are these, on columns that it names, so the origin stays as it is."""
    migrate(place.owner_url)
    store = place.blocking()
    make = Maker(finish(store.key()))
    record = make.record("ann", origin=ORIGIN)
    assert isinstance(finish(store.create(record, now=NOW)), Created)
    with place.server.connect() as connection:
        known = ", ".join(name for name in sql.NAMES if name != "origin")
        statement = f'SELECT {known} FROM "releases".coatcheck_sessions WHERE id = %s'  # noqa: S608 - constants
        [row] = connection.execute(statement.encode(), (record.id,)).fetchall()
    assert rows.decode((*row, None)) == replace(record, origin=PLAIN)
    assert finish(store.commit(record.id, generation=1, change=put(a=b"1"), now=NOW)) == 2
    assert finish(store.find([record.id])) == [replace(record, data={"a": b"1"}, version=2)]
    finish(store.close())


def test_the_step_runs_while_people_sign_in(place: Place) -> None:
    """Promise 9: no sign-in of the release before fails because the tables are migrated meanwhile."""
    failed: list[BaseException] = []
    done: list[str] = []
    stop = threading.Event()

    def work(seed: int) -> None:
        make = Maker(b"key", seed=seed)
        try:
            with place.server.connect() as connection:
                while not stop.is_set():
                    [row] = sign_in_as_before(connection, make.record(f"user-{seed}"))
                    done.append(row[0])
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failed.append(error)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for worker in workers:
        worker.start()
    try:
        wait_for(lambda: bool(failed) or len(done) > 40, what="the sign-ins before the migration")
        migrated = migrate(place.owner_url)
        at = len(done)
        wait_for(lambda: bool(failed) or len(done) > at + 40, what="the sign-ins after it")
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    assert migrated == Migrated(before=BEFORE, after=len(steps()))
    assert failed == []
    assert set(done) == {"created"}


def test_the_step_does_not_wait_behind_a_long_reader(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise 9: somebody's long report on the table does not make every request wait behind the migration."""
    monkeypatch.setattr(migrating, "PATIENCE", 10.0)
    with place.server.connect() as reader, reader.transaction():
        reader.execute(b'SELECT count(*) FROM "releases".coatcheck_sessions')
        with pytest.raises(StoreUnavailable, match="held a lock for too long"):
            migrate(place.owner_url)
    assert migrate(place.owner_url) == Migrated(before=BEFORE, after=len(steps()))
