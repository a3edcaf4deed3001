"""The PostgreSQL store when many act at once: the limit, epochs against sign-ins under way, sweepers, everybody out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from coatcheck.errors import ConfigurationError
from coatcheck.model import RECORD_SCHEMA, Record, Tombstone
from coatcheck.runtime import finish
from coatcheck.stores.postgres import PostgresStore, rows, sql, terms
from coatcheck.testing._make import IDLE, NOW, Maker, active, put
from coatcheck.verbs import AtLimit, Buried, Created, Limit, NotCreated, Refusal
from tests.servers.postgres import PostgresServer
from tests.servers.process import wait_for
from tests.stores._postgres import PATIENT, Place, waiting

RIVALS = 24
ROUNDS = 40


@pytest.fixture
def place(postgres15: PostgresServer) -> Place:
    """Give an empty schema."""
    place = Place(postgres15, "races", timeout=PATIENT)
    place.prepare()
    return place


@pytest.fixture
def store(place: Place) -> Iterator[PostgresStore]:
    """Give a store with a connection for every rival."""
    store = place.blocking(pool=str(RIVALS))
    yield store
    finish(store.close())


@pytest.fixture
def make(store: PostgresStore) -> Maker:
    """Give a maker of records for it."""
    return Maker(finish(store.key()))


def creating(store: PostgresStore, record: Record, limit: Limit | None = None) -> dict[str, Any]:
    """Return the parameters of a sign-in, for those who make the call themselves."""
    return {
        "known": RECORD_SCHEMA, "now": NOW, **rows.parameters(record, store.tenant),
        **terms.signing_in(limit, None, None, None, None),
    }  # fmt: skip


def statement(place: Place, text: str) -> bytes:
    """Return a statement of the store's for this schema."""
    return text.replace("__schema__", f'"{place.schema}"').encode()


@pytest.mark.parametrize("at_limit", ["evict_least_recent", "reject"])
def test_a_limit_is_a_limit(store: PostgresStore, make: Maker, at_limit: AtLimit) -> None:
    """Promise 4: 24 simultaneous sign-ins of one user with a limit of 3, forty rounds: three live after each."""
    limit = Limit(3, at_limit)
    with ThreadPoolExecutor(RIVALS) as threads:
        for number in range(ROUNDS):
            user = f"user-{number}"
            records = [make.record(user) for _ in range(RIVALS)]
            answers = list(threads.map(lambda record: finish(store.create(record, now=NOW, limit=limit)), records))
            assert len(finish(store.list_user(user, now=NOW))) == 3
            ended = [row.id for answer in answers if isinstance(answer, Created) for row in answer.ended]
            refused = answers.count(NotCreated.LIMIT)
            assert len(ended) == len(set(ended))
            assert (len(ended), refused) == ((RIVALS - 3, 0) if at_limit != "reject" else (0, RIVALS - 3))


def test_a_session_brought_back_meanwhile_counts(place: Place, store: PostgresStore, make: Maker) -> None:
    """Promise 4: a session over by the sign-in's clock that a slower worker is renewing is waited for."""
    record = make.record("ann")
    finish(store.create(record, now=NOW))
    only = Limit(1, "reject")
    with ThreadPoolExecutor(1) as threads, place.server.connect(autocommit=False) as held:
        given = {
            "known": RECORD_SCHEMA, "tenant": "", "id": record.id, "generation": 1, "now": NOW,
            **terms.activity(active(NOW + IDLE)),
        }  # fmt: skip
        assert held.execute(statement(place, sql.TOUCH), given).fetchone() == ("done",)
        signing = threads.submit(lambda: finish(store.create(make.record("ann"), now=NOW + IDLE, limit=only)))
        wait_for(lambda: waiting(place, "coatcheck_create"), what="the sign-in to wait")
        held.commit()
        assert signing.result(timeout=10) is NotCreated.LIMIT
    assert [found.id for found in finish(store.list_user("ann", now=NOW))] == [record.id]


def test_another_isolation_level_is_refused(place: Place, store: PostgresStore, make: Maker) -> None:
    """Promise 4: at REPEATABLE READ the limit would not hold, so that a sign-in there is refused and makes nothing."""
    finish(store.open())
    record = make.record("ann")
    with place.server.connect(autocommit=False) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with pytest.raises(psycopg.Error, match="READ COMMITTED"):
            connection.execute(statement(place, sql.CREATE), creating(store, record))
    assert finish(store.find([record.id])) == [None]


def test_a_role_with_another_isolation_level_is_refused(place: Place) -> None:
    """A default that breaks the limit is a fault of set-up, and the message says how to mend it."""
    strict = place.blocking(options="-c%20default_transaction_isolation%3Drepeatable%5C%20read")
    with pytest.raises(ConfigurationError, match="READ COMMITTED"):
        finish(strict.open())


