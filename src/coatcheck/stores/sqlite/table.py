"""The ``sessions`` table, one row at a time: read it, save what changed of it, bury it.

Everything here runs inside a transaction that the caller opened, on rows of the caller's tenant.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from coatcheck import transitions
from coatcheck.errors import UnreadableRecord
from coatcheck.model import RECORD_SCHEMA, FromTheFuture, Millis, Reason, Record, Tombstone, entomb
from coatcheck.stores.sqlite import salvage, sql
from coatcheck.stores.sqlite.rows import Decoded, decode, encode, encode_data, encode_device, encode_names
from coatcheck.verbs import Refusal


def fetch(connection: sqlite3.Connection, tenant: str, id: str) -> Decoded | None:
    """Return what the row of *id* holds, ``None`` when there is none."""
    row = connection.execute(sql.FIND, (id, tenant)).fetchone()
    return None if row is None else decode(row)


def select(connection: sqlite3.Connection, statement: str, tenant: str, terms: Mapping[str, object]) -> list[Decoded]:
    """Return what a statement over many rows finds."""
    return list(map(decode, connection.execute(statement, {"tenant": tenant, "schema": RECORD_SCHEMA, **terms})))


def changeable(connection: sqlite3.Connection, tenant: str, id: str, generation: int, now: Millis) -> Record | Refusal:
    """Return the record of *id* for somebody who read it at *generation*, or why they may not change it.

    Raises:
        UnreadableRecord: a newer release wrote the session, and has not ended it.
    """
    row = connection.execute(sql.FIND, (id, tenant)).fetchone()
    if row is None:
        return Refusal.GONE
    found = decode(row)
    if isinstance(found, FromTheFuture) and not salvage.has_ended(row):
        raise UnreadableRecord.written_in(found.id, found.schema)
    if not isinstance(found, Record):
        return Refusal.GONE
    return transitions.refusal(found, generation, now) or found


def alive(connection: sqlite3.Connection, tenant: str, id: str, now: Millis) -> Record | None:
    """Return the session of *id* if it has neither ended nor expired."""
    found = fetch(connection, tenant, id)
    return found if isinstance(found, Record) and found.dead_at(now) is None else None


def standing_of(connection: sqlite3.Connection, tenant: str, user_id: str) -> list[Decoded]:
    """Return a user's sessions that have not ended: expired, damaged and newer ones too."""
    return select(connection, sql.STANDING_OF_USER, tenant, {"user_id": user_id})


def alive_of(connection: sqlite3.Connection, tenant: str, user_id: str, now: Millis) -> list[Record]:
    """Return a user's sessions that have neither ended nor expired, as far as they can be read."""
    found = standing_of(connection, tenant, user_id)
    return [record for record in found if isinstance(record, Record) and record.dead_at(now) is None]


def insert(connection: sqlite3.Connection, record: Record) -> None:
    """Add the row of a new session."""
    connection.execute(sql.INSERT, encode(record))


def save(connection: sqlite3.Connection, old: Record, new: Record) -> None:
    """Write what changed from *old* to *new*. Columns that this release does not know stay as they are."""
    if (new.last_seen_at, new.idle_expires_at, new.confirmed_at) != (
        old.last_seen_at,
        old.idle_expires_at,
        old.confirmed_at,
    ):
        connection.execute(sql.SAVE_ACTIVITY, (new.last_seen_at, new.idle_expires_at, new.confirmed_at, new.id))
    if new.version != old.version:
        connection.execute(sql.SAVE_DATA, (new.version, encode_data(new), new.id))
    if new.device != old.device:
        (stored,) = connection.execute(sql.DEVICE, (new.id,)).fetchone()
        connection.execute(sql.SAVE_DEVICE, (encode_device(new.device, stored), new.id))
    if new.generation != old.generation or new.secret_digest != old.secret_digest:
        connection.execute(
            sql.SAVE_PRIVILEGE,
            (
                new.secret_digest, new.previous_digest, new.successor_nonce, new.rotated_at, int(new.rotate_due),
                new.generation, encode_names(new.roles), new.auth_time, encode_names(new.amr), new.aal, new.id,
            ),
        )  # fmt: skip


def bury(
    connection: sqlite3.Connection, tenant: str, found: Decoded | None, reason: Reason, now: Millis
) -> Tombstone | None:
    """Turn a session into its tombstone, in the same row, so that its id is never used again.

    A damaged row and one of a newer release end too: a release that can read them must not find them alive. ``None``
    for nothing, for what had ended, and for a row too damaged to leave a tombstone.
    """
    if found is None or isinstance(found, Tombstone):
        return None
    if not isinstance(found, Record):
        return salvage.bury(connection, tenant, found.id, reason, now)
    reason = transitions.closing_reason(found, reason, now)
    connection.execute(sql.BURY, (RECORD_SCHEMA, now, reason, int(bool(found.data)), found.id))
    connection.execute(sql.DROP_SIDES, (found.id,))
    return entomb(found, reason, now)


def bury_all(
    connection: sqlite3.Connection, tenant: str, doomed: Sequence[Decoded], reason: Reason, now: Millis
) -> tuple[Tombstone, ...]:
    """Bury many and answer the tombstones."""
    left = [bury(connection, tenant, found, reason, now) for found in doomed]
    return tuple(tombstone for tombstone in left if tombstone is not None)
