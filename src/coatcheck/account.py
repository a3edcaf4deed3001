"""Several accounts in one browser: what lists show of one, and which of the sessions behind them still stand.

Pure. One account is in use; the others are signed in and wait. They are named by a record of the browser's own
(`coatcheck.manager.account_list`), and what it names is judged here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from coatcheck.model import Found, FromTheFuture, Millis, Record, Tombstone
from coatcheck.policy import Policy

FEWEST: Final = 2
MOST: Final = 25
"""Between these lies how many accounts a browser may be allowed: all are looked up in one step."""


class Account(Struct, frozen=True, kw_only=True):
    """One account that is signed in in this browser, as lists show it: no secret, no data.

    Attributes:
        session_id: the public handle of its session; what `switch` and `sign_out` take.
        user_id: whom it belongs to.
        roles: the user's roles, sorted.
        current: whether it is the one in use.
        locked: the idle clock has locked it: signing in again as this user goes on with its data.
        last_seen_at: its last recorded activity, in milliseconds since the Unix epoch.
    """

    session_id: str
    user_id: str
    roles: tuple[str, ...]
    current: bool
    locked: bool
    last_seen_at: Millis

    def as_json(self) -> dict[str, Any]:
        """Return plain values for APIs."""
        shown = {name: getattr(self, name) for name in self.__struct_fields__}
        return {**shown, "roles": list(self.roles)}


class Others(Struct, frozen=True, kw_only=True):
    """The accounts that wait.

    Attributes:
        standing: their sessions, live or locked, one for each user.
        doubles: older sessions of a user who has a newer one here, left over by a sign-in that did not know of them.
        unread: ids whose records a newer release wrote: nobody touches those.
        gone: why each of the others opens nothing any more, by id; ``"none"`` where nothing is known.
    """

    standing: tuple[Record, ...] = ()
    doubles: tuple[Record, ...] = ()
    unread: tuple[str, ...] = ()
    gone: Mapping[str, str] = {}

    def find(self, session_id: str) -> Record | None:
        """Return the standing session of this id."""
        return next((record for record in self.standing if record.id == session_id), None)

    def of_user(self, user_id: str) -> Record | None:
        """Return the standing session of this user."""
        return next((record for record in self.standing if record.user_id == user_id), None)


def sort_out(found: Mapping[str, Found], in_use: Record | None, now: Millis) -> Others:
    """Judge what a store has *found* under the ids that a browser's list names."""
    newest, doubles = dict[str, Record](), list[Record]()
    if in_use is not None and in_use.user_id is not None:
        newest[in_use.user_id] = in_use
    standing = [each for each in found.values() if isinstance(each, Record) and _stands(each, now)]
    for record in sorted(standing, key=_begun, reverse=True):
        if newest.setdefault(record.user_id or "", record) is not record:
            doubles.append(record)
    stand = {record.id for record in standing}
    return Others(
        standing=tuple(record for record in newest.values() if record is not in_use),
        doubles=tuple(doubles),
        unread=tuple(each.id for each in found.values() if isinstance(each, FromTheFuture)),
        gone={name: _why(each, now) for name, each in found.items() if name not in stand},
    )


def show(record: Record, now: Millis, *, current: bool) -> Account:
    """Return what lists may show of a session that stands."""
    return Account(
        session_id=record.id,
        user_id=record.user_id or "",
        roles=record.roles,
        current=current,
        locked=record.dead_at(now) is not None,
        last_seen_at=record.last_seen_at,
    )


def life(policy: Policy) -> Millis:
    """Return the milliseconds after which no session that waits can stand any more, whichever lifetime it has."""
    locks, longest = policy.on_idle == "lock", 0
    for name in ("default", "remember_me") if policy.allow_remember else ("default",):
        span = policy.span(name)
        by_idle = span.absolute if locks or span.idle is None else span.idle
        longest = max(longest, by_idle or span.idle or 0)
    return longest


def _stands(record: Record, now: Millis) -> bool:
    """Whether somebody could go on with it: a user's own session in a browser, live or locked."""
    plain = record.origin.carrier == "cookie" and record.origin.actor_id is None
    return plain and record.user_id is not None and record.sweepable_at(now) is None


def _begun(record: Record) -> tuple[Millis, str]:
    return record.created_at, record.id


def _why(found: Found, now: Millis) -> str:
    reason: str | None = None
    if isinstance(found, Tombstone):
        reason = found.reason
    elif isinstance(found, Record):
        reason = found.sweepable_at(now)
    return "expired" if reason == "absolute" else reason or "none"


def names_of(value: object) -> Sequence[str]:
    """Return the ids that a stored list names; none where it is no list of ids."""
    try:
        return msgspec.convert(value, list[str])
    except msgspec.ValidationError:
        return ()
