"""The store contract: what every engine promises, verb by verb.

A store keeps records and tombstones by id and an index by user. It knows digests, never secrets, and never policy:
deadlines, limits and the time are arguments. Every verb is atomic: nobody sees half of it, and a caller that got an
answer may rely on it. Four words mean the same in every verb:

* *missing*: there is no such session. Never an error: `find` answers ``None``, a change answers ``Refusal.GONE``.
* *expired*: a deadline lies at or before *now*. A change answers ``Refusal.GONE``. Verbs that end sessions end it like
  a live one, so that no worker with a slower clock brings it back; of itself only `sweep` ends it.
* *conflicting*: somebody else was first; the answer says so (``Refusal``) and nothing was changed.
* *failing*: the engine did not answer; the verb raises `coatcheck.errors.StoreUnavailable` and the caller must treat
  what it asked for as unknown.

A change is judged in this order: ``GONE``, ``GENERATION``, ``CONFLICT``, too large; a sign-in in this one: ``EXISTS``,
``STALE_EPOCH``, ``LIMIT``. A session that was written by a newer release is changed by no verb (it raises
`coatcheck.errors.UnreadableRecord`), and ended by every verb that ends; so is one that is damaged, which a change finds
``GONE``. What is left is a tombstone of this release's format, holding what could be read. Where not even the digest
or the beginning of a damaged session could, it is removed instead, and the verb answers as if it were missing.

A store that waits for replicas raises `coatcheck.errors.Unconfirmed` when a verb that ends sessions or changes a
privilege was written and too few confirmed it. The error keeps what the verb would have answered: what it ended in
``ended``, the new value of `Store.raise_epoch` in ``epoch``, the record of `Store.rotate` in ``record``. A verb that
ends, asked again, waits again, and finds nothing left to end. `Store.end_all` and `Store.raise_epoch` do all of their
work before they raise it.

An epoch is raised to the larger of its last value plus one and the time in milliseconds, so that a value is never used
twice, also after a store has forgotten a user. Where the engine has a clock, the moment of a raise is the later of
*now* and that clock in the same step, and so are *began_at*'s times the engine's. Epochs and times are below 2^53.
Keys, roles, users and tenants are UTF-8 without NUL; the manager checks that. A store is bound to one tenant.

Methods are ``async def``. A store that declares ``blocking`` never really suspends in them, so that blocking
applications can finish the coroutine in one step. Verbs beyond `Store` are capabilities, declared in ``traits``.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from msgspec import Struct

from coatcheck.counting import Every
from coatcheck.model import Found, Millis, Reason, Record, Tombstone
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

EPOCH_KEPT: Final[Millis] = 86_400_000
"""Milliseconds, a day, that a user's epoch outlives the tombstones of its raise.

