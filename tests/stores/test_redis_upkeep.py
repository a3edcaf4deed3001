"""What the Redis store keeps for how long, and what it brings back after a loss, where clocks differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from coatcheck.errors import Unconfirmed
from coatcheck.model import Record, Tombstone
from coatcheck.runtime import finish
from coatcheck.stores.redis import RedisStore
from coatcheck.stores.redis.keys import Keys
from coatcheck.stores.redis.link import Call, Unacknowledged
from coatcheck.stores.redis.opening import open_url
from coatcheck.testing._make import IDLE, MINUTE, NOW, Maker, active
from coatcheck.verbs import Created
from tests.servers.redis import RedisServer
from tests.stores.redis_plain import PlainLink

KEYS = Keys("coatcheck", "", 1)


@pytest.fixture
def link(redis_server: RedisServer) -> Iterator[PlainLink]:
    """Give a link to an empty server."""
    link = PlainLink(redis_server.url)
    link.client.flushall()
    yield link
    link.client.close()


@pytest.fixture
def store(link: PlainLink) -> RedisStore:
    """Give an empty store."""
    return RedisStore(link)


@pytest.fixture
def make(store: RedisStore) -> Maker:
    """Give a maker of records for it."""
    return Maker(finish(store.key()))


def add(store: RedisStore, record: Record) -> Record:
    """Add a session."""
    answer = finish(store.create(record, now=NOW))
    assert isinstance(answer, Created)
    return answer.record


def test_a_side_record_lives_as_long_as_a_session_without_an_end(
    store: RedisStore, link: PlainLink, make: Maker
) -> None:
    """Activity moves the time at which Redis forgets such a session; what lies beside it is not forgotten before."""
    record = add(store, make.record("ann", expires_at=None))
    side, name = KEYS.beside(record.id), KEYS.session(record.id)
    assert finish(store.put_side(record.id, "device", b"bound", now=NOW))
    at = NOW + 20 * MINUTE
    finish(store.touch(record.id, generation=1, seen=active(at), now=at))
    assert link.client.pttl(side) == -1 < link.client.pttl(name)
    finish(store.end(record.id, reason="signed_out", now=at))
    assert not link.client.exists(side)


def test_a_side_record_is_forgotten_with_a_session_that_redis_forgot(
    store: RedisStore, link: PlainLink, make: Maker
) -> None:
    """Nothing stays beside a session that nobody ended: by time with an absolute deadline, else by the sweeper."""
    endless, bounded = add(store, make.record("ann", expires_at=None)), add(store, make.record("ann"))
    for record in (endless, bounded):
        finish(store.put_side(record.id, "device", b"bound", now=NOW))
        expires = link.client.pexpiretime(KEYS.session(record.id))
        assert link.client.pexpiretime(KEYS.beside(record.id)) == (-1 if record is endless else expires)
    link.client.delete(KEYS.session(endless.id))
    assert finish(store.sweep(now=NOW + IDLE, limit=9, forget_before=NOW, max_ended=9)).ended
    assert not link.client.exists(KEYS.beside(endless.id))


def test_a_session_of_a_fast_clock_stays_ended_after_a_loss(store: RedisStore, link: PlainLink, make: Maker) -> None:
    """A worker ahead of time made it, `end_user` ended it, and the server lost that: it ends again (promise 2)."""
    record = add(store, make.record("ann", created_at=NOW + 50))
    raw = link.client.dump(KEYS.session(record.id))
    index = link.client.get(KEYS.index(make.tag("ann"), "ann"))
    finish(store.end_user("ann", reason="revoked", now=NOW))
    link.client.restore(KEYS.session(record.id), 0, raw, replace=True)
    link.client.set(KEYS.index(make.tag("ann"), "ann"), index or b"")
    link.client.delete(KEYS.epoch(make.tag("ann"), "ann"))
    for call in link.remembered:
        finish(link.run(call.replayed()))
    [row] = finish(store.find([record.id]))
    assert isinstance(row, Tombstone)


@pytest.mark.parametrize("verb", ["end_user", "set_roles"])
def test_a_second_raise_by_a_slow_clock_is_not_lost(store: RedisStore, link: PlainLink, make: Maker, verb: str) -> None:
    """The server's clock is ahead of the worker's, and only the second of two raises was lost: it is done again (2)."""
    record = add(store, make.record("ann", created_at=1, idle_expires_at=None))
    tag = make.tag("ann")
    names = (KEYS.session(record.id), KEYS.index(tag, "ann"), KEYS.epoch(tag, "ann"), KEYS.roles(tag, "ann"))
    finish(store.set_roles("ann", ("guest",), now=10))
    before = {each: link.client.get(each) for each in names}
    first = finish(store.epoch("ann"))
    if verb == "end_user":
        finish(store.end_user("ann", reason="revoked", now=11))
    else:
        finish(store.set_roles("ann", ("editor",), now=11))
    second = finish(store.epoch("ann"))
    for each, raw in before.items():
        link.client.set(each, raw or b"")
    for call in link.remembered:
        finish(link.run(call.replayed()))
    assert finish(store.epoch("ann")) > first
    [row] = finish(store.find([record.id]))
    assert isinstance(row, Tombstone) if verb == "end_user" else getattr(row, "roles", None) == ("editor",)
    for call in link.remembered:
        finish(link.run(call.replayed()))
    assert finish(store.epoch("ann")) >= second


def test_raising_for_everybody_again_raises_no_further(store: RedisStore, link: PlainLink) -> None:
    """A server that is only taken for another one refuses no sign-in that began after `raise_epoch` (promise 2)."""
    finish(store.key())
    value = finish(store.raise_epoch(now=NOW))
    [*_, call] = link.remembered
    finish(link.run(call.replayed()))
    assert finish(store.epoch("ann")) == value
    link.client.delete(KEYS.everybody("AAA"))
    finish(link.run(call.replayed()))
    assert finish(store.epoch("ann")) == value


@pytest.mark.parametrize("verb", ["end", "end_user", "sweep", "list_user"])
def test_what_is_no_string_is_no_session(redis_server: RedisServer, verb: str) -> None:
    """A foreign list in a session's place signs its user out, and stands in no verb's way (promise 12)."""
    store = open_url(redis_server.url, blocking=True)
    with redis_server.client() as client:
        client.flushall()
        make = Maker(finish(store.key()))
        bad, good = add(store, make.record("ann")), add(store, make.record("ann"))
        client.delete(KEYS.session(bad.id))
        client.lpush(KEYS.session(bad.id), "foreign")
        assert finish(store.find([bad.id])) == [None]
        assert finish(store.find([bad.id, good.id])) == [None, good]
        if verb == "end":
            assert finish(store.end(bad.id, reason="revoked", now=NOW)) is None
        elif verb == "end_user":
            assert [row.id for row in finish(store.end_user("ann", reason="revoked", now=NOW))] == [good.id]
        elif verb == "sweep":
            ended = finish(store.sweep(now=NOW + IDLE, limit=9, forget_before=NOW, max_ended=9)).ended
            assert [row.id for row in ended] == [good.id]
        else:
            assert finish(store.list_user("ann", now=NOW)) == [good]
        assert client.exists(KEYS.session(bad.id)) == (verb == "list_user")
    finish(store.close())


class Alone(PlainLink):
    """A link to a server whose replicas are away."""

    async def run(self, call: Call, *, confirm: bool = False) -> Any:
        """Run it, and say that nobody confirmed it."""
        answer = await super().run(call, confirm=confirm)
        if confirm:
            raise Unacknowledged("nobody", [answer])
        return answer

    async def run_many(self, calls: Sequence[Call], *, confirm: bool = False) -> list[Any]:
        """Run them, and say that nobody confirmed them."""
        answers = await super().run_many(calls, confirm=confirm)
        if confirm:
            raise Unacknowledged("nobody", answers)
        return answers


@pytest.mark.parametrize("partitions", [1, 8])
def test_what_is_unconfirmed_says_what_it_ended(redis_server: RedisServer, partitions: int) -> None:
    """The error brings what the verb would have answered, and everything was done before it came (contract)."""
    link = Alone(redis_server.url, partitions=partitions)
    link.client.flushall()
    store = RedisStore(link)
    make = Maker(finish(store.key()))
    one, two, three, four = (add(store, make.record(name)) for name in ("ann", "ann", "bob", "bob"))
    faults: list[Unconfirmed] = []
    for verb in (
        store.end(one.id, reason="revoked", now=NOW),
        store.end_user("ann", reason="revoked", now=NOW),
        store.take(three.id, now=NOW),
        store.raise_epoch(now=NOW),
    ):
        with pytest.raises(Unconfirmed) as caught:
            finish(verb)
        faults.append(caught.value)
    assert [[dead.id for dead in fault.ended] for fault in faults] == [[one.id], [two.id], [three.id], []]
    epoch = faults[-1].epoch
    assert epoch is not None
    assert finish(store.epoch("eve")) == epoch
    with pytest.raises(Unconfirmed) as caught:
        finish(store.end_all(below=epoch, reason="revoked", now=NOW, limit=9))
    assert [dead.id for dead in caught.value.ended] == [four.id]


def test_a_tombstone_that_redis_forgot_hides_no_other(store: RedisStore, link: PlainLink, make: Maker) -> None:
    """The user's list of ends names rows in its middle and at its end that are gone: the others are listed."""
    records = [add(store, make.record("ann")) for _ in range(4)]
    for later, record in enumerate(records):
        finish(store.end(record.id, reason="signed_out", now=NOW + later))
    for gone in (records[0], records[2]):
        link.client.delete(KEYS.session(gone.id))
    for _ in range(2):
        assert [row.id for row in finish(store.list_ended("ann", limit=9))] == [records[3].id, records[1].id]
    assert link.client.zcard(f"coatcheck::e:{{{make.tag('ann')}}}ann") == 2


@pytest.mark.parametrize("limit", [1, 5])
def test_indexes_of_what_is_gone_end_no_walk_too_early(redis_server: RedisServer, limit: int) -> None:
    """Partitions whose indexes name only what Redis lost come first: whoever is alive behind them ends (ruling 11)."""
    link = PlainLink(redis_server.url, partitions=8)
    link.client.flushall()
    store = RedisStore(link)
    make = Maker(finish(store.key()))
    owns = store._engine.keys.partitions()
    records = sorted((add(store, make.record()) for _ in range(40)), key=lambda row: owns.index(_own(store, row)))
    *lost, alive = records
    for record in lost:
        link.client.delete(KEYS.session(record.id))
    below = finish(store.raise_epoch(now=NOW))
    ended = finish(store.end_all(below=below, reason="revoked", now=NOW, limit=limit))
    assert [row.id for row in ended] == [alive.id]
    assert finish(store.end_all(below=below, reason="revoked", now=NOW, limit=limit)) == ()


def _own(store: RedisStore, record: Record) -> str:
    """Return the partition of a session."""
    return store._engine.keys.own(record.id[1:4])
