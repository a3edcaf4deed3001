"""The words of the store contract: what callers hand to a store's verbs, and what the verbs answer.

Pure data, shared by the lifecycle (which decides), the manager (which asks) and the stores (which do).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Literal, TypeAlias

from msgspec import Struct

from coatcheck.discreet import Discreet
from coatcheck.model import Millis, Record, Tombstone

AtLimit: TypeAlias = Literal["evict_least_recent", "evict_oldest", "reject"]
"""What happens when a user who has all the sessions they may have signs in once more."""


class Limit(Struct, frozen=True):
    """How many live sessions a user may have, and what happens at the limit."""

    count: int
    at_limit: AtLimit


class Replacing(Struct, frozen=True, kw_only=True):
    """The session that a sign-in replaces.

    Attributes:
        id: the session to end as ``superseded``; it does not count towards the limit.
        carry: whether its current data moves to the new session.
        unset: keys that this request removed and that must not move.
        generation: the generation it was read at; one that has changed since is left alone, as if it were missing.
    """

    id: str
    carry: bool
    unset: frozenset[str] = frozenset()
    generation: int | None = None

    def matches(self, record: Record) -> bool:
        """Whether *record* is still what was read."""
        return self.generation is None or self.generation == record.generation


class Seen(Discreet, frozen=True, kw_only=True):
    """Recorded activity. Stores apply it forward only: no field ever moves back.

    Attributes:
        at: when the request was answered.
        idle_expires_at: the new idle deadline, ``None`` to leave it as it is.
        confirms: digest of the presented secret when it is the current one and nobody had shown it before; a store
            marks the secret confirmed only if it is still the current one.
        address: the client's address, if it is known.
    """

    at: Millis
    idle_expires_at: Millis | None = None
    confirms: bytes | None = None
    address: str | None = None

    def __repr__(self) -> str:
        """Show the time, never the digest."""
        return f"Seen(at={self.at}, idle_expires_at={self.idle_expires_at})"


class Grant(Struct, frozen=True, kw_only=True):
    """New privilege that travels with a new secret (step-up, impersonation). ``None`` leaves a field as it is."""

    roles: tuple[str, ...] | None = None
    auth_time: Millis | None = None
    amr: tuple[str, ...] | None = None
    aal: int | None = None


class Rotation(Discreet, frozen=True, kw_only=True):
    """A new secret.

    Attributes:
        replaces: digest that must still be the current one, else the answer is ``Refusal.CONFLICT``.
        secret_digest: digest of the new secret.
        at: when it was made.
        nonce: what the new secret was derived with (rotation by age), or ``None`` for a rotation by privilege, which
            also raises the generation.
        grant: privileges that change with it.
        held: digest of the secret that the browser holds when that is not the current one, because the answer with its
            successor was lost; it becomes the previous one in place of ``replaces``.
    """

    replaces: bytes
    secret_digest: bytes
    at: Millis
    nonce: bytes | None = None
    grant: Grant | None = None
    held: bytes | None = None

    def __repr__(self) -> str:
        """Show when and of which kind, never a digest or the nonce."""
        return f"Rotation(at={self.at}, by={'age' if self.nonce is not None else 'privilege'})"


class Change(Discreet, frozen=True):
    """Changed keys of the application's data; both empty means no change of data."""

    set: Mapping[str, bytes]
    unset: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.set) or bool(self.unset)

    def __repr__(self) -> str:
        """Show the keys, never a value."""
        return f"Change(set={sorted(self.set)}, unset={sorted(self.unset)})"


class Refusal(enum.Enum):
    """Why a change was not made."""

    GONE = "gone"
    GENERATION = "generation"
    CONFLICT = "conflict"


class TooLarge(Struct, frozen=True, kw_only=True):
    """A change was not made because the session's data would pass the limit.

    Attributes:
        size: bytes that keys and values together would take.
        largest: up to three of the largest keys with their bytes, key and value together, largest first.
    """

    size: int
    largest: tuple[tuple[str, int], ...]


class Created(Struct, frozen=True, kw_only=True):
    """A session was made.

    ``ended`` holds the tombstones of those of the user's that were over, of whom it evicted, and of what it replaced.
    """

    record: Record
    ended: tuple[Tombstone, ...] = ()


class NotCreated(enum.Enum):
    """Why a session was not made."""

    LIMIT = "limit"
    STALE_EPOCH = "stale_epoch"
    EXISTS = "exists"


class Buried(Struct, frozen=True):
    """What one call of `Sweeps.sweep` did.

    Attributes:
        ended: tombstones of the sessions that it ended.
        more: one of its bounds stopped it, so another call may end or forget something. ``False`` when fewer sessions
            were ended and fewer rows forgotten than the bounds allow.
    """

    ended: tuple[Tombstone, ...]
    more: bool


class Page(Struct, frozen=True):
    """A page of `Browses.browse`; ``next`` continues after it, ``None`` at the end."""

    items: tuple[Record | Tombstone, ...]
    next: str | None


class Tally(Struct, frozen=True):
    """How often what happened, in the minute, hour or day that begins at *at*; `Counters` adds and answers these."""

    at: Millis
    counts: Mapping[str, int]
