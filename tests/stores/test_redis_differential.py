"""The Redis store answers what the memory store answers, verb by verb, over random histories of few sessions."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any, get_args

import pytest

from coatcheck.model import Device, Millis, Record, Tombstone
from coatcheck.origin import PLAIN, Origin
from coatcheck.runtime import finish
from coatcheck.stores.memory import MemoryStore
from coatcheck.stores.redis import RedisStore
from coatcheck.testing._make import NOW, Maker
from coatcheck.verbs import AtLimit, Buried, Change, Created, Grant, Limit, Replacing, Seen
from tests.servers.redis import RedisServer
from tests.stores.redis_plain import PlainLink

USERS = ("ann", "bob", None)
ADDRESSES = ("192.0.2.1", "192.0.2.200", "2001:db8:85a3::8a2e:370:7334", None)
STEPS = 250


class History:
    """Random verbs on both stores in lockstep. The clock goes forward, back a little at times, and is an argument."""

    def __init__(self, redis: RedisStore, seed: int) -> None:
        """Begin with two empty stores that have one key."""
        self.stores: tuple[Any, Any] = (MemoryStore(), redis)
        self.stores[0]._key = finish(redis.key())
        for own in redis._engine.keys.partitions():  # making the key has raised it, and memory's begins at 0
            redis.link.client.delete(redis._engine.keys.everybody(own))  # type: ignore[attr-defined]
        self.make = Maker(finish(redis.key()), seed=seed)
        self.random = random.Random(seed)  # noqa: S311  (a test's choices, not secrets)
        self.now: Millis = NOW
        self.records: list[Record] = []
        self.cursor: str | None = None

    def both(self, verb: Callable[[Any], Awaitable[Any]]) -> Any:
        """Ask both and return the answer that they must share."""
        memory, redis = (finish(verb(store)) for store in self.stores)
        assert _plain(redis) == _plain(memory)
        return memory

    def step(self) -> None:
        """Do one thing, then look at every session."""
        self.now += self.random.choice((0, 1, 5, 5, 40, -3))
        self.random.choice((
            self.create, self.create, self.create, self.commit, self.commit, self.touch, self.touch, self.rotate,
            self.rotate, self.end, self.take, self.end_user, self.set_roles, self.everybody_out, self.sweep, self.side,
            self.look,
        ))()  # fmt: skip
        ids = [record.id for record in self.records]
        found = self.both(lambda store: store.find(ids))
        # What was read some time ago is what most requests hold.
        fresh = [row for row in found if isinstance(row, Record) and self.random.random() < 0.7]
        known = {record.id: record for record in (*self.records, *fresh)}
        self.records = list(known.values())[-12:]

    def pick(self) -> Record:
        """Choose a session, of whatever state."""
        return self.random.choice(self.records) if self.records else self.make.record()

    def some(self, *values: Any) -> Any:
        """Choose one of *values*."""
        return self.random.choice(values)

    def data(self) -> dict[str, bytes]:
        """Make up to three keys, some of which repeat."""
        keys = self.random.sample(["a", "bb", "é", "cart", "x" * 20], self.random.randrange(4))
        return {key: self.random.randbytes(self.random.randrange(30)) for key in keys}

    def change(self) -> Change:
        """Make a change of data."""
        return Change(self.data(), frozenset(self.random.sample(["a", "cart", "none"], self.random.randrange(3))))

    def seen(self, record: Record) -> Seen:
        """Make activity, old and new, that may confirm the secret."""
        at = self.now + self.some(0, -20, 3)
        digest = self.some(None, record.secret_digest, record.previous_digest)
        return Seen(at=at, idle_expires_at=self.some(None, at + 50), confirms=digest, address=self.some(*ADDRESSES))

    def create(self) -> None:
        """Sign somebody in, or a visitor, over another session, under a limit."""
        user = self.some(*USERS)
        device = self.some(
            None, Device(browser="Firefox 153", agent_hash=b"12345678", last_address=self.some(*ADDRESSES))
        )
        record = self.make.record(
            user, created_at=self.now, last_seen_at=self.now, rotated_at=self.now, data=self.data(), device=device,
            idle_expires_at=self.some(None, self.now + 50), expires_at=self.some(None, self.now + 90, self.now + 400),
            locks=self.some(True, False, False), generation=self.some(1, 4), roles=self.some((), ("a", "b")),
            origin=self.some(PLAIN, Origin(carrier="bearer", label="é")),
        )  # fmt: skip
        old = self.pick()
        generation = self.some(None, old.generation, 1)
        carried = Replacing(id=old.id, carry=self.some(True, False), unset=frozenset({"a"}), generation=generation)
        epoch = self.both(lambda store: store.epoch(user or "nobody"))
        terms: dict[str, Any] = {
            "limit": self.some(None, Limit(self.some(1, 2, 3), self.some(*get_args(AtLimit)))),
            "epoch": self.some(None, epoch, epoch - 1, epoch + 1) if user else None,
            "began_at": self.some(None, None, self.now), "replacing": self.some(None, carried),
            "max_bytes": self.some(None, 40, 90),
        }  # fmt: skip
        made = self.both(lambda store: store.create(record, now=self.now, **terms))
        if isinstance(made, Created):
            self.records.append(made.record)

    def commit(self) -> None:
        """Change data."""
        record, change = self.pick(), self.change()
        seen, most = self.some(None, self.seen(record)), self.some(None, 60)
        version = self.some(None, None, record.version)
        generation = self.some(record.generation, record.generation, 1)
        self.both(lambda store: store.commit(
            record.id, generation=generation, change=change, now=self.now, seen=seen, expect_version=version,
            max_bytes=most,
        ))  # fmt: skip

    def touch(self) -> None:
        """Record activity."""
        record = self.pick()
        seen = self.seen(record)
        self.both(lambda store: store.touch(record.id, generation=record.generation, seen=seen, now=self.now))

    def rotate(self) -> None:
        """Make a new secret, and perhaps another one out of the secret before it."""
        record = self.pick()
        answer = self.rotated(record, record.secret_digest)
        if isinstance(answer, Record) and self.some(True, False):
            self.rotated(answer, self.some(answer.previous_digest, record.secret_digest))

    def rotated(self, record: Record, replaces: bytes) -> Any:
        """Replace a secret of *record*."""
        change, roles = self.some(Change({}), self.change()), Grant(roles=self.some((), ("x",)))
        grant = self.some(None, roles, Grant(auth_time=self.now, amr=("pwd", "otp"), aal=2))
        rotation = self.make.rotation(
            record, by_age=self.some(True, False), at=self.now, grant=grant, replaces=replaces,
            held=self.some(None, self.make.digest()),
        )  # fmt: skip
        seen, most = self.some(None, self.seen(record)), self.some(None, 60)
        return self.both(lambda store: store.rotate(
            record.id, generation=record.generation, rotation=rotation, change=change, now=self.now, seen=seen,
            max_bytes=most,
        ))  # fmt: skip

    def end(self) -> None:
        """End one session, perhaps as the wrong owner."""
        record, reason = self.pick(), self.some("revoked", "signed_out")
        owner = self.some(None, "ann")
        self.both(lambda store: store.end(record.id, reason=reason, now=self.now, owner=owner))

    def take(self) -> None:
        """Take one."""
        record = self.pick()
        self.both(lambda store: store.take(record.id, now=self.now))

    def end_user(self) -> None:
        """End a user's."""
        user, keep = self.some("ann", "bob", "nobody"), self.some(None, self.pick().id)
        self.both(lambda store: store.end_user(user, reason="revoked", now=self.now, keep=keep))

    def set_roles(self) -> None:
        """Change a user's roles."""
        user, roles = self.some("ann", "bob"), self.some((), ("guest",), ("a", "ü"))
        self.both(lambda store: store.set_roles(user, roles, now=self.now))

    def everybody_out(self) -> None:
        """Raise the store-wide epoch, and mostly end everybody."""
        below = self.both(lambda store: store.raise_epoch(now=self.now))
        if self.random.random() < 0.5:
            self.both(lambda store: store.end_all(below=below, reason="revoked", now=self.now, limit=99))

    def sweep(self) -> None:
        """Sweep, and keep few tombstones."""
        most = self.some(99, 5)
        self.both(lambda store: store.sweep(now=self.now, limit=99, forget_before=0, max_ended=most))

    def side(self) -> None:
        """Keep something beside a session, and read something."""
        record, other, value = self.pick(), self.pick(), self.random.randbytes(5)
        self.both(lambda store: store.put_side(record.id, "name", value, now=self.now))
        self.both(lambda store: store.get_side(other.id, "name"))

    def look(self) -> None:
        """List, browse and lease."""
        user = self.some("ann", "bob")
        self.both(lambda store: store.list_user(user, now=self.now))
        self.both(lambda store: store.list_ended(user, limit=99))
        picked, after, limit = self.some(None, user), self.cursor, self.some(1, 3)
        page = self.both(lambda store: store.browse(limit=limit, after=after, user_id=picked))
        self.cursor = page.next
        holder = self.some("one", "two")
        self.both(lambda store: store.lease("sweep", holder=holder, now=self.now, until=self.now + 30))


def _plain(answer: Any) -> Any:
    """Return an answer in which the order of many deaths at one moment does not count."""
    if isinstance(answer, tuple | list) and answer and isinstance(answer[0], Tombstone):
        return sorted(answer, key=lambda row: row.id if isinstance(row, Tombstone) else "")
    if isinstance(answer, Buried):
        return _plain(answer.ended), answer.more
    return answer


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("partitions", [1, 4, 200])
def test_redis_answers_what_memory_answers(redis_server: RedisServer, seed: int, partitions: int) -> None:
    """Promises 1 to 6: 250 random steps, each followed by a look at every session, are answered alike."""
    link = PlainLink(redis_server.url)
    link.client.flushall()
    link.partitions = partitions
    store = RedisStore(link)
    history = History(store, seed)
    for _ in range(STEPS):
        history.step()
    finish(store.close())
