"""What the PostgreSQL store does to its tables: pages, due times, forgotten users, statements that are prepared."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from coatcheck.model import Record
from coatcheck.runtime import finish
from coatcheck.stores.contract import EPOCH_KEPT
from coatcheck.stores.postgres import PostgresStore
from coatcheck.testing._make import IDLE, MINUTE, NO_CHANGE, NOW, Maker, active, put
from coatcheck.verbs import Buried, Created, Limit
from tests.servers.postgres import PostgresServer
from tests.servers.process import wait_for
from tests.stores._postgres import Place


@pytest.fixture
def place(postgres15: PostgresServer) -> Place:
    """Give an empty schema."""
    place = Place(postgres15, "tables")
    place.prepare()
    return place


@pytest.fixture
def store(place: Place) -> Iterator[PostgresStore]:
    """Give a store."""
    store = place.blocking()
    yield store
    finish(store.close())


@pytest.fixture
def make(store: PostgresStore) -> Maker:
    """Give a maker of records for it."""
    return Maker(finish(store.key()))


def add(store: PostgresStore, record: Record) -> Record:
    """Insert a record that must be accepted."""
    answer = finish(store.create(record, now=NOW))
    assert isinstance(answer, Created)
    return answer.record


def test_a_change_stays_on_its_page(place: Place, store: PostgresStore, make: Maker) -> None:
    """Renewals, commits and rotations touch no index: nine of ten updates and more are HOT (decision 0002, D3)."""
    records = [add(store, make.record("ann", data={"cart": b"x" * 100})) for _ in range(100)]
    place.execute("VACUUM {s}.coatcheck_sessions")
    query = (
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables "
        "WHERE schemaname = 'tables' AND relname = 'coatcheck_sessions'"
    )
    [(updates, hot)] = place.execute(query)
    for record in records:
        finish(store.touch(record.id, generation=1, seen=active(NOW + 1), now=NOW))
        finish(store.commit(record.id, generation=1, change=put(a=b"1"), now=NOW, seen=active(NOW + 2)))
        finish(store.rotate(record.id, generation=1, rotation=make.rotation(record), change=NO_CHANGE, now=NOW))
    finish(store.close())  # a server process reports what it did when it ends
    wait_for(lambda: place.execute(query)[0][0] >= updates + 300, what="the server's counts")
    assert place.execute(query)[0][1] - hot >= 270


def test_the_sweeper_moves_due_times_and_ends_what_is_left(place: Place, store: PostgresStore, make: Maker) -> None:
    """A due time is a lower bound: renewed sessions in front of expired ones cost a batch more, and hide none (D3)."""
    renewed = [add(store, make.record("ann", idle_expires_at=NOW + number)) for number in range(1, 21)]
    expired = [add(store, make.record("ann", idle_expires_at=NOW + 100)) for _ in range(5)]
    for record in renewed:
        finish(store.touch(record.id, generation=1, seen=active(NOW), now=NOW))
    swept = finish(store.sweep(now=NOW + 100, limit=5, forget_before=0, max_ended=99)).ended
    assert {row.id for row in swept} == {record.id for record in expired}
    due = place.execute("SELECT DISTINCT due_at FROM {s}.coatcheck_sessions WHERE ended_at IS NULL")
    assert due == [(NOW + IDLE,)]


def test_an_epoch_that_was_forgotten_never_comes_back(place: Place, store: PostgresStore, make: Maker) -> None:
    """C9: a user's row is forgotten in time; the next epoch is larger than all before, and an old one is refused."""
    finish(store.end_user("ann", reason="revoked", now=NOW))
    before = finish(store.epoch("ann"))
    finish(store.sweep(now=NOW + MINUTE, limit=5, forget_before=NOW + EPOCH_KEPT, max_ended=99))
    assert finish(store.epoch("ann")) == before
    finish(store.sweep(now=NOW + MINUTE, limit=5, forget_before=NOW + EPOCH_KEPT + 1, max_ended=99))
    assert place.execute("SELECT count(*) FROM {s}.coatcheck_users") == [(0,)]
    finish(store.end_user("ann", reason="revoked", now=NOW + MINUTE))
    assert finish(store.epoch("ann")) > before
    stale = finish(store.create(make.record("ann"), now=NOW, epoch=before))
    assert not isinstance(stale, Created)


