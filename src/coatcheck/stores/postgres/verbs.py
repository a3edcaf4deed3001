"""The verbs of the PostgreSQL store, said once for the blocking and the asyncio client.

Each verb is one call of a function in the database, or one plain statement, and one round trip. How a statement
reaches the server is said in `coatcheck.stores.postgres.asking`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Final

from coatcheck.errors import StoreUnavailable, UnreadableRecord
from coatcheck.model import RECORD_SCHEMA, Damaged, Found, FromTheFuture, Millis, Reason, Record, Tombstone
from coatcheck.stores.contract import EPOCH_KEPT, Capability, Traits
from coatcheck.stores.postgres import rows, sql, terms
from coatcheck.stores.postgres.counts import PostgresCounts
from coatcheck.stores.postgres.options import Options
from coatcheck.stores.postgres.rows import by_id, decode, tombstones
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
    TooLarge,
)

FORGET: Final = 10
"""How many times the sweeper's limit is forgotten at once (the contract's number)."""


class PostgresVerbs(PostgresCounts):
    """The store contract over one schema; see `coatcheck.stores.contract` for what each verb promises."""

    _blocking: bool

    def __init__(self, options: Options, *, tenant: str = "") -> None:
        """Remember where the server is; nothing is opened yet."""
        self._options = options
        self.tenant = tenant
        self._common = {"tenant": tenant, "known": RECORD_SCHEMA}
        self._key = b""

    def __repr__(self) -> str:
        """Show the place and the tenant, never the password."""
        return f"{type(self).__name__}({self._options.place!r}, tenant={self.tenant!r})"

    @property
    def traits(self) -> Traits:
        """Every capability; sessions outlive the process and are shared by every machine."""
        return Traits(
            name="postgresql",
            capabilities=frozenset(Capability),
            blocking=self._blocking,
            persistent=True,
            shared=True,
        )

    async def _look_up(self, ids: Sequence[str]) -> list[Found]:
        """Return what is known of each id, in order; there is at least one."""
        if len(ids) == 1:
            rows = await self._read(sql.FIND, {"id": ids[0], "tenant": self.tenant})
        else:
            rows = await self._read(sql.FIND_MANY, {"ids": list(ids), "tenant": self.tenant})
        found = by_id(rows)
        return [found.get(wanted) for wanted in ids]

    async def key(self) -> bytes:
        """Return the store's 32 random bytes, made once by whichever process asks first, and remembered."""
        if not self._key:
            found = await self._read(sql.KEY, {})
            if not found:
                await self._write(sql.MAKE_KEY, {"value": secrets.token_bytes(32)})
                found = await self._read(sql.KEY, {})
            self._key = bytes(found[0][0])
        return self._key

    async def clock(self) -> Millis | None:
        """Return the server's time."""
        return int((await self._read(sql.CLOCK, {}))[0][0])

    async def find(self, ids: Sequence[str]) -> list[Found]:
        """Return what is known of each id, in order."""
        return await self._look_up(ids) if ids else []

    async def epoch(self, user_id: str) -> int:
        """Return the user's epoch and the store-wide one together."""
        return int((await self._read(sql.EPOCH, {"tenant": self.tenant, "user_id": user_id}))[0][0])

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
        given = {
            **self._common,
            **rows.parameters(record, self.tenant),
            **terms.signing_in(limit, epoch, began_at, replacing, max_bytes),
            "now": now,
        }
        answered = await self._write(sql.CREATE, given)
        outcome, *made = answered[0]
        if outcome != "created":
            return NotCreated(outcome)
        session = decode(made)
        if not isinstance(session, Record):
            raise StoreUnavailable("the session that was just made cannot be read back")
        return Created(record=session, ended=tombstones([row[1:] for row in answered[1:]]))

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
        given = {
            **self._about(id, generation, now, seen), **terms.changed(change), "max": max_bytes,
            "expect": expect_version,
        }  # fmt: skip
        outcome, version, size, keys, sizes = (await self._write(sql.COMMIT, given))[0]
        if outcome == "done":
            return int(version)
        return terms.too_large(size, keys, sizes) if outcome == "too_large" else terms.refused(outcome, id)

    async def touch(self, id: str, *, generation: int, seen: Seen, now: Millis) -> Refusal | None:
        """Record activity, forward only."""
        outcome = (await self._write(sql.TOUCH, self._about(id, generation, now, seen)))[0][0]
        return None if outcome == "done" else terms.refused(outcome, id)

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
        given = {
            **self._about(id, generation, now, seen), **terms.changed(change), **terms.secret(rotation),
            "max": max_bytes,
        }  # fmt: skip
        answered = await self._confirmed(sql.ROTATE, given, lambda rows: {"record": terms.rotated(rows)})
        outcome, size, keys, sizes, *_ = answered[0]
        if outcome == "too_large":
            return terms.too_large(size, keys, sizes)
        if outcome == "done":
            return terms.rotated(answered) or Refusal.GONE
        return terms.refused(outcome, id)

    async def end(self, id: str, *, reason: Reason, now: Millis, owner: str | None = None) -> Tombstone | None:
        """End one session; ``None`` when there was none, or not one of *owner*'s."""
        given = {**self._common, "id": id, "reason": reason, "now": now, "owner": owner}
        return next(iter(tombstones(await self._confirmed(sql.END, given, terms.ended))), None)

    async def take(self, id: str, *, now: Millis) -> tuple[Tombstone, Mapping[str, bytes]] | None:
        """End a session as ``superseded`` and answer its data as it was."""
        given = {**self._common, "id": id, "now": now}
        answered = await self._confirmed(sql.TAKE, given, lambda rows: terms.ended([row[2:] for row in rows]))
        for keys, values, *row in answered:
            ended = decode(row)
            if isinstance(ended, Tombstone):
                return ended, dict(zip(keys, values, strict=True))
        return None

    async def end_user(
        self, user_id: str, *, reason: Reason, now: Millis, keep: str | None = None
    ) -> tuple[Tombstone, ...]:
        """End all sessions of a user but *keep*, and raise the user's epoch."""
        given = {**self._common, "user_id": user_id, "reason": reason, "now": now, "keep": keep}
        return tombstones(await self._confirmed(sql.END_USER, given, terms.ended))

    async def set_roles(self, user_id: str, roles: tuple[str, ...], *, now: Millis) -> tuple[str, ...]:
        """Give every session of a user that has not ended these roles and raise the user's epoch; answers the ids.

        Raises:
            UnreadableRecord: a newer release wrote one of them; all others are changed.
        """
        given = {**self._common, "user_id": user_id, "roles": list(roles), "now": now}
        answered = await self._confirmed(sql.SET_ROLES, given, lambda _rows: {})
        for session_id, newer in answered:
            if newer is not None:
                raise UnreadableRecord.written_in(session_id, newer)
        return tuple(session_id for session_id, _ in answered)

    async def raise_epoch(self, *, now: Millis) -> int:
        """Raise the store-wide epoch and answer it; waits for sign-ins that are under way."""
        given = {"tenant": self.tenant, "now": now}
        return terms.epoch(await self._confirmed(sql.RAISE_EPOCH, given, lambda rows: {"epoch": terms.epoch(rows)}))

    async def end_all(self, *, below: int, reason: Reason, now: Millis, limit: int) -> tuple[Tombstone, ...]:
        """End up to *limit* sessions created under a store-wide epoch lower than *below*; waits for those in use."""
        given = {**self._common, "below": below, "reason": reason, "now": now, "limit": limit}
        return tombstones(await self._confirmed(sql.END_ALL, given, terms.ended))

    async def list_user(self, user_id: str, *, now: Millis) -> list[Record]:
        """Return the user's live sessions, most recently seen first."""
        found = await self._read(sql.LIST_USER, {**self._common, "user_id": user_id, "now": now})
        return [record for record in map(decode, found) if isinstance(record, Record)]

    async def list_ended(self, user_id: str, *, limit: int) -> list[Tombstone]:
        """Return the user's tombstones, most recent first, at most *limit*."""
        found = await self._read(sql.LIST_ENDED, {**self._common, "user_id": user_id, "limit": limit})
        return list(tombstones(found))

    async def browse(self, *, limit: int, after: str | None = None, user_id: str | None = None) -> Page:
        """Return a page of everything, newest first.

        Raises:
            ValueError: *after* is not a cursor of an earlier page.
        """
        created_at, after_id = terms.FIRST_PLACE if after is None else terms.place(after)
        given = {**self._common, "user_id": user_id, "created_at": created_at, "id": after_id, "limit": limit + 1}
        found = await self._read(sql.BROWSE if user_id is None else sql.BROWSE_USER, given)
        shown = [row for row in map(decode, found[:limit]) if not isinstance(row, Damaged | FromTheFuture)]
        return Page(tuple(shown), terms.cursor(found[limit - 1]) if limit and len(found) > limit else None)

    async def count(self, *, now: Millis) -> int:
        """Return how many live sessions there are, by counting them."""
        return int((await self._read(sql.COUNT, {**self._common, "now": now}))[0][0])

    async def sweep(self, *, now: Millis, limit: int, forget_before: Millis, max_ended: int) -> Buried:
        """Bury up to *limit* expired sessions and answer them; forget old tombstones and those beyond *max_ended*.

        Renewed sessions are met and put off until *limit* are buried or none is due. Every batch is a transaction of
        its own; a failure after the first does not hide what was buried. What is beyond *max_ended* is looked for
        when nothing more is due: finding it means counting the others.
        """
        ended: tuple[Tombstone, ...] = ()
        more = False
        try:
            due = limit > 0
            while due and len(ended) < limit:
                wanted = limit - len(ended)
                first, *buried = await self._anyhow(sql.SWEEP, {**self._common, "now": now, "limit": wanted})
                ended += tombstones([row[1:] for row in buried])
                due = first[0] >= wanted
            more = await self._forget(forget_before, None if due else max_ended, FORGET * limit) or due
        except StoreUnavailable:
            if not ended:
                raise
        return Buried(ended, more)

    async def _forget(self, before: Millis, max_ended: int | None, bound: int) -> bool:
        """Forget what is old, and what is beyond *max_ended* if that is given; whether the *bound* stopped any of it.

        Each is a transaction of its own, so that counting, which takes longest, undoes nothing.
        """
        work: list[tuple[str, dict[str, int]]] = [
            (sql.FORGET_OLD, {"before": before}),
            (sql.FORGET_USERS, {"raised": before - EPOCH_KEPT}),
        ]
        if max_ended is not None:
            work.append((sql.FORGET_SURPLUS, {"max_ended": max_ended}))
        more = False
        for statement, given in work:
            [[forgotten]] = await self._anyhow(statement, {**self._common, "limit": bound, **given})
            more = more or 0 < bound <= forgotten
        return more

    async def put_side(self, id: str, name: str, value: bytes, *, now: Millis) -> bool:
        """Keep *value* beside a live session; ``False`` when there is none."""
        given = {**self._common, "id": id, "name": name, "value": value, "now": now}
        return bool((await self._write(sql.PUT_SIDE, given))[0][0])

    async def get_side(self, id: str, name: str) -> bytes | None:
        """Return what was put; a session's end took it along."""
        found = await self._read(sql.GET_SIDE, {"id": id, "name": name, "tenant": self.tenant})
        return bytes(found[0][0]) if found else None

    async def lease(self, name: str, *, holder: str, now: Millis, until: Millis) -> bool:
        """Take or extend the lease *name*; ``False`` while another holder's has not run out."""
        given = {"tenant": self.tenant, "name": name, "holder": holder, "now": now, "until": until}
        return bool(await self._write(sql.LEASE, given))

    def _about(self, id: str, generation: int, now: Millis, seen: Seen | None) -> dict[str, object]:
        """Return what every change of a session is told."""
        return {**self._common, "id": id, "generation": generation, "now": now, **terms.activity(seen)}
