"""Ways to break a store, each of which the conformance suite must notice.

Every store here is the memory store with one fault. The faults are those that session stores in use really had: read,
then write what was read; look, then leap; trust whatever id comes in; forget what is not in the happy path.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from coatcheck import transitions
from coatcheck.model import Found, Millis, Record, Tombstone, replace
from coatcheck.stores._memory_rows import Rows
from coatcheck.stores.contract import Traits
from coatcheck.stores.memory import MemoryStore
from coatcheck.verbs import Buried, Change, Created, Limit, NotCreated, Page, Refusal, Seen


class _Suspending(MemoryStore):
    """A memory store whose verbs may suspend, as those of a networked store do."""

    @property
    def traits(self) -> Traits:
        """Declare it."""
        return replace(super().traits, blocking=False)


# 1. Adopts ids.


class AdoptsTakenIds(MemoryStore):
    """`create` is an upsert: it overwrites whatever has the id, alive or dead."""

    async def create(self, record: Record, **terms: Any) -> Created | NotCreated:
        """Overwrite."""
        answer = await super().create(record, **terms)
        if answer is not NotCreated.EXISTS:
            return answer
        self._rows.ended.pop(record.id, None)
        self._rows.live[record.id] = record
        return Created(record=record)


class AdoptsUnknownIds(MemoryStore):
    """`find` makes a row for an id that nobody minted."""

    async def find(self, ids: Sequence[str]) -> list[Found]:
        """Adopt."""
        for id_ in ids:
            if self._rows.get(id_) is None:
                self._rows.insert(
                    Record(
                        id=id_, secret_digest=b"", created_at=0, last_seen_at=0, idle_expires_at=None,
                        expires_at=None, rotated_at=0,
                    )
                )  # fmt: skip
        return await super().find(ids)


# 2. Resurrects.


class Resurrects(MemoryStore):
    """`commit` writes the session that the request had loaded, whether or not it ended meanwhile."""

    def __init__(self) -> None:
        """Remember what requests have loaded."""
        super().__init__()
        self._loaded: dict[str, Record] = {}

    async def create(self, record: Record, **terms: Any) -> Created | NotCreated:
        """Remember."""
        self._loaded.setdefault(record.id, record)
        return await super().create(record, **terms)

    async def commit(self, id: str, *, change: Change, **terms: Any) -> int | Refusal:
        """Insert again."""
        answer = await super().commit(id, change=change, **terms)
        if answer is not Refusal.GONE or id not in self._loaded:
            return answer
        self._rows.ended.pop(id, None)
        self._rows.live[id] = self._loaded[id]
        return 2


# 3. Loses an update.


class LosesUpdates(_Suspending):
    """`commit` writes back the whole data that it read earlier, with its own keys in it."""

    async def commit(self, id: str, *, change: Change, **terms: Any) -> int | Refusal:
        """Read, wait, write."""
        read = self._rows.live.get(id)
        await asyncio.sleep(0)
        answer = await super().commit(id, change=change, **terms)
        if isinstance(answer, int) and read is not None:
            self._rows.live[id] = replace(self._rows.live[id], data=transitions.merged(read.data, change))
        return answer


# 4. Races the limit.


class RacesTheLimit(_Suspending):
    """`create` looks whether there is room, and inserts a moment later."""

    async def create(self, record: Record, *, now: Millis, limit: Any = None, **terms: Any) -> Created | NotCreated:
        """Check, wait, insert."""
        surplus: list[Record] | None = []
        if limit is not None:
            surplus = transitions.evicted(self._rows.alive_of(record.user_id, now), limit)
        if surplus is None:
            return NotCreated.LIMIT
        await asyncio.sleep(0)
        answer = await super().create(record, now=now, **terms)
        ended = [await self.end(other.id, reason="evicted", now=now) for other in surplus]
        if isinstance(answer, NotCreated):
            return answer
        return Created(record=answer.record, ended=(*(row for row in ended if row), *answer.ended))


class LeavesWhatIsOver(MemoryStore):
    """`create` counts only what is alive, and leaves what is over to a slower worker that still takes it for alive."""

    def _room(self, *terms: Any) -> transitions.Room | None:
        room = super()._room(*terms)
        return None if room is None else room._replace(over=[])


# 5. Takes the limit's lock too late.


class LocksTheLimitTooLate(_Suspending):
    """`create` deletes and inserts in one locked step, but over the sessions that it read before the lock."""

    async def create(self, record: Record, *, now: Millis, limit: Any = None, **terms: Any) -> Created | NotCreated:
        """Read, lock, write."""
        if limit is None or terms:
            return await super().create(record, now=now, limit=limit, **terms)
        standing = self._rows.alive_of(record.user_id, now)
        await asyncio.sleep(0)
        with self._lock:
            surplus = transitions.evicted(standing, limit)
            if surplus is None:
                return NotCreated.LIMIT
            still = [other for other in surplus if other.id in self._rows.live]
            ended = tuple(self._bury(other, "evicted", now) for other in still)
            return Created(record=self._rows.insert(record), ended=ended)


# 6. Forgets the index.


class _UnindexedRows(Rows):
    """Rows that no user leads to."""

    def standing_of(self, user_id: str | None) -> list[Record]:
        """Find nothing in an index that nobody filled."""
        return []


class ForgetsTheIndex(MemoryStore):
    """`create` does not enter the session under its user, so whatever goes by user misses it."""

    def __init__(self) -> None:
        """Start without an index."""
        super().__init__()
        self._rows = _UnindexedRows()


# 7. Ignores the generation.


class IgnoresGeneration(MemoryStore):
    """`commit`, `touch` and `rotate` change a session whose privilege changed since it was read."""

    def _changeable(self, id: str, generation: int, now: Millis) -> Record | Refusal:
        record = self._rows.live.get(id)
        return super()._changeable(id, record.generation if record else generation, now)


# 8. Ignores the epoch.


class IgnoresTheEpoch(MemoryStore):
    """`create` lets a sign-in through that began before everybody was signed out."""

    def _is_stale(self, user_id: str | None, epoch: int | None, began_at: Millis | None) -> bool:
        return False


# 9. Returns the expired.


class ListsTheExpired(MemoryStore):
    """Lists and counts go by what is stored, not by what is alive."""

    async def list_user(self, user_id: str, *, now: Millis) -> list[Record]:
        """Ask as of the beginning of time."""
        return await super().list_user(user_id, now=now * 0)


class CountsTheExpired(MemoryStore):
    """The limit counts sessions that are over."""

    def _room(
        self, user_id: str | None, replaced: Record | None, limit: Limit | None, now: Millis
    ) -> transitions.Room | None:
        return super()._room(user_id, replaced, limit, now * 0)


class CommitsToTheExpired(MemoryStore):
    """A change to a session that is over works until it is swept."""

    def _changeable(self, id: str, generation: int, now: Millis) -> Record | Refusal:
        return super()._changeable(id, generation, now * 0)


# 10. Leaks the digest.


class LeaksInRepr(MemoryStore):
    """The store's repr shows what it holds, as a dataclass's would."""

    def __repr__(self) -> str:
        """Show too much."""
        return f"LeaksInRepr({ {id_: record.secret_digest for id_, record in self._rows.live.items()} })"


class LeaksInError(MemoryStore):
    """An error message shows the row over which it was raised."""

    async def browse(self, *, limit: int, after: str | None = None, user_id: str | None = None) -> Page:
        """Explain too much."""
        try:
            return await super().browse(limit=limit, after=after, user_id=user_id)
        except ValueError as error:
            digests = [row.secret_digest.hex() for row in self._rows.live.values()]
            raise ValueError(f"no cursor {after!r} among {digests}") from error


class _TalkativeTombstone(Tombstone, frozen=True, kw_only=True):
    """A tombstone with the repr it would have by default."""

    def __repr__(self) -> str:
        """Show too much."""
        return f"Tombstone(id={self.id!r}, secret_digest={self.secret_digest!r})"


class LeaksInList(MemoryStore):
    """The entries of a list show the digest."""

    async def list_ended(self, user_id: str, *, limit: int) -> list[Tombstone]:
        """Dress every entry up."""
        rows = await super().list_ended(user_id, limit=limit)
        return [_TalkativeTombstone(**{name: getattr(r, name) for name in r.__struct_fields__}) for r in rows]


# 11. Touches backward.


class TouchesBackward(MemoryStore):
    """`touch` writes the time of the request that answers last, not the latest one."""

    async def touch(self, id: str, *, generation: int, seen: Seen, now: Millis) -> Refusal | None:
        """Write whatever comes."""
        answer = await super().touch(id, generation=generation, seen=seen, now=now)
        if answer is None:
            record = self._rows.live[id]
            idle = record.idle_expires_at
            if idle is not None and seen.idle_expires_at is not None:
                idle = seen.idle_expires_at
            self._rows.live[id] = replace(record, last_seen_at=seen.at, idle_expires_at=idle)
        return answer


# 12. Revokes across users.


class EndsAnyones(MemoryStore):
    """`end` ignores the owner, so that a user who knows an id ends another user's session."""

    async def end(self, id: str, *, owner: str | None = None, **terms: Any) -> Tombstone | None:
        """Ask nobody."""
        return await super().end(id, **terms)