def test_a_raise_waits_for_sign_ins_under_way(place: Place, store: PostgresStore, make: Maker) -> None:
    """Promise 2, ruling 11: a sign-in that had read the old epoch and is not done is waited for, and then ended."""
    finish(store.open())
    record = make.record("ann")
    with ThreadPoolExecutor(1) as threads, place.server.connect(autocommit=False) as held:
        held.execute(statement(place, sql.CREATE), creating(store, record))
        raised: Future[int] = threads.submit(lambda: finish(store.raise_epoch(now=NOW + 1)))
        wait_for(lambda: waiting(place, "coatcheck_raise_epoch"), what="the raise to wait")
        assert not raised.done()
        held.commit()
        below = raised.result(timeout=10)
    [ended] = finish(store.end_all(below=below, reason="revoked", now=NOW + 1, limit=9))
    assert ended.id == record.id
    assert finish(store.end_all(below=below, reason="revoked", now=NOW + 1, limit=9)) == ()


def test_a_sign_in_waits_for_the_users_revocation(place: Place, store: PostgresStore, make: Maker) -> None:
    """Promise 2: a sign-in with an epoch read before `end_user` waits for it where it is under way, and is refused."""
    epoch = finish(store.epoch("ann"))
    with ThreadPoolExecutor(1) as threads, place.server.connect(autocommit=False) as held:
        terms_of_end = {"known": 1, "tenant": "", "user_id": "ann", "reason": "revoked", "now": NOW, "keep": None}
        held.execute(statement(place, sql.END_USER), terms_of_end)
        signing = threads.submit(lambda: finish(store.create(make.record("ann"), now=NOW, epoch=epoch)))
        wait_for(lambda: waiting(place, "coatcheck_create"), what="the sign-in to wait")
        held.commit()
        assert signing.result(timeout=10) is NotCreated.STALE_EPOCH
    assert finish(store.list_user("ann", now=NOW)) == []


def test_a_raise_that_waited_for_a_sign_in_is_dated_after_it(place: Place, store: PostgresStore) -> None:
    """Ruling 13: a raise that waited for a user's first sign-in, which failed, is dated when it got its turn."""
    finish(store.open())
    with ThreadPoolExecutor(1) as threads, place.server.connect(autocommit=False) as held:
        held.execute(b"INSERT INTO \"races\".coatcheck_users VALUES ('', 'ann', 0, NULL, 0)")
        raising = threads.submit(lambda: finish(store.end_user("ann", reason="revoked", now=5)))
        wait_for(lambda: waiting(place, "coatcheck_end_user"), what="the raise to wait")
        began_at = finish(store.clock())
        assert began_at is not None
        held.rollback()
        raising.result(timeout=10)
    [(raised_at,)] = place.execute("SELECT raised_at FROM {s}.coatcheck_users")
    assert raised_at >= began_at


def test_everybody_out_waits_for_a_session_that_is_being_changed(
    place: Place, store: PostgresStore, make: Maker
) -> None:
    """Ruling 11: a row that a commit holds is not passed over; an empty answer means that none is left."""
    record = make.record("ann")
    finish(store.create(record, now=NOW))
    below = finish(store.raise_epoch(now=NOW))
    with ThreadPoolExecutor(1) as threads, place.server.connect(autocommit=False) as held:
        held.execute(b'SELECT FROM "races".coatcheck_sessions FOR UPDATE')
        ending = threads.submit(lambda: finish(store.end_all(below=below, reason="revoked", now=NOW, limit=9)))
        wait_for(lambda: waiting(place, "coatcheck_end_all"), what="the end to wait")
        held.rollback()
        assert [row.id for row in ending.result(timeout=10)] == [record.id]


def test_a_deadlock_is_tried_again(place: Place, store: PostgresStore, make: Maker) -> None:
    """Where somebody else's locks come in the wrong order the server undoes one; the store's verb then runs again."""
    record = make.record("ann")
    finish(store.create(record, now=NOW))
    with ThreadPoolExecutor(1) as threads, place.server.connect(autocommit=False) as held:
        held.execute(b"SET deadlock_timeout = '30s'")  # so that it is not this one that is undone
        held.execute(b'SELECT FROM "races".coatcheck_sessions FOR UPDATE')
        ending = threads.submit(lambda: finish(store.end_user("ann", reason="revoked", now=NOW)))
        wait_for(lambda: waiting(place, "coatcheck_end_user"), what="the end to wait")
        held.execute(b'SELECT FROM "races".coatcheck_users FOR UPDATE')
        held.commit()
        assert [row.id for row in ending.result(timeout=10)] == [record.id]


