"""What a witness tells: each step it made, and what it was answered."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from msgspec import Struct

Verb: TypeAlias = Literal["sign_in", "commit", "revoke", "revoke_user"]

OK: Final = "ok"
UNKNOWN: Final = "unknown"
"""The store did not say: it may have happened, or may yet happen, or not."""
UNCONFIRMED: Final = "unconfirmed"
"""It was done, and too few replicas confirmed it in time: nobody was told that it holds."""


class Step(Struct, array_like=True, frozen=True):
    """One step on the store.

    Attributes:
        start: when it began, in nanoseconds of the system-wide monotonic clock.
        end: when its answer was there.
        verb: what was done.
        answer: `OK`, `UNKNOWN`, `UNCONFIRMED`, or why it was refused.
        user: whose session, or whose sessions.
        session: the session's id; empty where all of a user's are meant.
        value: what a commit wrote under the key ``n``; for ``revoke_user`` the least epoch that the user has after it.
        ended: the sessions that ended by it, as the store answered.
    """

    start: int
    end: int
    verb: Verb
    answer: str
    user: str
    session: str = ""
    value: int = 0
    ended: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it was acknowledged."""
        return self.answer == OK

    @property
    def maybe(self) -> bool:
        """Whether it may have happened."""
        return self.answer in (OK, UNKNOWN, UNCONFIRMED)


class Sight(Struct, array_like=True, frozen=True):
    """What a look at one session found.

    Attributes:
        state: ``"live"``, ``"dead"`` (a tombstone), ``"none"``, or ``"unreadable"``.
        value: what it has under the key ``n``; 0 without.
        reason: why it ended.
    """

    state: Literal["live", "dead", "none", "unreadable"]
    value: int = 0
    reason: str = ""
