"""What is left of a row that cannot be read as a whole, when its session ends.

A damaged row and one of a newer release end like any other. Each column is read for itself; the tombstone keeps those
that this release understands, and is written in its format.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Final

import msgspec

from coatcheck.model import RECORD_SCHEMA, Millis, Reason, Tombstone
from coatcheck.stores.sqlite import sql
from coatcheck.stores.sqlite.rows import RawRow, Row, decode_device

_COLUMNS: Final = {field.name: (at, field.type) for at, field in enumerate(msgspec.structs.fields(Row))}


def has_ended(raw: RawRow) -> bool:
    """Whether a row of whatever format is a tombstone: every format has ``ended_at`` in its place."""
    return raw[_COLUMNS["ended_at"][0]] is not None


def bury(connection: sqlite3.Connection, tenant: str, id: str, reason: Reason, now: Millis) -> Tombstone | None:
    """End a session whose row cannot be read and answer its tombstone.

    A row without a readable digest or beginning makes no tombstone: it is removed, and the answer is ``None``; so it is
    when the row had ended before.
    """
    raw = connection.execute(sql.FIND, (id, tenant)).fetchone()
    if raw is None or has_ended(raw):
        return None
    connection.execute(sql.DROP_SIDES, (id,))
    fields = {name: _read(raw, name) for name in _COLUMNS}
    if None in (fields["secret_digest"], fields["created_at"], fields["last_seen_at"]):
        connection.execute(sql.REMOVE, (id, tenant))
        return None
    device = _device(fields["device"])
    terms = {
        **fields, "id": id, "schema": RECORD_SCHEMA, "ended_at": now, "reason": reason,
        "device": None if device is None else fields["device"],
    }  # fmt: skip
    connection.execute(sql.BURY_UNREADABLE, terms)
    return Tombstone(
        id=id, secret_digest=fields["secret_digest"], created_at=fields["created_at"],
        last_seen_at=fields["last_seen_at"], ended_at=now, reason=reason, previous_digest=fields["previous_digest"],
        waiting=fields["successor_nonce"] is not None and fields["confirmed_at"] is None, user_id=fields["user_id"],
        device=device, had_data=True, tenant=tenant,
    )  # fmt: skip


def _read(raw: RawRow, name: str) -> Any:
    """Return a column's value, ``None`` when it is not of its kind. Any, because each column has its own type."""
    at, kind = _COLUMNS[name]
    try:
        return msgspec.convert(raw[at], kind, builtin_types=(bytes,))
    except msgspec.ValidationError:
        return None


def _device(stored: bytes | None) -> Any:
    try:
        return decode_device(stored)
    except (msgspec.MsgspecError, ValueError):
        return None