def test_a_raise_is_never_dated_back(place: Place, store: PostgresStore) -> None:
    """C2: a worker whose clock is behind raises at the server's moment, so that a sign-in before it is refused."""
    finish(store.end_user("ann", reason="revoked", now=5))
    finish(store.raise_epoch(now=5))
    clock = finish(store.clock())
    assert clock is not None
    [(user,)] = place.execute("SELECT raised_at FROM {s}.coatcheck_users")
    [(everybody,)] = place.execute("SELECT raised_at FROM {s}.coatcheck_tenants")
    assert clock - MINUTE < user <= everybody <= clock


def test_prepared_statements_are_a_choice(place: Place, make: Maker) -> None:
    """With ``prepare=on`` a statement that is run again is prepared; else none is, for a pooler's sake."""
    for choice, prepared in (("on", True), ("off", False)):
        store = place.blocking(prepare=choice)
        for _ in range(8):
            assert finish(store.find(["0" + "A" * 25])) == [None]
        rows = finish(store._read("SELECT count(*) FROM pg_prepared_statements", {}))
        assert (rows[0][0] > 0) is prepared
        finish(store.close())


FILL = """
INSERT INTO {s}.coatcheck_sessions (
    created_at, last_seen_at, rotated_at, version, generation, epoch, due_at, idle_expires_at, expires_at, schema,
    rotate_due, locks, persistent, had_data, id, tenant, secret_digest, user_id, roles, amr, lifetime, data_keys,
    data_values, ended_at, reason
)
SELECT %(now)s + n, %(now)s + n, %(now)s, 1, 1, 0, %(now)s + 1000 + n, %(now)s + 1000 + n, %(now)s * 2, 1,
    false, false, true, false, '0' || md5(n::text), '', sha256(n::text::bytea), 'user-' || n / 2, '{}', '{pwd}',
    'web', '{a}', ARRAY['b'::bytea], CASE WHEN n > 10000 THEN %(now)s + n END,
    CASE WHEN n > 10000 THEN 'revoked' END
FROM generate_series(1, 20000) AS n"""


def fill(place: Place) -> None:
    """Add 10,000 live sessions of 5,000 users and as many tombstones."""
    with place.server.connect() as connection:
        connection.execute(FILL.replace("{s}", place.schema).encode(), {"now": NOW})
    place.execute("VACUUM ANALYZE {s}.coatcheck_sessions")


def whole_reads(place: Place) -> int:
    """Return how often the table of sessions was read from end to end, or begun to be."""
    query = "SELECT seq_scan FROM pg_stat_user_tables WHERE schemaname = %s AND relname = 'coatcheck_sessions'"
    return int(place.execute(query, place.schema)[0][0])


def test_no_verb_reads_the_table_from_end_to_end(place: Place, make: Maker) -> None:
    """Every verb of a request, and each batch of an operator's, finds its rows by an index among 20,000."""
    fill(place)
    store = place.blocking(application_name="measured")
    before = whole_reads(place)
    records = [add(store, make.record("user-7")) for _ in range(4)]
    for record in records:
        finish(store.touch(record.id, generation=1, seen=active(NOW + 1), now=NOW))
        finish(store.commit(record.id, generation=1, change=put(a=b"1"), now=NOW))
        finish(store.create(make.record("user-8"), now=NOW, limit=Limit(2, "evict_least_recent")))
    finish(store.find([record.id for record in records]))
    assert len(finish(store.list_user("user-7", now=NOW))) == 6
    assert len(finish(store.list_ended("user-8000", limit=5))) == 2
    assert len(finish(store.browse(limit=50)).items) == 50
    assert len(finish(store.browse(limit=50, user_id="user-7")).items) == 6
    swept = finish(store.sweep(now=NOW + 1100, limit=50, forget_before=NOW + 10_050, max_ended=9000))
    assert len(swept.ended) == 50
    assert len(finish(store.end_user("user-7", reason="revoked", now=NOW))) == 4
    below = finish(store.raise_epoch(now=NOW))
    for _ in range(3):
        assert len(finish(store.end_all(below=below, reason="revoked", now=NOW, limit=50))) == 50
    finish(store.close())
    wait_for(
        lambda: place.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'measured'") == [(0,)],
        what="the server's counts",
    )
    assert whole_reads(place) == before


