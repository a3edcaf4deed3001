"""Verbs that make and change sessions.

Plain functions over a connection, inside a transaction that the caller opened. What a change does to a record is said
in `coatcheck.transitions`.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from coatcheck import transitions
from coatcheck.model import FromTheFuture, Millis, Record, replace
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
    room = _room(connection, tenant, record.user_id, terms, replaced)
    if room is None:
        return NotCreated.LIMIT
    source = replaced if isinstance(replaced, Record) else None
    data = transitions.carried(record, source, replacing, terms.now, terms.max_bytes)
    made = replace(record, epoch=epochs.everybody, tenant=tenant, data=data)
    table.insert(connection, made)
    left = [table.bury(connection, tenant, other, reason, terms.now) for other, reason in room.over]
    left += [table.bury(connection, tenant, other, "evicted", terms.now) for other in room.evicted]
    left.append(table.bury(connection, tenant, replaced, "superseded", terms.now))
    return Created(record=made, ended=tuple(tombstone for tombstone in left if tombstone is not None))


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
) -> tuple[str, ...] | FromTheFuture:
    """Give every session of a user that has not ended these roles and raise the user's epoch; answers the ids.

    Answers a session of a newer release instead, when there is one: an error raised here would undo the others.
    """
    connection.execute(sql.RAISE_USER, {"tenant": tenant, "user_id": user_id, "now": now})
    standing = table.standing_of(connection, tenant, user_id)
    records = [found for found in standing if isinstance(found, Record)]
    for record in records:
        table.save(connection, record, transitions.with_roles(record, roles))
    newer = next((found for found in standing if isinstance(found, FromTheFuture)), None)
    return newer or tuple(record.id for record in records)


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


def _room(
    connection: sqlite3.Connection, tenant: str, user_id: str | None, terms: Terms, replaced: Decoded | None
) -> transitions.Room | None:
    """Return whom a sign-in ends to make room, ``None`` when the limit rejects it; nobody where there is none."""
    if terms.limit is None or user_id is None:
        return transitions.Room([], [])
    spared = None if replaced is None else replaced.id
    standing = table.standing_of(connection, tenant, user_id)
    known = (each for each in standing if isinstance(each, Record) and each.id != spared)
    return transitions.room(known, terms.limit, terms.now)
