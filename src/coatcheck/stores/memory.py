"""The memory store: sessions in this process's memory, and the reference for every other store.

For tests, development and applications of one process whose sessions may end with it. Nothing outlives the process
and no other process sees it.

Every verb runs whole inside one lock and never suspends, so the store is safe under threads and under any event loop.
What a verb does to a record is said in `coatcheck.transitions`; the indexes around it are
`coatcheck.stores._memory_rows` and `coatcheck.stores._memory_epochs`.
"""

from __future__ import annotations

import heapq
import re
import secrets
import threading
from collections.abc import Mapping, Sequence
from typing import Final

from coatcheck import transitions
from coatcheck.counting import Every
from coatcheck.model import Found, Millis, Reason, Record, Tombstone, replace
from coatcheck.stores._memory_counts import CountRows
from coatcheck.stores._memory_epochs import Epochs
from coatcheck.stores._memory_rows import Row, Rows
from coatcheck.stores.contract import EPOCH_KEPT, Capability, Traits
from coatcheck.tokens import is_id
from coatcheck.verbs import (
    Buried,
    Change,
    Created,
    Limit,
    NotCreated,
    Page,
    Refusal,
    Replacing,
    Rotation,
    Seen,
    Tally,
    TooLarge,
)

_TRAITS: Final = Traits(
    name="memory", capabilities=frozenset(Capability), blocking=True, persistent=False, shared=False
)
_CURSOR: Final = re.compile(r"(\d{1,15})\.(.+)", re.ASCII)


