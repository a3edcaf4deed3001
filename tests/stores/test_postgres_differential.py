"""The PostgreSQL store and the memory store live through the same random stories and answer the same."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from coatcheck.errors import CoatcheckError
from coatcheck.model import Device, Found, Record, Tombstone
from coatcheck.origin import PLAIN, Origin
from coatcheck.runtime import finish
from coatcheck.stores.memory import MemoryStore
from coatcheck.testing._make import IDLE, MINUTE, NOW, Maker
from coatcheck.verbs import Buried, Change, Created, Grant, Limit, Replacing, Seen
from tests.servers.postgres import PostgresServer
from tests.stores._postgres import Place

KEYS = ("a", "b", "öl", "c" * 20)
USERS = ("ann", "bob", None)
VERBS = 300


class Story:
    """A seeded source of verbs over few sessions and few users; it knows what the memory store answered."""

    def __init__(self, seed: int, make: Maker) -> None:
        """Begin with no sessions."""
        self.random = random.Random(seed)  # noqa: S311 - a test's story
        self.make = make
        self.records: list[Record] = []
        self.standing: set[str] = set()
        self.now = NOW
        self.epochs = {"ann": 0, "bob": 0}

    def next(self) -> Callable[[Any], Awaitable[object]]:
        """Return the next verb, to be asked of any store."""
        self.now += self.random.choice((0, 1, 1, 1000, MINUTE))
        if self.records and self.random.random() < 0.03:
            self.now = max(self.now, self.deadline(self.lately()))
        verbs = [self.create] * 8 + [self.commit] * 8 + [self.rotate] * 8 + [self.touch] * 8 + [self.lists] * 4
        verbs += [self.end, self.end_user, self.roles, self.sweep, self.take, self.everybody]
        if not self.records:
            return self.create()
        return self.random.choice(verbs)()

    def lately(self) -> Record:
        """Return one of the sessions that began lately, most often one that has not ended."""
        standing = [record for record in self.records if record.id in self.standing]
        return self.random.choice(standing[-6:] if standing and self.random.random() < 0.9 else self.records[-8:])

    def learn(self, found: list[Found], epochs: dict[str, int]) -> None:
        """Learn what is stored after a verb."""
        self.standing = {row.id for row in found if isinstance(row, Record)}
        self.records = [row if isinstance(row, Record) else old for row, old in zip(found, self.records, strict=True)]
        self.epochs = epochs

    def deadline(self, record: Record) -> int:
        """Return one of a record's deadlines exactly: what holds at it differs from what holds before it."""
        return self.random.choice((record.idle_expires_at, record.expires_at)) or self.now

    def create(self) -> Callable[[Any], Awaitable[object]]:
        """Sign in, perhaps at a limit, with an epoch, in place of another session."""
        user, now, pick = self.random.choice(USERS), self.now, self.random
        record = self.make.record(
            user, created_at=now, last_seen_at=now - pick.randrange(3), rotated_at=now, data=self.data(),
            idle_expires_at=pick.choice((None, now + IDLE)), expires_at=pick.choice((None, now + 3 * IDLE)),
            locks=pick.random() < 0.2, device=pick.choice((None, Device(agent_hash=b"12345678", browser="x"))),
            origin=pick.choice((PLAIN, Origin(actor_id="öl"))),
        )  # fmt: skip
        old = self.lately() if self.records and pick.random() < 0.4 else None
        replacing = old and Replacing(
            id=old.id, carry=pick.random() < 0.7, unset=frozenset(pick.sample(KEYS, 1)),
            generation=pick.choice((None, old.generation)),
        )  # fmt: skip
        limit = pick.choice((None, Limit(2, "evict_oldest"), Limit(3, "evict_least_recent"), Limit(3, "reject")))
        epoch = pick.choice((None, self.epochs.get(user or "", 0)))
        began = pick.choice((None, None, now - MINUTE))
        again = pick.choice(self.records) if self.records and pick.random() < 0.05 else record
        self.records.append(record)
        return lambda store: store.create(
            again, now=now, limit=limit, epoch=epoch, began_at=began, replacing=replacing, max_bytes=40
        )

    def commit(self) -> Callable[[Any], Awaitable[object]]:
        """Change keys."""
        record, now, pick = self.lately(), self.now, self.random
        change, seen, expect = self.change(), self.seen(record), pick.choice((None, None, record.version))
        generation, most = pick.choice((record.generation, record.generation, 9)), pick.choice((None, 30))
        return lambda store: store.commit(
            record.id, generation=generation, change=change, now=now, seen=seen, expect_version=expect, max_bytes=most
        )

    def touch(self) -> Callable[[Any], Awaitable[object]]:
        """Record activity, late or in time."""
        record, now = self.lately(), self.now
        seen = self.seen(record) or Seen(at=now)
        return lambda store: store.touch(record.id, generation=record.generation, seen=seen, now=now)

    def rotate(self) -> Callable[[Any], Awaitable[object]]:
        """Replace the secret, by age or by privilege, perhaps one that somebody else has replaced."""
        record, now, pick = self.lately(), self.now, self.random
        by_age = pick.random() < 0.6
        grant = None if by_age else Grant(roles=("admin",), aal=pick.choice((None, 2)))
        replaces = pick.choice((record.secret_digest, record.secret_digest, record.previous_digest or b"other"))
        held = pick.choice((None, None, record.previous_digest))
        rotation = self.make.rotation(record, by_age=by_age, at=now, grant=grant, replaces=replaces, held=held)
        change, seen, generation = self.change(), self.seen(record), record.generation
        return lambda store: store.rotate(
            record.id, generation=generation, rotation=rotation, change=change, now=now, seen=seen, max_bytes=40
        )

    def end(self) -> Callable[[Any], Awaitable[object]]:
        """End one."""
        record, now = self.lately(), self.now
        reason, owner = self.random.choice(("signed_out", "revoked")), self.random.choice((None, "ann"))
        return lambda store: store.end(record.id, reason=reason, now=now, owner=owner)

    def take(self) -> Callable[[Any], Awaitable[object]]:
        """Take one."""
        record, now = self.lately(), self.now
        return lambda store: store.take(record.id, now=now)

    def end_user(self) -> Callable[[Any], Awaitable[object]]:
        """End a user's."""
        keep, now = self.random.choice((None, self.random.choice(self.records).id)), self.now
        return lambda store: store.end_user("ann", reason="revoked", now=now, keep=keep)

    def roles(self) -> Callable[[Any], Awaitable[object]]:
        """Change a user's roles."""
        now = self.now
        return lambda store: store.set_roles("bob", ("editor",), now=now)

    def sweep(self) -> Callable[[Any], Awaitable[object]]:
        """Sweep whatever is over; a bounded batch may choose otherwise in every store."""
        now = self.now
        return lambda store: store.sweep(now=now, limit=500, forget_before=now - 4 * IDLE, max_ended=500)

    def lists(self) -> Callable[[Any], Awaitable[object]]:
        """Look around."""
        now, asked = self.now, self.random.choice(("list_user", "list_ended", "browse", "count", "epoch"))
        calls: dict[str, Callable[[Any], Awaitable[object]]] = {
            "list_user": lambda store: store.list_user("ann", now=now),
            "list_ended": lambda store: store.list_ended("bob", limit=500),
            "browse": lambda store: store.browse(limit=500),
            "count": lambda store: store.count(now=now),
            "epoch": lambda store: store.epoch("ann"),
        }
        return calls[asked]

    def everybody(self) -> Callable[[Any], Awaitable[object]]:
        """Sign everybody out, now and then."""
        if self.random.random() < 0.8:
            return self.lists()
        now = self.now

        async def out(store: Any) -> object:
            below = await store.raise_epoch(now=now)
            return below, await store.end_all(below=below, reason="revoked", now=now, limit=500)

        return out

    def data(self) -> dict[str, bytes]:
        """Return some data."""
        return {key: self.random.randbytes(self.random.randrange(6)) for key in self.random.sample(KEYS, 2)}

    def change(self) -> Change:
        """Return a change of some keys, or none."""
        unset = frozenset(self.random.sample(KEYS, self.random.randrange(2)))
        return Change(self.data() if self.random.random() < 0.8 else {}, unset)

    def seen(self, record: Record) -> Seen | None:
        """Return activity, or none."""
        at = self.now - self.random.choice((0, 1, MINUTE))
        confirms = self.random.choice((None, record.secret_digest))
        seen = Seen(at=at, idle_expires_at=at + IDLE, confirms=confirms, address=self.random.choice((None, "::1")))
        return self.random.choice((None, seen))