A sign-in reads the epoch and gives it back when password, second factor and mail are through. If it was raised and
forgotten in between, the old value would be current again. How long tombstones are kept is the policy's choice and may
be a second; how long people take to sign in is not.
"""


class Capability(enum.Enum):
    """What a store can do beyond the required verbs."""

    LIST = "list"
    BROWSE = "browse"
    SWEEP = "sweep"
    SIDE = "side"
    LEASE = "lease"
    COUNTERS = "counters"


class Traits(Struct, frozen=True, kw_only=True):
    """What a store declares about itself; the conformance suite and the manager choose by it.

    Attributes:
        name: the engine's name for people, such as ``"sqlite"``.
        capabilities: the optional verbs it has.
        blocking: its coroutines never suspend.
        persistent: sessions survive a restart of the application.
        shared: several processes see the same sessions.
        one_step_login: `create` reaches the new and the replaced session in one atomic step.
    """

    name: str
    capabilities: frozenset[Capability]
    blocking: bool
    persistent: bool
    shared: bool
    one_step_login: bool = True


class Store(Protocol):
    """The verbs every store has. See the module's text for what missing, expired, conflicting and failing mean."""

    @property
    def traits(self) -> Traits:
        """What this store declares about itself."""
        ...

    @property
    def tenant(self) -> str:
        """The namespace whose sessions, users and epochs this store keeps apart."""
        ...

    async def open(self) -> None:
        """Connect and migrate; harmless when already open. Other verbs open by themselves when it was not called."""
        ...

    async def close(self) -> None:
        """Let go of connections and threads; harmless when not open. A later verb opens again."""
        ...

    async def key(self) -> bytes:
        """Return the store's 32 random bytes, made at first use, the same for every process and for ever."""
        ...

    async def clock(self) -> Millis | None:
        """Return the engine's own time, ``None`` when the store runs on this machine's clock."""
        ...

    async def find(self, ids: Sequence[str]) -> list[Found]:
        """Return what is known of each id, in order. Expired records are returned as they are: judging is not here."""
        ...

    async def epoch(self, user_id: str) -> int:
        """Return the user's epoch: it grows with `end_user` and `set_roles` of theirs and with every `raise_epoch`."""
        ...

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
        """Insert *record*, end what it replaces, and hold the user's limit, in one atomic step.

        A row with that id, live or dead, is never overwritten: ``NotCreated.EXISTS``. An *epoch* other than the user's
        answers ``STALE_EPOCH``: it was raised since, or, if it is higher, forgotten since. So does *began_at* at or
        before the moment the epoch was last raised (for frameworks that never read it). With ``replacing.carry`` the
        data of a replaced session that is live, or locked by the idle clock, lies under the record's own as it is now,
        without ``unset``; one that is missing or over carries nothing and is no error, and so is data that would pass
        *max_bytes* (the record's own is kept). What is replaced ends as ``superseded``, expired or not, unless its
        generation is no longer ``replacing.generation``: then it is as if it were missing. Only live sessions that
        this release can read count towards the limit, and a sign-in that is made under one ends those of the user's
        that are over, with their clock's reason: else activity that a slower worker records could bring one back
        beside the new one. A session that the idle clock only locked neither counts nor ends. The answer holds the
        record as stored, its ``epoch`` filled in. ``record.origin`` is written here and by no other verb.
        """
        ...

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
        """Merge the named keys into the session's data and return the new version.

        Answers ``GONE`` when the session is missing, ended or expired, ``GENERATION`` when its privilege changed since
        it was read, ``CONFLICT`` only with *expect_version* and another version, and `TooLarge` when *change* sets
        keys and all keys and values together would pass *max_bytes*.

        Raises:
            UnreadableRecord: a newer release wrote the session; also `touch` and `rotate`.
        """
        ...

    async def touch(self, id: str, *, generation: int, seen: Seen, now: Millis) -> Refusal | None:
        """Record activity, forward only; bumps no version. ``GONE`` and ``GENERATION`` as in `commit`."""
        ...

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
        """Replace the secret, and merge *change* and *seen* with it; answers the record as it is now.

        When another rotation by age has replaced the same secret first, a rotation by age merges what it brings and
        answers that record, whose digest is then not its own. Any other secret in the way is ``CONFLICT``; the rest as
        in `commit`.
        """
        ...

    async def end(self, id: str, *, reason: Reason, now: Millis, owner: str | None = None) -> Tombstone | None:
        """End one session and answer its tombstone; ``None`` when there was none, or not one of *owner*'s.

        A session whose clock had run out before it is ``revoked`` keeps the clock's reason, here and in the verbs
        below.
        """
        ...

    async def take(self, id: str, *, now: Millis) -> tuple[Tombstone, Mapping[str, bytes]] | None:
        """End a session as ``superseded`` and answer its tombstone and its data as it was: how a session moves."""
        ...

    async def end_user(
        self, user_id: str, *, reason: Reason, now: Millis, keep: str | None = None
    ) -> tuple[Tombstone, ...]:
        """End all sessions of a user but *keep*, and raise the user's epoch in the same step."""
        ...

    async def set_roles(self, user_id: str, roles: tuple[str, ...], *, now: Millis) -> tuple[str, ...]:
        """Give every session of a user these roles, raise their generations and ask for new secrets.

        Every one that has not ended, also one that is expired or that the idle clock locked: a slower worker's
        activity could bring it back with its old roles. Also raises the user's epoch, so that no sign-in under way
        brings them back. Answers the ids changed; a damaged session is passed over.

        Raises:
            UnreadableRecord: a newer release wrote one of the user's sessions, which keeps its roles. All others are
                changed and the epoch is raised before: asked again, the verb changes them again.
        """
        ...

    async def raise_epoch(self, *, now: Millis) -> int:
        """Raise the store-wide epoch, so that no sign-in begun before it succeeds; answers the new value.

        A store of several partitions need not do it in one step, but answers only when every partition refuses.
        """
        ...

    async def end_all(self, *, below: int, reason: Reason, now: Millis, limit: int) -> tuple[Tombstone, ...]:
        """End up to *limit* sessions that were created under a store-wide epoch lower than *below*.

        Only an empty answer means that none is left: a store waits for those that others are changing.
        """
        ...


