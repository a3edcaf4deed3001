"""What is prepared, what is done at the last moment, and how anybody sees afterwards whether it holds."""

from __future__ import annotations

import time
from itertools import count
from typing import Final, Self

from msgspec import Struct
from redis.crc import key_slot

from coatcheck.model import Record, Tombstone
from coatcheck.stores.contract import Lists, Store
from coatcheck.testing._make import IDLE, Maker
from coatcheck.verbs import Created, Limit
from tests.servers.cluster import PRIMARIES, SLOTS

LIMIT: Final = Limit(2, "evict_least_recent")
OLD, NEW = ("user",), ("admin",)
VALUE: Final = b"7"


class People(Struct, array_like=True):
    """Names of their own for one scene, so that scenes on one server do not meet."""

    ann: str
    bob: str
    cat: str
    dan: str

    @classmethod
    def of(cls, scene: str, maker: Maker) -> Self:
        """Name them so that on a Cluster all live on one primary, that of slot 0, which is the one to be killed."""
        return cls(*(_first(f"{name} of {scene}", maker) for name in ("ann", "bob", "cat", "dan")))


def _first(name: str, maker: Maker) -> str:
    return next(
        each for number in count() if key_slot(maker.tag(each := f"{name} {number}").encode()) < SLOTS // PRIMARIES
    )


class Prepared(Struct, array_like=True):
    """Sessions that were there long before the fault, and one that comes just before it.

    ``stale`` is Bob's epoch as a sign-in under way holds it; ``None`` when nobody is left who does.
    """

    people: People
    signing: str
    committed: str
    ended: str
    swept_out: tuple[str, ...]
    stale: int | None
    promoted: str
    rotated: str
    fresh_digest: bytes


class Seen(Struct, array_like=True):
    """What one look found. States are ``live``, ``dead``, ``none`` and ``unreadable``.

    ``refuses_stale`` says whether a sign-in that had begun before the revocation is refused; ``None`` without one.
    """

    signed_in: str
    value: bytes | None
    committed: str
    ended: tuple[str, ...]
    refuses_stale: bool | None
    roles: tuple[str, ...] | None
    digest: bytes | None
    live: int


def now() -> int:
    """Return the time of day in milliseconds."""
    return time.time_ns() // 1_000_000


def new(maker: Maker, user: str, **fields: object) -> Record:
    """Make a record that begins now."""
    at = now()
    return maker.record(
        user, created_at=at, last_seen_at=at, rotated_at=at, idle_expires_at=at + IDLE, expires_at=None, roles=OLD,
        **fields,
    )  # fmt: skip


async def sign_in(store: Store, maker: Maker, user: str) -> str:
    """Sign somebody in and return the session's id."""
    record = new(maker, user)
    answer = await store.create(record, now=record.created_at)
    assert isinstance(answer, Created), answer
    return record.id


def state(found: object) -> str:
    """Say in a word what was found."""
    if found is None:
        return "none"
    if isinstance(found, Record):
        return "live"
    return "dead" if isinstance(found, Tombstone) else "unreadable"


async def observe(store: Store, prepared: Prepared) -> Seen:
    """Look at everything."""
    ids = [prepared.signing, prepared.committed, prepared.promoted, prepared.rotated, prepared.ended]
    signing, committed, promoted, rotated, *ended = await store.find([*ids, *prepared.swept_out])
    assert hasattr(store, "list_user")
    lists: Lists = store  # type: ignore[assignment]  # every store of ours lists
    return Seen(
        signed_in=state(signing),
        value=committed.data.get("n") if isinstance(committed, Record) else None,
        committed=state(committed),
        ended=tuple(map(state, ended)),
        refuses_stale=None if prepared.stale is None else await store.epoch(prepared.people.bob) != prepared.stale,
        roles=promoted.roles if isinstance(promoted, Record) else None,
        digest=rotated.secret_digest if isinstance(rotated, Record) else None,
        live=len(await lists.list_user(prepared.people.dan, now=now())),
    )


def holds(verb: str, seen: Seen, prepared: Prepared) -> bool:
    """Whether the effect of the acknowledged step is there; a session that is gone has no privilege and no life."""
    if verb == "sign-in":
        return seen.signed_in == "live"
    if verb == "commit":
        return seen.value == VALUE
    if verb == "revoke":
        return "live" not in seen.ended and seen.refuses_stale is not False
    if verb == "privilege":
        return seen.roles in (None, NEW) and seen.digest in (None, prepared.fresh_digest)
    return seen.live <= LIMIT.count


def vanished(seen: Seen) -> list[str]:
    """Name the sessions that were there long before the fault and are not there at all: neither live nor ended."""
    there = {
        "the one that was written to": seen.committed != "none",
        "the one that was promoted": seen.roles is not None,
        "the one that was rotated": seen.digest is not None,
        "one that was ended": "none" not in seen.ended,
        # The last sign-in may be lost and the eviction that it made be repeated.
        "those that count towards the limit": seen.live >= LIMIT.count - 1,
    }
    return [name for name, found in there.items() if not found]


def strange(seen: Seen) -> list[str]:
    """Name whatever nobody wrote; a lost step leaves the state before it, or nothing."""
    faults = [name for name in (seen.signed_in, seen.committed, *seen.ended) if name == "unreadable"]
    if seen.signed_in == "dead":
        faults.append("a sign-in that was ended by nobody")
    if seen.value not in (None, VALUE):
        faults.append(f"the value {seen.value!r}")
    if seen.roles not in (None, OLD, NEW):
        faults.append(f"the roles {seen.roles}")
    if seen.live > LIMIT.count:
        faults.append(f"{seen.live} live sessions")
    return faults