class MemoryStore:
    """A store in this process's memory.

    Args:
        tenant: accepted as by every store. Two memory stores share nothing, so it separates no further.
    """

    def __init__(self, *, tenant: str = "") -> None:
        """Start empty."""
        self.tenant = tenant
        self._lock = threading.Lock()
        self._key = b""
        self._rows = Rows()
        self._epochs = Epochs()
        self._sides: dict[str, dict[str, bytes]] = {}
        self._leases: dict[str, tuple[str, Millis]] = {}
        self._counts = CountRows()

    def __repr__(self) -> str:
        """Show how much is kept, and nothing of what."""
        return f"MemoryStore(live={len(self._rows.live)}, ended={len(self._rows.ended)})"

    @property
    def traits(self) -> Traits:
        """Every capability, never suspending, lost with the process and seen by it alone."""
        return _TRAITS

    async def open(self) -> None:
        """Nothing to connect to."""

    async def close(self) -> None:
        """Nothing to let go of: the sessions stay as long as the object does."""

    async def key(self) -> bytes:
        """Return this store's 32 random bytes, made at first use."""
        with self._lock:
            self._key = self._key or secrets.token_bytes(32)
            return self._key

    async def clock(self) -> Millis | None:
        """Run on this machine's clock."""
        return None

    async def find(self, ids: Sequence[str]) -> list[Found]:
        """Return what is known of each id, in order."""
        if len(ids) == 1:
            # One id needs no lock (see `Rows.get`). Several take it, so that nobody sees half of a sign-in.
            return [self._rows.get(ids[0])]
        with self._lock:
            return [self._rows.get(each) for each in ids]

    async def epoch(self, user_id: str) -> int:
        """Return the user's epoch and the store-wide one together."""
        with self._lock:
            return self._epochs.of(user_id)

    async def create(
        self,
        record: Record,
        *,
        now: Millis,
        limit: Limit | None = None,
        epoch: int | None = None,
        began_at: Millis | None = None,
        replacing: Replacing | None = None,
        max_bytes: int | None = None,
    ) -> Created | NotCreated:
        """Insert *record*, end what it replaces, and hold the user's limit."""
        with self._lock:
            if self._rows.get(record.id) is not None:
                return NotCreated.EXISTS
            if self._is_stale(record.user_id, epoch, began_at):
                return NotCreated.STALE_EPOCH
            replaced = self._rows.live.get(replacing.id) if replacing else None
            if replaced and replacing and not replacing.matches(replaced):
                replaced = None
            room = self._room(record.user_id, replaced, limit, now)
            if room is None:
                return NotCreated.LIMIT
            data = transitions.carried(record, replaced, replacing, now, max_bytes)
            made = self._rows.insert(replace(record, epoch=self._epochs.everybody, data=data))
            ended = [self._bury(other, reason, now) for other, reason in room.over]
            ended += [self._bury(other, "evicted", now) for other in room.evicted]
            if replaced:
                ended.append(self._bury(replaced, "superseded", now))
            return Created(record=made, ended=tuple(ended))

    async def commit(
        self,
        id: str,
        *,
        generation: int,
        change: Change,
        now: Millis,
        seen: Seen | None = None,
        expect_version: int | None = None,
        max_bytes: int | None = None,
    ) -> int | Refusal | TooLarge:
        """Merge the named keys and return the new version."""
        with self._lock:
            record = self._changeable(id, generation, now)
            if isinstance(record, Refusal):
                return record
            result = transitions.committed(record, change, seen, expect_version, max_bytes)
            return self._rows.keep(result).version if isinstance(result, Record) else result

    async def touch(self, id: str, *, generation: int, seen: Seen, now: Millis) -> Refusal | None:
        """Record activity, forward only."""
        with self._lock:
            record = self._changeable(id, generation, now)
            if isinstance(record, Refusal):
                return record
            self._rows.keep(transitions.seen(record, seen))
            return None

    async def rotate(
        self,
        id: str,
        *,
        generation: int,
        rotation: Rotation,
        change: Change,
        now: Millis,
        seen: Seen | None = None,
        max_bytes: int | None = None,
    ) -> Record | Refusal | TooLarge:
        """Replace the secret, and merge *change* and *seen* with it."""
        with self._lock:
            record = self._changeable(id, generation, now)
            if isinstance(record, Refusal):
                return record
            result = transitions.rotated(record, rotation, change, seen, max_bytes)
            return self._rows.keep(result) if isinstance(result, Record) else result

    async def end(self, id: str, *, reason: Reason, now: Millis, owner: str | None = None) -> Tombstone | None:
        """End one session; ``None`` when there was none, or not one of *owner*'s."""
        with self._lock:
            record = self._rows.live.get(id)
            if record is None or (owner is not None and record.user_id != owner):
                return None
            return self._bury(record, transitions.closing_reason(record, reason, now), now)

    async def take(self, id: str, *, now: Millis) -> tuple[Tombstone, Mapping[str, bytes]] | None:
        """End a session as ``superseded`` and answer its data as it was."""
        with self._lock:
            record = self._rows.live.get(id)
            return None if record is None else (self._bury(record, "superseded", now), record.data)

    async def end_user(
        self, user_id: str, *, reason: Reason, now: Millis, keep: str | None = None
    ) -> tuple[Tombstone, ...]:
        """End all sessions of a user but *keep*, and raise the user's epoch."""
        with self._lock:
            self._epochs.raise_user(user_id, now)
            doomed = [record for record in self._rows.standing_of(user_id) if record.id != keep]
            return self._bury_all(doomed, reason, now)

    async def set_roles(self, user_id: str, roles: tuple[str, ...], *, now: Millis) -> tuple[str, ...]:
        """Give every session of a user that has not ended these roles, and raise the user's epoch; answers the ids."""
        with self._lock:
            self._epochs.raise_user(user_id, now)
            standing = self._rows.standing_of(user_id)
            for record in standing:
                self._rows.keep(transitions.with_roles(record, roles))
            return tuple(record.id for record in standing)

    async def raise_epoch(self, *, now: Millis) -> int:
        """Raise the store-wide epoch and answer it."""
        with self._lock:
            return self._epochs.raise_everybody(now)

    async def end_all(self, *, below: int, reason: Reason, now: Millis, limit: int) -> tuple[Tombstone, ...]:
        """End up to *limit* sessions created under a store-wide epoch lower than *below*."""
        with self._lock:
            doomed: list[Record] = []
            for record in self._rows.live.values():
                # In order of creation, so the first one of a later epoch ends the search.
                if record.epoch >= below or len(doomed) >= limit:
                    break
                doomed.append(record)
            return self._bury_all(doomed, reason, now)

    async def list_user(self, user_id: str, *, now: Millis) -> list[Record]:
        """Return the user's live sessions, most recently seen first."""
        with self._lock:
            alive = self._rows.alive_of(user_id, now)
        return sorted(alive, key=lambda record: (record.last_seen_at, record.created_at, record.id), reverse=True)

    async def list_ended(self, user_id: str, *, limit: int) -> list[Tombstone]:
        """Return the user's tombstones, most recent first, at most *limit*."""
        with self._lock:
            ended = self._rows.ended_of(user_id)
        return heapq.nlargest(limit, ended, key=lambda tombstone: (tombstone.ended_at, tombstone.created_at))

    async def browse(self, *, limit: int, after: str | None = None, user_id: str | None = None) -> Page:
        """Return a page of everything, newest first. Each page looks at every row there is.

        Raises:
            ValueError: *after* is not a cursor of an earlier page.
        """
        bound = None if after is None else _read_cursor(after)
        with self._lock:
            rows = (row for row in self._rows.all_of(user_id) if bound is None or _place(row) < bound)
            chosen = heapq.nlargest(limit + 1, rows, key=_place)
        items = tuple(chosen[:limit])
        more = len(chosen) > limit and items
        return Page(items, "{}.{}".format(*_place(items[-1])) if more else None)

    async def count(self, *, now: Millis) -> int:
        """Return how many live sessions there are, by looking at each."""
        with self._lock:
            return sum(record.dead_at(now) is None for record in self._rows.live.values())

    async def sweep(self, *, now: Millis, limit: int, forget_before: Millis, max_ended: int) -> Buried:
        """Bury up to *limit* expired sessions and answer them; forget old tombstones and those beyond *max_ended*."""
        with self._lock:
            expired, more_expired = self._rows.expired(now, limit)
            ended = tuple(self._bury(record, reason, now) for record, reason in expired)
            more_ended = self._rows.forget(forget_before, 10 * limit, max_ended)
            more_epochs = self._epochs.forget(forget_before - EPOCH_KEPT, 10 * limit)
            return Buried(ended, more_expired or more_ended or more_epochs)

    async def put_side(self, id: str, name: str, value: bytes, *, now: Millis) -> bool:
        """Keep *value* beside a live session; ``False`` when there is none."""
        with self._lock:
            if self._rows.alive(id, now) is None:
                return False
            self._sides.setdefault(id, {})[name] = value
            return True

    async def get_side(self, id: str, name: str) -> bytes | None:
        """Return what was put; a session's end took it along."""
        with self._lock:
            return self._sides.get(id, {}).get(name)

    async def lease(self, name: str, *, holder: str, now: Millis, until: Millis) -> bool:
        """Take or extend the lease *name*; ``False`` while another holder's has not run out."""
        with self._lock:
            held_by, runs_until = self._leases.get(name, (holder, until))
            if held_by != holder and now < runs_until:
                return False
            self._leases[name] = (holder, until)
            return True

    async def add_counts(self, tallies: Sequence[Tally], *, now: Millis) -> None:
        """Add each tally to its minute, hour and day."""
        with self._lock:
            self._counts.add(tallies, now)

    async def read_counts(self, every: Every, *, since: Millis, until: Millis) -> list[Tally]:
        """Return the buckets of that time, oldest first."""
        with self._lock:
            return self._counts.read(every, since, until)

    # What follows runs inside the lock.

    def _is_stale(self, user_id: str | None, epoch: int | None, began_at: Millis | None) -> bool:
        return self._epochs.is_stale(user_id, epoch, began_at)

    def _room(
        self, user_id: str | None, replaced: Record | None, limit: Limit | None, now: Millis
    ) -> transitions.Room | None:
        """Return whom a sign-in ends to make room, ``None`` when the limit rejects it; nobody where there is none."""
        if limit is None or user_id is None:
            return transitions.Room([], [])
        standing = (other for other in self._rows.standing_of(user_id) if other is not replaced)
        return transitions.room(standing, limit, now)

    def _bury_all(self, records: list[Record], reason: Reason, now: Millis) -> tuple[Tombstone, ...]:
        return tuple(self._bury(record, transitions.closing_reason(record, reason, now), now) for record in records)

    def _changeable(self, id: str, generation: int, now: Millis) -> Record | Refusal:
        record = self._rows.live.get(id)
        if record is None:
            return Refusal.GONE
        return transitions.refusal(record, generation, now) or record

    def _bury(self, record: Record, reason: Reason, now: Millis) -> Tombstone:
        self._sides.pop(record.id, None)
        return self._rows.bury(record, reason, now)


def _place(row: Row) -> tuple[Millis, str]:
    """Return where a row stands among all: by creation time, then by id."""
    return row.created_at, row.id


def _read_cursor(text: str) -> tuple[Millis, str]:
    """Return the place that a cursor names."""
    match = _CURSOR.fullmatch(text)
    if match is None or not is_id(match[2]):
        raise ValueError("this is not a cursor of an earlier page")
    return int(match[1]), match[2]