# 13. Sweeps by halves, or without an end.


class StopsSweepingEarly(MemoryStore):
    """`sweep` looks only at the sessions that it ended, and says that there is no more when tombstones are left."""

    async def sweep(self, *, limit: int, **terms: Any) -> Buried:
        """Count half of the work."""
        buried = await super().sweep(limit=limit, **terms)
        return replace(buried, more=len(buried.ended) >= limit)


class SweepsForEver(MemoryStore):
    """`sweep` says that there is more for as long as there are tombstones, also young ones."""

    async def sweep(self, **terms: Any) -> Buried:
        """Never be content."""
        buried = await super().sweep(**terms)
        return replace(buried, more=bool(self._rows.ended))


# 14. Takes away roles by halves.


class SparesTheExpired(MemoryStore):
    """`set_roles` leaves their old roles to sessions that a slower worker still takes for alive."""

    async def set_roles(self, user_id: str, roles: tuple[str, ...], *, now: Millis) -> tuple[str, ...]:
        """Change the live ones alone."""
        with self._lock:
            self._epochs.raise_user(user_id, now)
            alive = self._rows.alive_of(user_id, now)
            for record in alive:
                self._rows.keep(transitions.with_roles(record, roles))
            return tuple(record.id for record in alive)


# 15. Is not what it declares.


class SuspendsWhenClosing(MemoryStore):
    """`close` waits for something, in a store that says it never does."""

    async def close(self) -> None:
        """Wait."""
        await asyncio.sleep(0)


class TellsSeconds(MemoryStore):
    """`clock` answers what the engine's command says, which counts seconds."""

    async def clock(self) -> Millis | None:
        """Answer as it came."""
        return 1_800_000_000
