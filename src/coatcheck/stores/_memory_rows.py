"""What the memory store keeps, and how it stays bounded.

* Live records by id in order of creation, so that the oldest epochs come first.
* Tombstones by id, forgotten by age and by count.
* A user's ids, live and ended.
* A heap of deadlines with one entry a session. Renewal leaves the entry as it is: when it comes up, it is filed again
  under the new deadline. Entries of sessions that ended early are dropped when they outnumber the live ones.

Nothing here locks: the store calls it inside its own lock. Records are never changed, only replaced, and their data is
read-only, so what is handed out cannot change what is kept.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from itertools import chain
from types import MappingProxyType
from typing import Final, TypeAlias

from coatcheck.model import Millis, Reason, Record, Tombstone, entomb, replace

Row: TypeAlias = Record | Tombstone

_FILED_AGAIN: Final = 10_000
"""How many renewed deadlines one call files again at most, which bounds its time; the next call goes on."""
_SPARE: Final = 1_000
"""How many entries of ended sessions the heap may hold before it is built anew."""


class Rows:
    """Live records and tombstones, with the indexes around them."""

    def __init__(self) -> None:
        """Start empty."""
        self.live: dict[str, Record] = {}
        self.ended: dict[str, Tombstone] = {}
        self._live_of: dict[str, dict[str, None]] = {}
        self._ended_of: dict[str, dict[str, None]] = {}
        self._deadlines: list[tuple[Millis, str]] = []
        self._ends: list[tuple[Millis, str]] = []

    def get(self, id: str) -> Row | None:
        """Return the one row with that id.

        Safe without the lock: `bury` makes the tombstone before it drops the record.
        """
        return self.live.get(id) or self.ended.get(id)

    def alive(self, id: str, now: Millis) -> Record | None:
        """Return a session that has neither ended nor expired."""
        record = self.live.get(id)
        return record if record is not None and record.dead_at(now) is None else None

    def standing_of(self, user_id: str | None) -> list[Record]:
        """Return a user's sessions that have not ended, expired ones too."""
        return [self.live[own] for own in self._live_of.get(user_id, ())] if user_id is not None else []

    def alive_of(self, user_id: str | None, now: Millis) -> list[Record]:
        """Return a user's sessions that have neither ended nor expired."""
        return [record for record in self.standing_of(user_id) if record.dead_at(now) is None]

    def ended_of(self, user_id: str) -> list[Tombstone]:
        """Return a user's tombstones."""
        return [self.ended[own] for own in self._ended_of.get(user_id, ())]

    def all_of(self, user_id: str | None) -> Iterable[Row]:
        """Return every row of a user, or of everybody for ``None``."""
        if user_id is None:
            return chain(self.live.values(), self.ended.values())
        return chain([self.live[own] for own in self._live_of.get(user_id, ())], self.ended_of(user_id))

    def insert(self, record: Record) -> Record:
        """Add a record whose id is new."""
        kept = self.keep(record)
        if record.user_id is not None:
            self._live_of.setdefault(record.user_id, {})[record.id] = None
        self._file(record)
        return kept

    def keep(self, record: Record) -> Record:
        """Put a record in the place of its earlier self; its data must belong to nobody else."""
        if not isinstance(record.data, MappingProxyType):
            record = replace(record, data=MappingProxyType(record.data))
        self.live[record.id] = record
        return record

    def bury(self, record: Record, reason: Reason, now: Millis) -> Tombstone:
        """Turn a record into its tombstone."""
        tombstone = self.ended[record.id] = entomb(record, reason, now)
        del self.live[record.id]
        heapq.heappush(self._ends, (now, record.id))
        if record.user_id is not None:
            _drop(self._live_of, record.user_id, record.id)
            self._ended_of.setdefault(record.user_id, {})[record.id] = None
        if len(self._deadlines) > 2 * len(self.live) + _SPARE:
            self._deadlines = [(due, live.id) for live in self.live.values() if (due := _due(live)) is not None]
            heapq.heapify(self._deadlines)
        return tombstone

    def expired(self, now: Millis, limit: int) -> tuple[list[tuple[Record, Reason]], bool]:
        """Return up to *limit* records that a sweep must bury, and why, and whether a bound stopped the search.

        Each is returned once: bury it.
        """
        found: list[tuple[Record, Reason]] = []
        for _ in range(limit + _FILED_AGAIN):
            if len(found) >= limit:
                break
            if not self._deadlines or self._deadlines[0][0] > now:
                return found, False
            record = self.live.get(heapq.heappop(self._deadlines)[1])
            if record is None:
                continue
            reason = record.sweepable_at(now)
            if reason is None:
                self._file(record)
            else:
                found.append((record, reason))
        return found, True

    def forget(self, before: Millis, limit: int, most: int) -> bool:
        """Forget up to *limit* tombstones, those that ended before *before* and the oldest beyond *most*.

        Answers whether *limit* stopped it.
        """
        for _ in range(limit):
            if not self._ends or (self._ends[0][0] >= before and len(self.ended) <= most):
                return False
            tombstone = self.ended.pop(heapq.heappop(self._ends)[1])
            if tombstone.user_id is not None:
                _drop(self._ended_of, tombstone.user_id, tombstone.id)
        return True

    def _file(self, record: Record) -> None:
        due = _due(record)
        if due is not None:
            heapq.heappush(self._deadlines, (due, record.id))


def _due(record: Record) -> Millis | None:
    """Return when `Record.sweepable_at` may first say yes, ``None`` for never."""
    clocks = (record.expires_at,) if record.locks else (record.idle_expires_at, record.expires_at)
    return min((clock for clock in clocks if clock is not None), default=None)


def _drop(index: dict[str, dict[str, None]], user_id: str, id: str) -> None:
    """Remove an id from a user's entry, and the entry with its last id."""
    ids = index[user_id]
    del ids[id]
    if not ids:
        del index[user_id]
