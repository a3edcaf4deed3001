"""Verbs that end sessions, one or many, and forget tombstones, inside a transaction that the caller opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from coatcheck.model import RECORD_SCHEMA, Millis, Reason, Record, Tombstone
from coatcheck.stores.contract import EPOCH_KEPT
from coatcheck.stores.sqlite import queries, sql, table
from coatcheck.stores.sqlite.rows import Decoded
from coatcheck.verbs import Buried


def end(
    connection: sqlite3.Connection, tenant: str, id: str, *, reason: Reason, now: Millis, owner: str | None
) -> Tombstone | None:
    """End one session; ``None`` when there was none, or not one of *owner*'s."""
    found = table.fetch(connection, tenant, id)
    if found is not None and owner is not None and connection.execute(sql.OWNER, (id,)).fetchone() != (owner,):
        return None
    return table.bury(connection, tenant, found, reason, now)


def take(
    connection: sqlite3.Connection, tenant: str, id: str, *, now: Millis
) -> tuple[Tombstone, Mapping[str, bytes]] | None:
    """End a session as ``superseded`` and answer its data as it was; what cannot be read brings none."""
    found = table.fetch(connection, tenant, id)
    ended = table.bury(connection, tenant, found, "superseded", now)
    return None if ended is None else (ended, found.data if isinstance(found, Record) else {})


def end_user(
    connection: sqlite3.Connection, tenant: str, user_id: str, *, reason: Reason, now: Millis, keep: str | None
) -> tuple[Tombstone, ...]:
    """End all sessions of a user but *keep*, and raise the user's epoch."""
    connection.execute(sql.RAISE_USER, {"tenant": tenant, "user_id": user_id, "now": now})
    doomed = [found for found in table.standing_of(connection, tenant, user_id) if found.id != keep]
    return table.bury_all(connection, tenant, doomed, reason, now)


def raise_epoch(connection: sqlite3.Connection, tenant: str, now: Millis) -> int:
    """Raise the store-wide epoch and answer it."""
    connection.execute(sql.RAISE_TENANT, {"tenant": tenant, "now": now})
    return queries.epochs(connection, tenant, None).everybody


def end_all(
    connection: sqlite3.Connection, tenant: str, *, below: int, reason: Reason, now: Millis, limit: int
) -> tuple[Tombstone, ...]:
    """End up to *limit* sessions created under a store-wide epoch lower than *below*.

    Goes on past rows that are damaged beyond a tombstone, because an empty answer means that none is left.
    """
    while True:
        before = connection.total_changes
        doomed = table.select(connection, sql.STANDING_BELOW_EPOCH, tenant, {"below": below, "limit": limit})
        ended = table.bury_all(connection, tenant, doomed, reason, now)
        if ended or connection.total_changes == before:
            return ended


def sweep(
    connection: sqlite3.Connection, tenant: str, *, now: Millis, limit: int, forget_before: Millis, max_ended: int
) -> Buried:
    """Bury up to *limit* expired sessions and answer them; forget old tombstones and those beyond *max_ended*."""
    before = connection.total_changes
    doomed = table.select(connection, sql.DUE_ABSOLUTE, tenant, {"now": now, "limit": limit})
    ended = _bury_expired(connection, tenant, doomed, "absolute", now)
    idle = table.select(connection, sql.DUE_IDLE, tenant, {"now": now, "limit": limit - len(doomed)})
    ended += _bury_expired(connection, tenant, idle, "idle", now)
    full = _forget(connection, tenant, forget_before, max_ended, 10 * limit)
    # Where nothing was changed, another call would change nothing either.
    more = (full or len(doomed) + len(idle) == limit) and connection.total_changes > before
    return Buried(ended, more)


def _forget(connection: sqlite3.Connection, tenant: str, before: Millis, max_ended: int, limit: int) -> bool:
    """Forget old tombstones, those beyond *max_ended*, and old epochs; says whether *limit* stopped one of these."""
    terms = {
        "tenant": tenant, "schema": RECORD_SCHEMA, "max_ended": max_ended, "limit": limit, "before": before,
        "raised_before": before - EPOCH_KEPT,
    }  # fmt: skip
    forgotten = [
        connection.execute(each, terms).rowcount for each in (sql.FORGET_OLD, sql.FORGET_SURPLUS, sql.FORGET_EPOCHS)
    ]
    return limit in forgotten


def _bury_expired(
    connection: sqlite3.Connection,
    tenant: str,
    doomed: list[Decoded],
    clock: Reason,
    now: Millis,
) -> tuple[Tombstone, ...]:
    """Bury expired sessions, each for the clock that ran out first; a damaged row for the *clock* it was found by."""
    ended: tuple[Tombstone, ...] = ()
    for row in doomed:
        reason = row.sweepable_at(now) if isinstance(row, Record) else None
        ended += table.bury_all(connection, tenant, [row], reason or clock, now)
    return ended
