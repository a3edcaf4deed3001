"""The Redis store: the contract's verbs over a link, said once for blocking and asyncio, one server and Cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from coatcheck.counting import Every
from coatcheck.model import Found, Millis, Reason, Record, Tombstone
from coatcheck.stores.contract import Capability, Traits
from coatcheck.stores.redis import browsing, changing, counts, creating, ending, listing, sweeping
from coatcheck.stores.redis.engine import Engine
from coatcheck.stores.redis.link import Link
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

_ALWAYS: Final = frozenset({
    Capability.LIST, Capability.SWEEP, Capability.SIDE, Capability.LEASE, Capability.COUNTERS
})  # fmt: skip


class RedisStore:
    """Sessions in Redis or Valkey; see `coatcheck.stores.contract` for what each verb promises.

    Args:
        link: how the server is reached.
        tenant: the namespace whose sessions this store keeps.
        prefix: what every key begins with; without braces.
        browse: keep an index of everything by creation time, about 130 bytes a session, so that operators can look
            around.
    """

    def __init__(self, link: Link, *, tenant: str = "", prefix: str = "coatcheck", browse: bool = True) -> None:
        """Remember the link; nothing is connected yet.

        Raises:
            ConfigurationError: the prefix is empty or has a brace.
        """
        self.link = link
        self.tenant = tenant
        self._engine = Engine(link, tenant=tenant, prefix=prefix, browse=browse)
        self._traits = Traits(
            name="redis",
            capabilities=_ALWAYS | {Capability.BROWSE} if self._engine.browse else _ALWAYS,
            blocking=link.blocking,
            persistent=True,
            shared=True,
            one_step_login=link.partitions == 1,
        )

    def __repr__(self) -> str:
        """Show the tenant; the link shows where the server is."""
        return f"RedisStore({self.link!r}, tenant={self.tenant!r})"

    @property
    def traits(self) -> Traits:
        """Every capability but browsing, which is an option; a sign-in is one step unless there are partitions."""
        return self._traits

    async def open(self) -> None:
        """Connect and check the server; harmless when already open."""
        await self.link.open()

    async def close(self) -> None:
        """Let go of the connections; a later verb opens again."""
        await self.link.close()

    async def key(self) -> bytes:
        """Return the store's 32 random bytes, made once by whichever process asks first."""
        return await self._engine.key()

    async def clock(self) -> Millis | None:
        """Return the server's time."""
        return await self.link.time()

    async def find(self, ids: Sequence[str]) -> list[Found]:
        """Return what is known of each id, in order."""
        return await self._engine.found(ids)

    async def epoch(self, user_id: str) -> int:
        """Return the user's epoch and the store-wide one together."""
        return await listing.epoch(self._engine, user_id)

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
        """Insert *record*, end what it replaces, and hold the user's limit.

        Raises:
            ValueError: the id does not carry the user's tag, or a field does not fit into the layout.
        """
        terms = creating.Terms(now, limit, epoch, began_at, replacing, max_bytes)
        return await creating.create(self._engine, record, terms)

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
        """Merge the named keys and return the new version.

        Raises:
            UnreadableRecord: a newer release wrote the session; also `touch` and `rotate`.
        """
        return await changing.commit(
            self._engine, id, generation=generation, change=change, now=now, seen=seen, expect_version=expect_version,
            max_bytes=max_bytes,
        )  # fmt: skip

    async def touch(self, id: str, *, generation: int, seen: Seen, now: Millis) -> Refusal | None:
        """Record activity, forward only."""
        return await changing.touch(self._engine, id, generation=generation, seen=seen, now=now)

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
        return await changing.rotate(
            self._engine, id, generation=generation, rotation=rotation, change=change, now=now, seen=seen,
            max_bytes=max_bytes,
        )  # fmt: skip

    async def end(self, id: str, *, reason: Reason, now: Millis, owner: str | None = None) -> Tombstone | None:
        """End one session; ``None`` when there was none, or not one of *owner*'s."""
        return await ending.end(self._engine, id, reason, now, owner)

    async def take(self, id: str, *, now: Millis) -> tuple[Tombstone, Mapping[str, bytes]] | None:
        """End a session as ``superseded`` and answer its data as it was."""
        return await ending.take(self._engine, id, now)

    async def end_user(
        self, user_id: str, *, reason: Reason, now: Millis, keep: str | None = None
    ) -> tuple[Tombstone, ...]:
        """End all sessions of a user but *keep*, and raise the user's epoch."""
        return await ending.end_user(self._engine, user_id, reason=reason, now=now, keep=keep)

    async def set_roles(self, user_id: str, roles: tuple[str, ...], *, now: Millis) -> tuple[str, ...]:
        """Give every session of a user that has not ended these roles and raise the user's epoch; answers the ids.

        Raises:
            UnreadableRecord: a newer release wrote one of them, and it keeps its roles; all the others have the new.
        """
        return await changing.set_roles(self._engine, user_id, roles, now)

    async def raise_epoch(self, *, now: Millis) -> int:
        """Raise the store-wide epoch and answer it."""
        return await ending.raise_epoch(self._engine, now)

    async def end_all(self, *, below: int, reason: Reason, now: Millis, limit: int) -> tuple[Tombstone, ...]:
        """End up to *limit* sessions created under a store-wide epoch lower than *below*."""
        return await ending.end_all(self._engine, below=below, reason=reason, now=now, limit=limit)

    async def list_user(self, user_id: str, *, now: Millis) -> list[Record]:
        """Return the user's live sessions, most recently seen first."""
        return await listing.list_user(self._engine, user_id, now)

    async def list_ended(self, user_id: str, *, limit: int) -> list[Tombstone]:
        """Return the user's tombstones, most recent first."""
        return await listing.list_ended(self._engine, user_id, limit)

    async def browse(self, *, limit: int, after: str | None = None, user_id: str | None = None) -> Page:
        """Return a page of everything, newest first.

        Raises:
            ValueError: *after* is not a cursor of an earlier page.
        """
        return await browsing.browse(self._engine, limit=limit, after=after, user_id=user_id)

    async def count(self, *, now: Millis) -> int:
        """Return how many live sessions there are."""
        return await browsing.count(self._engine, now)

    async def sweep(self, *, now: Millis, limit: int, forget_before: Millis, max_ended: int) -> Buried:
        """Bury up to *limit* expired sessions and answer them; forget old tombstones and those beyond *max_ended*."""
        return await sweeping.sweep(
            self._engine, now=now, limit=limit, forget_before=forget_before, max_ended=max_ended
        )

    async def put_side(self, id: str, name: str, value: bytes, *, now: Millis) -> bool:
        """Keep *value* beside a live session; ``False`` when there is none."""
        return await changing.put_side(self._engine, id, name, value, now)

    async def get_side(self, id: str, name: str) -> bytes | None:
        """Return what was put; a session's end took it along."""
        return await changing.get_side(self._engine, id, name)

    async def lease(self, name: str, *, holder: str, now: Millis, until: Millis) -> bool:
        """Take or extend the lease *name*; ``False`` while another holder's has not run out."""
        return await changing.lease(self._engine, name, holder=holder, now=now, until=until)

    async def add_counts(self, tallies: Sequence[Tally], *, now: Millis) -> None:
        """Add each tally to its minute, hour and day, in one step."""
        await counts.add(self._engine, tallies, now)

    async def read_counts(self, every: Every, *, since: Millis, until: Millis) -> list[Tally]:
        """Return the buckets of that time, oldest first."""
        return await counts.read(self._engine, every, since, until)
