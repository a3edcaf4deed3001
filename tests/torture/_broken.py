"""More ways to break a store, each of which the machine must notice: ends without a cause, limits, graces, silence.

Every store here is the memory store with one fault, as in `tests.stores.broken`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coatcheck import transitions
from coatcheck.errors import StoreUnavailable
from coatcheck.model import Found, FromTheFuture, Millis, Reason, Record, Tombstone, replace
from coatcheck.stores.memory import MemoryStore
from coatcheck.verbs import Buried, Change, Created, Limit, NotCreated, Refusal, Rotation, Seen, TooLarge


class SweepsEarly(MemoryStore):
    """`sweep` ends sessions that have seconds left."""

    async def sweep(self, *, now: Millis, **terms: Any) -> Buried:
        """Sweep as of later."""
        return await super().sweep(now=now + 15_000, **terms)


class IgnoresKeep(MemoryStore):
    """`end_user` ends the session that was to be kept, too."""

    async def end_user(
        self, user_id: str, *, reason: Reason, now: Millis, keep: str | None = None
    ) -> tuple[Tombstone, ...]:
        """Keep nothing."""
        return await super().end_user(user_id, reason=reason, now=now)


class EndsEverybody(MemoryStore):
    """`end_user` ends everybody's sessions."""

    async def end_user(
        self, user_id: str, *, reason: Reason, now: Millis, keep: str | None = None
    ) -> tuple[Tombstone, ...]:
        """Go on to the others."""
        ended = await super().end_user(user_id, reason=reason, now=now, keep=keep)
        others = [record for record in self._rows.live.values() if record.user_id not in (None, user_id)]
        return (*ended, *self._bury_all(others, reason, now))


class EvictsTheNewest(MemoryStore):
    """`create` makes room by ending the sessions that were to stay."""

    def _room(
        self, user_id: str | None, replaced: Record | None, limit: Limit | None, now: Millis
    ) -> transitions.Room | None:
        room = super()._room(user_id, replaced, limit, now)
        if room is None:
            return None
        standing = (other for other in self._rows.alive_of(user_id, now) if other is not replaced)
        latest = sorted(standing, key=lambda record: (record.last_seen_at, record.created_at), reverse=True)
        return room._replace(evicted=latest[: len(room.evicted)])


class EvictsInsteadOfRejecting(MemoryStore):
    """`create` makes room where the policy says that nobody has to go."""

    async def create(self, record: Record, *, limit: Limit | None = None, **terms: Any) -> Created | NotCreated:
        """Evict."""
        kind = None if limit is None else replace(limit, at_limit="evict_oldest")
        return await super().create(record, limit=kind, **terms)


class RejectsInsteadOfEvicting(MemoryStore):
    """`create` refuses where the policy says that somebody has to go."""

    async def create(self, record: Record, *, limit: Limit | None = None, **terms: Any) -> Created | NotCreated:
        """Reject."""
        kind = None if limit is None else replace(limit, at_limit="reject")
        return await super().create(record, limit=kind, **terms)


class ForgetsTheSight(MemoryStore):
    """No verb keeps that a successor was seen, so that the secret before it opens the session on and on."""

    async def commit(
        self, id: str, *, change: Change, seen: Seen | None = None, **terms: Any
    ) -> int | Refusal | TooLarge:
        """Merge, and forget."""
        return await super().commit(id, change=change, seen=_unconfirming(seen), **terms)

    async def touch(self, id: str, *, generation: int, seen: Seen, now: Millis) -> Refusal | None:
        """Record the activity alone."""
        return await super().touch(id, generation=generation, seen=_unconfirming(seen) or seen, now=now)

    async def rotate(
        self, id: str, *, rotation: Rotation, seen: Seen | None = None, **terms: Any
    ) -> Record | Refusal | TooLarge:
        """Rotate, and forget."""
        return await super().rotate(id, rotation=rotation, seen=_unconfirming(seen), **terms)


def _unconfirming(seen: Seen | None) -> Seen | None:
    return None if seen is None else replace(seen, confirms=None)


class StaysSilent(MemoryStore):
    """Every tenth look-up is not answered."""

    _asked = 0

    async def find(self, ids: Sequence[str]) -> list[Found]:
        """Answer mostly."""
        self._asked += 1
        if self._asked % 10 == 0:
            raise StoreUnavailable("no answer")
        return await super().find(ids)


class ReadsTheFuture(MemoryStore):
    """Now and then a session is said to be of a newer release that does not exist."""

    _asked = 0

    async def find(self, ids: Sequence[str]) -> list[Found]:
        """Doubt what is there."""
        self._asked += 1
        found = await super().find(ids)
        return [FromTheFuture(id=ids[0], schema=99), *found[1:]] if self._asked % 50 == 0 else found
