"""The verbs of the SQLite store, said once for the blocking and the asyncio client.

Each verb says what it asks of the engine and whether its answer must outlive a loss of power; how a question or a
change reaches the file is the client's affair.
"""

from __future__ import annotations

import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from sqlite3 import Connection
from typing import TypeVar

from coatcheck.counting import Every
from coatcheck.errors import UnreadableRecord
from coatcheck.model import Found, FromTheFuture, Millis, Reason, Record, Tombstone
from coatcheck.stores.contract import Capability, Traits
from coatcheck.stores.sqlite import changes, counts, endings, queries
from coatcheck.stores.sqlite.database import Database, database
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

T = TypeVar("T")


class SqliteVerbs(ABC):
    """The store contract over one file; see `coatcheck.stores.contract` for what each verb promises."""

    _blocking: bool

    def __init__(self, path: str | os.PathLike[str], *, tenant: str = "") -> None:
        """Remember the file; nothing is opened yet."""
        self._path = os.path.abspath(path)  # noqa: PTH100 - links are followed when the file is opened
        self.tenant = tenant
        self._known: Database | None = None
        self._key = b""

    def __repr__(self) -> str:
        """Show the file and the tenant."""
        return f"{type(self).__name__}({self._path!r}, tenant={self.tenant!r})"

    @property
    def traits(self) -> Traits:
        """Every capability; sessions outlive the process and all processes of one machine share them."""
        return Traits(
            name="sqlite",
            capabilities=frozenset(Capability),
            blocking=self._blocking,
            persistent=True,
            shared=True,
        )

    @property
    def _database(self) -> Database:
        """This process's database: another one after a fork."""
        self._known = database(self._path, self._known)
        return self._known

    @abstractmethod
    async def _read(self, ask: Callable[[Connection], T]) -> T:
        """Ask the file something."""

    async def _read_aside(self, ask: Callable[[Connection], T]) -> T:
        """Ask something that may take long; an event loop is not held up by it."""
        return await self._read(ask)

    @abstractmethod
    async def _write(self, change: Callable[[Connection], T], *, durable: bool) -> T:
        """Make a change in a transaction."""

    async def key(self) -> bytes:
        """Return the store's 32 random bytes, made once by whichever process asks first, and remembered."""
        if not self._key:
            found = await self._read(queries.key)
            if found is None:
                candidate = secrets.token_bytes(32)
                found = await self._write(lambda db: changes.make_key(db, candidate), durable=True)
            self._key = found
        return self._key

    async def clock(self) -> Millis | None:
        """Run on this machine's clock, as every process on the file does."""
        return None

    async def find(self, ids: Sequence[str]) -> list[Found]:
        """Return what is known of each id, in order."""
        return await self._read(lambda db: queries.find(db, self.tenant, ids))

    async def epoch(self, user_id: str) -> int:
        """Return the user's epoch and the store-wide one together."""
        return await self._read(lambda db: queries.epochs(db, self.tenant, user_id).total)

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
        terms = changes.Terms(now, limit, epoch, began_at, replacing, max_bytes)
        return await self._write(lambda db: changes.create(db, self.tenant, record, terms), durable=True)

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
        return await self._write(
            lambda db: changes.commit(
                db, self.tenant, id, generation=generation, change=change, now=now, seen=seen,
                expect_version=expect_version, max_bytes=max_bytes,
            ),
            durable=False,
        )  # fmt: skip

    async def touch(self, id: str, *, generation: int, seen: Seen, now: Millis) -> Refusal | None:
        """Record activity, forward only."""
        return await self._write(
            lambda db: changes.touch(db, self.tenant, id, generation=generation, seen=seen, now=now), durable=False
        )

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
        return await self._write(
            lambda db: changes.rotate(
                db, self.tenant, id, generation=generation, rotation=rotation, change=change, now=now, seen=seen,
                max_bytes=max_bytes,
            ),
            durable=True,
        )  # fmt: skip

    async def end(self, id: str, *, reason: Reason, now: Millis, owner: str | None = None) -> Tombstone | None:
        """End one session; ``None`` when there was none, or not one of *owner*'s."""
        return await self._write(
            lambda db: endings.end(db, self.tenant, id, reason=reason, now=now, owner=owner), durable=True
        )

    async def take(self, id: str, *, now: Millis) -> tuple[Tombstone, Mapping[str, bytes]] | None:
        """End a session as ``superseded`` and answer its data as it was."""
        return await self._write(lambda db: endings.take(db, self.tenant, id, now=now), durable=True)

    async def end_user(
        self, user_id: str, *, reason: Reason, now: Millis, keep: str | None = None
    ) -> tuple[Tombstone, ...]:
        """End all sessions of a user but *keep*, and raise the user's epoch."""
        return await self._write(
            lambda db: endings.end_user(db, self.tenant, user_id, reason=reason, now=now, keep=keep), durable=True
        )

    async def set_roles(self, user_id: str, roles: tuple[str, ...], *, now: Millis) -> tuple[str, ...]:
        """Give every session of a user that has not ended these roles, and raise the user's epoch; answers the ids.

        Raises:
            UnreadableRecord: a newer release wrote one of them; the others are changed.
        """
        done = await self._write(lambda db: changes.set_roles(db, self.tenant, user_id, roles, now), durable=True)
        if isinstance(done, FromTheFuture):
            raise UnreadableRecord.written_in(done.id, done.schema)
        return done

    async def raise_epoch(self, *, now: Millis) -> int:
        """Raise the store-wide epoch and answer it."""
        return await self._write(lambda db: endings.raise_epoch(db, self.tenant, now), durable=True)

    async def end_all(self, *, below: int, reason: Reason, now: Millis, limit: int) -> tuple[Tombstone, ...]:
        """End up to *limit* sessions created under a store-wide epoch lower than *below*."""
        return await self._write(
            lambda db: endings.end_all(db, self.tenant, below=below, reason=reason, now=now, limit=limit),
            durable=True,
        )

    async def list_user(self, user_id: str, *, now: Millis) -> list[Record]:
        """Return the user's live sessions, most recently seen first."""
        return await self._read(lambda db: queries.list_user(db, self.tenant, user_id, now))

    async def list_ended(self, user_id: str, *, limit: int) -> list[Tombstone]:
        """Return the user's tombstones, most recent first, at most *limit*."""
        return await self._read(lambda db: queries.list_ended(db, self.tenant, user_id, limit))

    async def browse(self, *, limit: int, after: str | None = None, user_id: str | None = None) -> Page:
        """Return a page of everything, newest first.

        Raises:
            ValueError: *after* is not a cursor of an earlier page.
        """
        return await self._read_aside(
            lambda db: queries.browse(db, self.tenant, limit=limit, after=after, user_id=user_id)
        )

    async def count(self, *, now: Millis) -> int:
        """Return how many live sessions there are."""
        return await self._read_aside(lambda db: queries.count(db, self.tenant, now))

    async def sweep(self, *, now: Millis, limit: int, forget_before: Millis, max_ended: int) -> Buried:
        """Bury up to *limit* expired sessions and answer them; forget old tombstones and those beyond *max_ended*."""
        return await self._write(
            lambda db: endings.sweep(
                db, self.tenant, now=now, limit=limit, forget_before=forget_before, max_ended=max_ended
            ),
            durable=False,
        )

    async def put_side(self, id: str, name: str, value: bytes, *, now: Millis) -> bool:
        """Keep *value* beside a live session; ``False`` when there is none."""
        return await self._write(
            lambda db: changes.put_side(db, self.tenant, id, name=name, value=value, now=now), durable=True
        )

    async def get_side(self, id: str, name: str) -> bytes | None:
        """Return what was put; a session's end took it along."""
        return await self._read(lambda db: queries.get_side(db, self.tenant, id, name))

    async def lease(self, name: str, *, holder: str, now: Millis, until: Millis) -> bool:
        """Take or extend the lease *name*; ``False`` while another holder's has not run out."""
        return await self._write(
            lambda db: changes.lease(db, self.tenant, name, holder=holder, now=now, until=until), durable=False
        )

    async def add_counts(self, tallies: Sequence[Tally], *, now: Millis) -> None:
        """Add each tally to its minute, hour and day, and forget those that are too old."""
        await self._write(lambda db: counts.add(db, self.tenant, tallies, now), durable=False)

    async def read_counts(self, every: Every, *, since: Millis, until: Millis) -> list[Tally]:
        """Return the buckets of that time, oldest first."""
        return await self._read_aside(lambda db: counts.read(db, self.tenant, every, since, until))