class Lists(Protocol):
    """Capability ``LIST``: the sessions of one user."""

    async def list_user(self, user_id: str, *, now: Millis) -> list[Record]:
        """Return the user's live sessions, most recently seen first, without those that cannot be read."""
        ...

    async def list_ended(self, user_id: str, *, limit: int) -> list[Tombstone]:
        """Return the user's tombstones, most recent first, at most *limit*."""
        ...


class Browses(Protocol):
    """Capability ``BROWSE``: everything, in keyset pages by creation time, newest first."""

    async def browse(self, *, limit: int, after: str | None = None, user_id: str | None = None) -> Page:
        """Return up to *limit* records and tombstones after the cursor *after* of an earlier page.

        Expired records that nobody has swept yet are among them, those that cannot be read are not. A cursor nobody
        issued is a `ValueError`.
        """
        ...

    async def count(self, *, now: Millis) -> int:
        """Return how many live sessions there are; roughly, on a store of several partitions."""
        ...


class Sweeps(Protocol):
    """Capability ``SWEEP``: removing what is over."""

    async def sweep(self, *, now: Millis, limit: int, forget_before: Millis, max_ended: int) -> Buried:
        """Turn up to *limit* expired sessions into tombstones and answer exactly those, each to one caller only.

        Also forgets up to ten times *limit* tombstones that ended before *forget_before*, and of the oldest beyond
        *max_ended* (roughly, on a store of several partitions): a tombstone costs less than the session it was, and
        there are those of every other end too. The epoch of a user whose last raise lies more than `EPOCH_KEPT`
        before *forget_before* may be forgotten too: a sign-in that takes longer than that is not covered.
        A session that locks when idle is left until its absolute deadline.

        The answer's ``more`` says that one of these bounds stopped the call. Whoever calls again while it is true
        leaves nothing behind and comes to an end, whatever the rows hold.
        """
        ...


class Sides(Protocol):
    """Capability ``SIDE``: small records beside a session that die with it."""

    async def put_side(self, id: str, name: str, value: bytes, *, now: Millis) -> bool:
        """Keep *value* beside a live session; ``False`` when the session is missing, ended or expired."""
        ...

    async def get_side(self, id: str, name: str) -> bytes | None:
        """Return what was put, ``None`` when there is nothing or the session has ended."""
        ...


class Leases(Protocol):
    """Capability ``LEASE``: one holder at a time, for work that one process should do."""

    async def lease(self, name: str, *, holder: str, now: Millis, until: Millis) -> bool:
        """Take or extend the lease *name* until *until*; ``False`` while another holder's has not run out."""
        ...


class Counters(Protocol):
    """Capability ``COUNTERS``: numbers that processes add up, by minute, hour and day."""

    async def add_counts(self, tallies: Sequence[Tally], *, now: Millis) -> None:
        """Add each tally's counts to the minute, the hour and the day that its ``at`` lies in.

        All of one call or nothing, except that a store of several partitions may stop in between. Also forgets what is
        older than `coatcheck.counting.KEPT`, seen from *now*, or a bounded part of it and the rest with later calls; a
        tally that old adds nothing. Processes that add at the same time all count. Names are ASCII of at most 64
        characters; counts are positive.
        """
        ...

    async def read_counts(self, every: Every, *, since: Millis, until: Millis) -> list[Tally]:
        """Return the buckets that begin from *since* to before *until*, oldest first; empty ones are left out."""
        ...
