"""How a record changes: the one place where the store verbs' rules are code.

Pure. Every function takes a record as it is and answers the record as it becomes, or why it does not change. The
memory and SQLite stores call these inside their own atomic step, so both have one meaning; the networked stores say
the same in SQL and Lua and are held to it by the conformance suite.

Laws:

1. A dead record never changes (``GONE``); what is over stays over.
2. A change from another generation is refused (``GENERATION``).
3. Time moves forward: ``last_seen_at``, ``idle_expires_at``, ``version`` and ``generation`` never fall.
4. ``created_at`` and ``expires_at`` never change at all.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from coatcheck.model import Millis, Reason, Record, replace
from coatcheck.verbs import Change, Limit, Refusal, Replacing, Rotation, Seen, TooLarge


def data_size(data: Mapping[str, bytes]) -> int:
    """Return the size of keys and values together, in bytes."""
    return sum(len(key.encode()) + len(value) for key, value in data.items())


def largest(data: Mapping[str, bytes]) -> tuple[tuple[str, int], ...]:
    """Return the three largest keys with their bytes, key and value together, largest first; of equal ones by name."""
    sizes = ((key, len(key.encode()) + len(raw)) for key, raw in data.items())
    return tuple(heapq.nsmallest(3, sizes, key=lambda row: (-row[1], row[0])))


def raised(epoch: int, now: Millis) -> int:
    """Return the epoch after *epoch*: never the same value again, also by a store that forgot what it was."""
    return max(epoch + 1, now)


def merged(data: Mapping[str, bytes], change: Change) -> dict[str, bytes]:
    """Return *data* with *change* applied key by key."""
    result = {key: value for key, value in data.items() if key not in change.unset}
    result.update(change.set)
    return result


def refusal(record: Record | None, generation: int, now: Millis) -> Refusal | None:
    """Say why *record* may not be changed by somebody who read it at *generation*; ``None`` when they may."""
    if record is None or record.dead_at(now) is not None:
        return Refusal.GONE
    if record.generation != generation:
        return Refusal.GENERATION
    return None


def seen(record: Record, activity: Seen | None) -> Record:
    """Apply recorded activity, forward only."""
    if activity is None:
        return record
    idle = record.idle_expires_at
    if idle is not None and activity.idle_expires_at is not None:
        idle = max(idle, activity.idle_expires_at)
    confirmed = record.confirmed_at
    if confirmed is None and activity.confirms is not None and activity.confirms == record.secret_digest:
        confirmed = activity.at
    device = record.device
    if device is not None and activity.address is not None and activity.at >= record.last_seen_at:
        device = replace(device, last_address=activity.address)
    return replace(
        record,
        last_seen_at=max(record.last_seen_at, activity.at),
        idle_expires_at=idle,
        confirmed_at=confirmed,
        device=device,
    )


def committed(
    record: Record, change: Change, activity: Seen | None, expect_version: int | None, max_bytes: int | None
) -> Record | Refusal | TooLarge:
    """Merge changed keys into a record that `refusal` has let through."""
    if expect_version is not None and record.version != expect_version:
        return Refusal.CONFLICT
    data = merged(record.data, change)
    if max_bytes is not None and change.set and (size := data_size(data)) > max_bytes:
        return TooLarge(size=size, largest=largest(data))
    return replace(seen(record, activity), data=data, version=record.version + 1)


def rotated(
    record: Record, rotation: Rotation, change: Change, activity: Seen | None, max_bytes: int | None
) -> Record | Refusal | TooLarge:
    """Give a record that `refusal` has let through a new secret, and merge what comes with it.

    Of several rotations by age at once the first one counts; the others merge what they bring onto its record.
    """
    by_privilege = rotation.nonce is None
    overtaken = record.secret_digest != rotation.replaces
    by_age_before = record.previous_digest == rotation.replaces and record.successor_nonce is not None
    if overtaken and (by_privilege or not by_age_before):
        return Refusal.CONFLICT
    merged_record = committed(record, change, activity, None, max_bytes) if change else seen(record, activity)
    if overtaken or not isinstance(merged_record, Record):
        return merged_record
    grant = rotation.grant
    return replace(
        merged_record,
        secret_digest=rotation.secret_digest,
        previous_digest=rotation.held or record.secret_digest,
        successor_nonce=rotation.nonce,
        rotated_at=rotation.at,
        confirmed_at=None,
        rotate_due=False,
        generation=record.generation + by_privilege,
        roles=record.roles if grant is None or grant.roles is None else grant.roles,
        auth_time=record.auth_time if grant is None or grant.auth_time is None else grant.auth_time,
        amr=record.amr if grant is None or grant.amr is None else grant.amr,
        aal=record.aal if grant is None or grant.aal is None else grant.aal,
    )


def with_roles(record: Record, roles: tuple[str, ...]) -> Record:
    """Change the roles from elsewhere: obeyed by the next request and answered with a new secret."""
    return replace(record, roles=roles, generation=record.generation + 1, rotate_due=True)


class Room(NamedTuple):
    """Which of a user's sessions a sign-in under a limit ends.

    Attributes:
        over: those whose clock has run out, each with that clock's reason.
        evicted: those that make room.
    """

    over: list[tuple[Record, Reason]]
    evicted: list[Record]


def room(standing: Iterable[Record], limit: Limit, now: Millis) -> Room | None:
    """Choose whom one more sign-in ends of a user's sessions that have not ended; ``None`` when the limit rejects it.

    *standing* leaves out what the sign-in replaces. A session that the idle clock only locked neither counts nor ends.
    """
    known = list(standing)
    surplus = evicted((record for record in known if record.dead_at(now) is None), limit)
    if surplus is None:
        return None
    return Room([(record, reason) for record in known if (reason := record.sweepable_at(now)) is not None], surplus)


def carried(
    record: Record, replaced: Record | None, replacing: Replacing | None, now: Millis, max_bytes: int | None
) -> dict[str, bytes]:
    """Return *record*'s data over what a replaced session brings, unless that is over or both are too large."""
    own = dict(record.data)
    if replaced is None or replacing is None or not replacing.carry or replaced.sweepable_at(now) is not None:
        return own
    both = merged(replaced.data, Change(own, replacing.unset))
    return own if max_bytes is not None and data_size(both) > max_bytes else both


def evicted(live: Iterable[Record], limit: Limit) -> list[Record] | None:
    """Choose whom one more sign-in pushes out of a user's *live* sessions; ``None`` when the limit rejects it."""
    standing = list(live)
    surplus = len(standing) + 1 - limit.count
    if surplus <= 0:
        return []
    if limit.at_limit == "reject":
        return None
    oldest = limit.at_limit == "evict_oldest"
    standing.sort(key=lambda each: (each.created_at if oldest else each.last_seen_at, each.created_at, each.id))
    return standing[:surplus]


def closing_reason(record: Record, reason: Reason, now: Millis) -> Reason:
    """Return why a session ends that somebody revokes: its own clock's reason where that was over before."""
    return record.sweepable_at(now) or reason if reason == "revoked" else reason