def test_forgetting_writes_no_tombstone_that_stays(place: Place, store: PostgresStore) -> None:
    """A sweep that finds no more than ``max_ended`` tombstones changes no row: counting them locks none (bloat)."""
    fill(place)
    locked = "SELECT count(*) FROM {s}.coatcheck_sessions WHERE xmax <> 0"
    assert place.execute(locked) == [(0,)]
    assert finish(store.sweep(now=NOW, limit=5, forget_before=0, max_ended=10_000)) == Buried((), more=False)
    assert place.execute(locked) == [(0,)]
    finish(store.sweep(now=NOW, limit=5, forget_before=0, max_ended=9990))
    assert place.execute(locked) == [(0,)]
    [(left, oldest)] = place.execute("SELECT count(*), min(ended_at) FROM {s}.coatcheck_sessions WHERE ended_at > 0")
    assert (left, oldest) == (9990, NOW + 10_011), "the oldest go"


def test_forgetting_counts_no_further_than_it_has_to(place: Place) -> None:
    """Among ever so many tombstones too many a sweep looks at no more than ``max_ended`` and what it may forget."""
    fill(place)
    query = (
        "SELECT idx_tup_read FROM pg_stat_user_indexes "
        "WHERE schemaname = 'tables' AND indexrelname = 'coatcheck_sessions_ended'"
    )
    place.execute("SELECT pg_stat_reset()")
    store = place.blocking(application_name="counting")
    swept = finish(store.sweep(now=NOW, limit=5, forget_before=0, max_ended=100))
    assert swept == Buried((), more=True)
    finish(store.close())
    gone = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'counting'"
    wait_for(lambda: place.execute(gone) == [(0,)], what="the server's counts")
    assert 50 <= place.execute(query)[0][0] <= 1000
    assert place.execute("SELECT count(*) FROM {s}.coatcheck_sessions WHERE ended_at > 0") == [(9950,)]


def test_what_leaves_no_tombstone_hides_nobody(place: Place, store: PostgresStore, make: Maker) -> None:
    """Ruling 11: sessions damaged beyond a tombstone are removed, and everybody out goes on past them to the rest."""
    damaged = [add(store, make.record("ann")) for _ in range(3)]
    below = finish(store.raise_epoch(now=NOW - 1))
    place.execute("UPDATE {s}.coatcheck_sessions SET secret_digest = '', epoch = -1")
    left = add(store, make.record("bob"))
    place.execute("UPDATE {s}.coatcheck_sessions SET epoch = 0 WHERE id = %s", left.id)
    ended = finish(store.end_all(below=below, reason="revoked", now=NOW, limit=2))
    assert [row.id for row in ended] == [left.id]
    assert finish(store.end_all(below=below, reason="revoked", now=NOW, limit=2)) == ()
    assert finish(store.find([record.id for record in damaged])) == [None] * 3


def test_a_session_of_no_format_leaves_a_tombstone(place: Place, store: PostgresStore, make: Maker) -> None:
    """A damaged number of its format takes nothing from the digest: its holder is told that the session ended."""
    record = add(store, make.record("ann"))
    place.execute("UPDATE {s}.coatcheck_sessions SET schema = 0")
    ended = finish(store.end(record.id, reason="revoked", now=NOW))
    assert ended is not None
    assert finish(store.find([record.id])) == [ended]
    assert ended.secret_digest == record.secret_digest


def test_a_session_that_cannot_be_read_does_not_count(place: Place, store: PostgresStore, make: Maker) -> None:
    """Promise 4: what nobody can use takes no place under the limit, and nobody is ended for its sake."""
    records = [add(store, make.record("ann", data={"a": b"1"})) for _ in range(2)]
    place.plant(records[0].id, "damaged")
    made = finish(store.create(make.record("ann"), now=NOW, limit=Limit(2, "reject")))
    assert isinstance(made, Created)
    assert made.ended == ()
