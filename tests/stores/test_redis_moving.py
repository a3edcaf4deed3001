"""Signing in on partitions takes four steps: a client that dies between any two does no harm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from coatcheck.errors import Unconfirmed
from coatcheck.model import Millis, Record, Tombstone
from coatcheck.runtime import finish
from coatcheck.stores.redis import RedisStore
from coatcheck.stores.redis.creating import Terms
from coatcheck.stores.redis.link import Call
from coatcheck.stores.redis.moving import UNHELD, Move
from coatcheck.testing._make import ABSOLUTE, NOW, Maker, put
from coatcheck.verbs import Created, NotCreated, Replacing
from tests.servers.redis import RedisServer
from tests.stores.redis_plain import PlainLink

PARTITIONS = 8
STEPS = ("found", "made", "taken", "settled")


@pytest.fixture
def store(redis_server: RedisServer) -> Iterator[RedisStore]:
    """Give an empty store of several partitions."""
    link = PlainLink(redis_server.url, partitions=PARTITIONS)
    link.client.flushall()
    store = RedisStore(link)
    yield store
    finish(store.close())


@pytest.fixture
def make(store: RedisStore) -> Maker:
    """Give a maker of records for it."""
    return Maker(finish(store.key()))


def visitor(store: RedisStore, make: Maker, **fields: object) -> Record:
    """Add a visitor's session with a cart, in another partition than ann's."""
    keys = store._engine.keys
    while True:
        record = make.record(data={"cart": b"apples"}, **fields)
        if keys.own(record.id[1:4]) != keys.own(make.tag("ann")):
            answer = finish(store.create(record, now=NOW))
            assert isinstance(answer, Created)
            return answer.record


def move(store: RedisStore, record: Record, old: Record, generation: int | None = None) -> Move:
    """Begin a sign-in that replaces *old*."""
    replacing = Replacing(id=old.id, carry=True, generation=generation)
    terms = Terms(NOW, None, None, None, replacing, None)
    return Move(store._engine, record, terms, replacing)


def found(store: RedisStore, *records: Record) -> list[object]:
    """Return what the store knows of each."""
    return list(finish(store.find([record.id for record in records])))


def live(store: RedisStore, now: Millis, *records: Record) -> list[Record]:
    """Return those that live at *now*."""
    rows = found(store, *records)
    return [row for row in rows if isinstance(row, Record) and row.dead_at(now) is None]


@pytest.mark.parametrize("clock", ["idle_expires_at", "expires_at"])
@pytest.mark.parametrize("cut", range(len(STEPS)))
def test_a_client_that_dies_between_two_steps_does_no_harm(
    store: RedisStore, make: Maker, cut: int, clock: str
) -> None:
    """Never two live, never one nobody holds, for longer than a minute; the cart is in what lives (D1, promise 4)."""
    old, new = visitor(store, make), make.record("ann", data={"own": b"1"}, **{clock: None})
    moving = move(store, new, old)
    for step in STEPS[:cut]:
        finish(getattr(moving, step)())
    rows = live(store, NOW, old, new)
    assert rows
    assert all(row.data["cart"] == b"apples" for row in rows)
    later = live(store, NOW + UNHELD, old, new)
    assert [row.id for row in later] == ([old.id] if cut < 3 else [])
    swept = finish(store.sweep(now=NOW + UNHELD, limit=9, forget_before=0, max_ended=9))
    assert [tombstone.id for tombstone in swept.ended] == ([new.id] if cut >= 2 else [])


def test_all_steps_make_one_session(store: RedisStore, make: Maker) -> None:
    """The new session has its own deadlines, the data as it was when it was taken, and the old one is superseded."""
    old, new = visitor(store, make), make.record("ann", data={"own": b"1"})
    moving = move(store, new, old)
    finish(moving.found())
    assert finish(moving.made()) is None
    finish(store.commit(old.id, generation=1, change=put(late=b"2"), now=NOW))
    finish(moving.taken())
    answer = finish(moving.settled())
    assert answer.record.data == {"cart": b"apples", "late": b"2", "own": b"1"}
    assert (answer.record.expires_at, answer.record.idle_expires_at) == (new.expires_at, new.idle_expires_at)
    assert [(row.id, row.reason) for row in answer.ended] == [(old.id, "superseded")]
    assert found(store, new, old) == [answer.record, *answer.ended]
    assert finish(store.sweep(now=NOW + UNHELD, limit=9, forget_before=0, max_ended=9)).ended == ()
    assert live(store, NOW + ABSOLUTE - 1, new) == []
    assert live(store, NOW + UNHELD, new) == [answer.record]


def test_a_session_whose_privilege_changes_meanwhile_stays(store: RedisStore, make: Maker) -> None:
    """Its data stays with it, also what had already been carried (promise 5)."""
    old, new = visitor(store, make), make.record("ann", data={"own": b"1"})
    moving = move(store, new, old, generation=1)
    finish(moving.found())
    finish(moving.made())
    rotation = make.rotation(old, by_age=False)
    finish(store.rotate(old.id, generation=1, rotation=rotation, change=put(), now=NOW))
    finish(moving.taken())
    answer = finish(moving.settled())
    assert (answer.record.data, answer.ended) == ({"own": b"1"}, ())
    assert len(live(store, NOW, old)) == 1


def test_a_session_that_ends_meanwhile_is_carried_by_nobody_twice(store: RedisStore, make: Maker) -> None:
    """Of two sign-ins over one session, step by step at once, one carries its data (promise 3)."""
    old = visitor(store, make)
    records = [make.record("ann"), make.record("ann")]
    moves = [move(store, record, old) for record in records]
    for step in STEPS[:3]:
        for each in moves:
            finish(getattr(each, step)())
    answers = [finish(each.settled()) for each in moves]
    assert [answer.record.data for answer in answers] == [{"cart": b"apples"}, {}]
    assert [len(answer.ended) for answer in answers] == [1, 0]


def test_a_refused_sign_in_leaves_the_old_session(store: RedisStore, make: Maker) -> None:
    """A stale epoch is refused before anything is taken (promise 2)."""
    old = visitor(store, make)
    epoch = finish(store.epoch("ann"))
    finish(store.end_user("ann", reason="revoked", now=NOW))
    replacing = Replacing(id=old.id, carry=True)
    answer = finish(store.create(make.record("ann"), now=NOW, epoch=epoch, replacing=replacing))
    assert answer is NotCreated.STALE_EPOCH
    assert found(store, old) == [old]


def test_a_new_session_revoked_meanwhile_stays_dead(store: RedisStore, make: Maker) -> None:
    """`end_user` between two steps ends the new session, and the last step does not bring it back (promise 2)."""
    old, new = visitor(store, make), make.record("ann")
    moving = move(store, new, old)
    for step in STEPS[:3]:
        finish(getattr(moving, step)())
    finish(store.end_user("ann", reason="revoked", now=NOW))
    finish(moving.settled())
    assert isinstance(found(store, new)[0], Tombstone)


class Alone(PlainLink):
    """A link to a server whose replicas are away: what is to be confirmed is done, and unconfirmed."""

    async def run(self, call: Call, *, confirm: bool = False) -> Any:
        """Run it, and say that nobody confirmed it."""
        answer = await super().run(call, confirm=confirm)
        if confirm:
            raise Unconfirmed("no replica confirmed it")
        return answer


def test_a_sign_in_waits_for_no_replica(store: RedisStore, make: Maker) -> None:
    """What it replaces ends and is remembered, as where it is one step; replicas that are away refuse no sign-in."""
    old, new = visitor(store, make), make.record("ann")
    link = Alone(getattr(store.link, "url", ""), partitions=PARTITIONS)
    alone = RedisStore(link)
    answer = finish(alone.create(new, now=NOW, replacing=Replacing(id=old.id, carry=True)))
    assert isinstance(answer, Created)
    assert answer.record.data == {"cart": b"apples"}
    assert [dead.id for dead in answer.ended] == [old.id]
    assert [call.script.name for call in link.remembered] == ["key", "end"]
