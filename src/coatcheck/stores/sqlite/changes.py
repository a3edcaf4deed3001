"""Verbs that make and change sessions.

Plain functions over a connection, inside a transaction that the caller opened. What a change does to a record is said
in `coatcheck.transitions`.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from coatcheck import transitions
from coatcheck.model import Millis, Record, Tombstone, replace
from coatcheck.stores.sqlite import queries, sql, table
from coatcheck.stores.sqlite.rows import Decoded
from coatcheck.verbs import Change, Created, Limit, NotCreated, Refusal, Replacing, Rotation, Seen, TooLarge


class Terms(NamedTuple):
    """On which terms a session is created; the words are `coatcheck.stores.contract.Store.create`'s."""

    now: Millis
    limit: Limit | None
    epoch: int | None
    began_at: Millis | None
    replacing: Replacing | None
    max_bytes: int | None


def create(connection: sqlite3.Connection, tenant: str, record: Record, terms: Terms) -> Created | NotCreated:
    """Insert *record*, end what it replaces, and hold the user's limit."""
    if connection.execute(sql.EXISTS, (record.id,)).fetchone() is not None:
        return NotCreated.EXISTS
    epochs = queries.epochs(connection, tenant, record.user_id)
    if terms.epoch is not None and terms.epoch != epochs.total:
        return NotCreated.STALE_EPOCH
    if terms.began_at is not None and epochs.raised_at is not None and terms.began_at <= epochs.raised_at:
        return NotCreated.STALE_EPOCH
    replacing = terms.replacing
    replaced = table.fetch(connection, tenant, replacing.id) if replacing else None
    if replacing and isinstance(replaced, Record) and not replacing.matches(replaced):
        replacing = replaced = None
    surplus = _surplus(connection, tenant, record, terms, None if replaced is None else replaced.id)
    if surplus is None:
        return NotCreated.LIMIT
    data = dict(record.data)
    if replacing and replacing.carry and isinstance(replaced, Record) and replaced.sweepable_at(terms.now) is None:
        data = _with_carried(data, replaced, replacing, terms.max_bytes)
    made = replace(record, epoch=epochs.everybody, tenant=tenant, data=data)
    table.insert(connection, made)
    ended = _bury_over(connection, tenant, made, terms, replaced)
    ended += table.bury_all(connection, tenant, surplus, "evicted", terms.now)
    ended += table.bury_all(connection, tenant, [replaced] if replaced else [], "superseded", terms.now)
    return Created(record=made, ended=ended)


def commit(
    connection: sqlite3.Connection,
    tenant: str,
    id: str,
    *,
    generation: int,
    change: Change,
    now: Millis,
    seen: Seen | None,
    expect_version: int | None,
    max_bytes: int | None,
) -> int | Refusal | TooLarge:
    """Merge the named keys and return the new version."""
    record = table.changeable(connection, tenant, id, generation, now)
    if isinstance(record, Refusal):
        return record
    result = transitions.committed(record, change, seen, expect_version, max_bytes)
    if not isinstance(result, Record):
        return result
    table.save(connection, record, result)
    return result.version


def touch(
    connection: sqlite3.Connection, tenant: str, id: str, *, generation: int, seen: Seen, now: Millis
) -> Refusal | None:
    """Record activity, forward only."""
    record = table.changeable(connection, tenant, id, generation, now)
    if isinstance(record, Refusal):
        return record
    table.save(connection, record, transitions.seen(record, seen))
    return None


def rotate(
    connection: sqlite3.Connection,
    tenant: str,
    id: str,
    *,
    generation: int,
    rotation: Rotation,
    change: Change,
    now: Millis,
    seen: Seen | None,
    max_bytes: int | None,
) -> Record | Refusal | TooLarge:
    """Replace the secret, and merge *change* and *seen* with it."""
    record = table.changeable(connection, tenant, id, generation, now)
    if isinstance(record, Refusal):
        return record
    result = transitions.rotated(record, rotation, change, seen, max_bytes)
    if not isinstance(result, Record):
        return result
    table.save(connection, record, result)
    return result


def set_roles(
    connection: sqlite3.Connection, tenant: str, user_id: str, roles: tuple[str, ...], now: Millis
) -> tuple[str, ...]:
    """Give every live session of a user these roles and raise the user's epoch; answers the ids."""
    connection.execute(sql.RAISE_USER, {"tenant": tenant, "user_id": user_id, "now": now})
    records = table.alive_of(connection, tenant, user_id, now)
    for record in records:
        table.save(connection, record, transitions.with_roles(record, roles))
    return tuple(record.id for record in records)


def put_side(connection: sqlite3.Connection, tenant: str, id: str, *, name: str, value: bytes, now: Millis) -> bool:
    """Keep *value* beside a live session; ``False`` when there is none."""
    if table.alive(connection, tenant, id, now) is None:
        return False
    connection.execute(sql.PUT_SIDE, (id, name, value))
    return True


def lease(connection: sqlite3.Connection, tenant: str, name: str, *, holder: str, now: Millis, until: Millis) -> bool:
    """Take or extend a lease; ``False`` while another holder's has not run out."""
    terms = {"tenant": tenant, "name": name, "holder": holder, "now": now, "until": until}
    return connection.execute(sql.LEASE, terms).rowcount == 1


def make_key(connection: sqlite3.Connection, candidate: bytes) -> bytes:
    """Make *candidate* the store's key unless it has one, and return the one it has."""
    connection.execute(sql.MAKE_KEY, (candidate,))
    return queries.key(connection) or candidate


def _surplus(
    connection: sqlite3.Connection, tenant: str, record: Record, terms: Terms, replaced: str | None
) -> list[Record] | None:
    """Return whom the limit evicts, ``None`` when it rejects; the replaced session does not count."""
    if terms.limit is None or record.user_id is None:
        return []
    standing = table.alive_of(connection, tenant, record.user_id, terms.now)
    return transitions.evicted([other for other in standing if other.id != replaced], terms.limit)


def _bury_over(
    connection: sqlite3.Connection, tenant: str, made: Record, terms: Terms, replaced: Decoded | None
) -> tuple[Tombstone, ...]:
    """End those of a user's sessions whose clock has run out, where there is a limit, but what the sign-in replaces."""
    if terms.limit is None or made.user_id is None:
        return ()
    spared = (made.id, None if replaced is None else replaced.id)
    found = table.standing_of(connection, tenant, made.user_id)
    others = [each for each in found if isinstance(each, Record) and each.id not in spared]
    left = [
        table.bury(connection, tenant, each, reason, terms.now)
        for each in others
        if (reason := each.sweepable_at(terms.now)) is not None
    ]
    return tuple(tombstone for tombstone in left if tombstone is not None)


def _with_carried(
    own: dict[str, bytes], replaced: Record, replacing: Replacing, max_bytes: int | None
) -> dict[str, bytes]:
    """Lay what the replaced session holds now under *own*, unless together they are too large."""
    both = transitions.merged(replaced.data, Change(own, replacing.unset))
    return own if max_bytes is not None and transitions.data_size(both) > max_bytes else both