async def answer(verb: Callable[[Any], Awaitable[object]], store: Any) -> object:
    """Return what a store answers, in a form that compares: batches have no order of their own."""
    try:
        given = await verb(store)
    except CoatcheckError as error:
        return type(error)
    if isinstance(given, Created):
        over = tuple(each for each in given.ended if each.reason in ("idle", "absolute"))
        return given.record, _sorted(over), given.ended[len(over) :]
    if isinstance(given, Buried):
        return _sorted(given.ended), given.more
    return _sorted(given)


def _sorted(given: object) -> object:
    if isinstance(given, tuple) and given and all(isinstance(each, Tombstone | str) for each in given):
        return sorted(given, key=lambda each: each if isinstance(each, str) else each.id)
    if isinstance(given, tuple):
        return tuple(_sorted(each) if isinstance(each, tuple) else each for each in given)
    return given


@pytest.fixture
def place(postgres15: PostgresServer) -> Place:
    """Give an empty schema."""
    place = Place(postgres15, "differential")
    place.prepare()
    return place


@pytest.mark.parametrize("seed", range(5))
def test_both_answer_the_same(place: Place, seed: int) -> None:
    """Promises 1 to 5: 300 random verbs a seed, asked of both in lockstep; answers and what is stored are equal."""
    memory, store = MemoryStore(), place.blocking()
    story = Story(seed, Maker(finish(store.key()), seed=seed))
    for number in range(VERBS):
        verb = story.next()
        expected, given = finish(answer(verb, memory)), finish(answer(verb, store))
        assert given == expected, f"seed {seed}, verb {number}"
        ids = [record.id for record in story.records]
        found: list[Found] = finish(memory.find(ids))
        assert finish(store.find(ids)) == found, f"seed {seed}, after verb {number}"
        story.learn(found, {user: finish(memory.epoch(user)) for user in story.epochs})
    finish(store.close())