def test_four_sweepers_end_each_session_once(store: PostgresStore, make: Maker) -> None:
    """S-31: four sweepers answer every expired session exactly once between them, and leave the renewed ones."""
    records = [make.record("ann" if number % 2 else None) for number in range(400)]
    for record in records:
        finish(store.create(record, now=NOW))
    for record in records[:100]:
        finish(store.touch(record.id, generation=1, seen=active(NOW + IDLE - 1), now=NOW))

    def sweep() -> list[str]:
        swept: list[str] = []
        more = True
        while more:
            buried = finish(store.sweep(now=NOW + IDLE, limit=7, forget_before=0, max_ended=9999))
            swept, more = [*swept, *(row.id for row in buried.ended)], buried.more
        return swept

    with ThreadPoolExecutor(4) as threads:
        futures = [threads.submit(sweep) for _ in range(4)]
        answered = [each for future in futures for each in future.result(timeout=60)]
    assert Counter(answered) == Counter(record.id for record in records[100:])
    left = finish(store.find([record.id for record in records]))
    assert [isinstance(row, Tombstone) for row in left] == [False] * 100 + [True] * 300


def test_no_key_is_lost_among_writers(store: PostgresStore, make: Maker) -> None:
    """Promise 3: sixteen writers of one session, each a key of its own: every key stands, every commit counts."""
    record = make.record("ann")
    finish(store.create(record, now=NOW))

    def write(writer: int) -> None:
        for count in range(50):
            change = put(**{f"key-{writer}": b"%d" % count})
            assert isinstance(finish(store.commit(record.id, generation=1, change=change, now=NOW)), int)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(write, range(16)))
    [found] = finish(store.find([record.id]))
    assert isinstance(found, Record)
    assert (found.version, found.data) == (801, {f"key-{writer}": b"49" for writer in range(16)})


def test_a_renewal_that_waits_for_the_sweeper_is_refused(place: Place, store: PostgresStore, make: Maker) -> None:
    """Promise 2: a renewal by a slower clock that meets the sweeper's lock waits, and does not wake what was ended."""
    record = make.record("ann")
    finish(store.create(record, now=NOW))
    with ThreadPoolExecutor(2) as threads, place.server.connect(autocommit=False) as held:
        swept = held.execute(statement(place, sql.SWEEP), sweeping(NOW + IDLE)).fetchall()
        assert len(swept) == 2
        renewal = threads.submit(lambda: finish(store.touch(record.id, generation=1, seen=active(NOW), now=NOW)))
        change = put(a=b"1")
        commit = threads.submit(lambda: finish(store.commit(record.id, generation=1, change=change, now=NOW)))
        wait_for(lambda: waiting(place, "coatcheck_touch"), what="the renewal to wait")
        wait_for(lambda: waiting(place, "coatcheck_commit"), what="the commit to wait")
        held.commit()
        assert renewal.result(timeout=10) is commit.result(timeout=10) is Refusal.GONE
    [found] = finish(store.find([record.id]))
    assert isinstance(found, Tombstone)


def test_a_sweeper_passes_over_a_renewal_under_way(place: Place, store: PostgresStore, make: Maker) -> None:
    """S-31: a session that is being renewed is left alone, and once it is renewed its due time is moved."""
    record = make.record("ann")
    finish(store.create(record, now=NOW))
    with place.server.connect(autocommit=False) as held:
        given = {
            "known": RECORD_SCHEMA, "tenant": "", "id": record.id, "generation": 1, "now": NOW,
            **terms.activity(active(NOW + IDLE)),
        }  # fmt: skip
        assert held.execute(statement(place, sql.TOUCH), given).fetchone() == ("done",)
        assert finish(store.sweep(now=NOW + IDLE, limit=5, forget_before=0, max_ended=99)) == Buried((), more=False)
        held.commit()
    assert finish(store.sweep(now=NOW + IDLE, limit=5, forget_before=0, max_ended=99)) == Buried((), more=False)
    [found] = finish(store.find([record.id]))
    assert isinstance(found, Record)


def sweeping(now: int) -> dict[str, Any]:
    """Return the parameters of a sweep, for those who make the call themselves."""
    return {"known": RECORD_SCHEMA, "tenant": "", "now": now, "limit": 5}


def test_two_sweepers_forget_no_more_than_one(place: Place, store: PostgresStore, make: Maker) -> None:
    """Tombstones within ``max_ended`` stay, also when a second sweeper finds the first one's locked: the oldest go."""
    for number in range(10):
        record = make.record("ann")
        finish(store.create(record, now=NOW))
        finish(store.end(record.id, reason="revoked", now=NOW + number))
    with place.server.connect(autocommit=False) as held:
        terms_of_it = {"known": RECORD_SCHEMA, "tenant": "", "max_ended": 6, "limit": 3}
        assert held.execute(statement(place, sql.FORGET_SURPLUS), terms_of_it).fetchone() == (3,)
        assert finish(store._write(sql.FORGET_SURPLUS, terms_of_it)) == [(0,)]
        held.commit()
    left = [row.ended_at for row in finish(store.list_ended("ann", limit=99))]
    assert left == [NOW + number for number in range(9, 2, -1)]
    assert finish(store._write(sql.FORGET_SURPLUS, terms_of_it)) == [(1,)]
    assert len(finish(store.list_ended("ann", limit=99))) == 6
