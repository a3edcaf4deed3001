"""Rows and records: how a session lies in ``coatcheck_sessions``, and how it is read back without trusting the table.

The columns are typed, so PostgreSQL itself refuses most of what a row could be damaged by. What is left becomes
`Damaged`, and a row of a newer format `FromTheFuture`; neither is ever an exception, and neither repeats a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias, get_args

import msgspec

from coatcheck.model import RECORD_SCHEMA, Damaged, Device, Found, FromTheFuture, Reason, Record, Tombstone
from coatcheck.origin import PLAIN, decode_origin, encode_origin
from coatcheck.stores.postgres import sql

RawRow: TypeAlias = Sequence[Any]
"""A row as psycopg hands it over, in the order of `coatcheck.stores.postgres.sql.NAMES`."""

Decoded: TypeAlias = Record | Tombstone | Damaged | FromTheFuture

WIDTH: Final = len(sql.NAMES)
ID: Final = sql.NAMES.index("id")
CREATED_AT: Final = sql.NAMES.index("created_at")
_SCHEMA: Final = sql.NAMES.index("schema")
_REASONS: Final = frozenset(get_args(Reason))


def decode(raw: RawRow) -> Decoded:
    """Read a row; never raises for what is in it."""
    if raw[_SCHEMA] > RECORD_SCHEMA:
        return FromTheFuture(raw[ID], raw[_SCHEMA])
    try:
        return _read(raw)
    except msgspec.MsgspecError:
        return Damaged(raw[ID], "column origin cannot be decoded")
    except ValueError as fault:
        return Damaged(raw[ID], str(fault))
    except TypeError:  # an array of arrays
        return Damaged(raw[ID], "a column cannot be decoded")


def _read(raw: RawRow) -> Record | Tombstone:
    """Return what a row holds.

    Raises:
        ValueError: it is damaged; the message repeats no value.
        msgspec.MsgspecError: its origin is.
    """
    (
        session_id, tenant, schema, digest, created_at, last_seen_at, idle, absolute, rotated_at, previous, nonce,
        confirmed_at, rotate_due, user_id, roles, auth_time, amr, aal, version, generation, epoch, locks, lifetime,
        persistent, agent_hash, browser, system, first_address, last_address, device_id, keys, values, ended_at,
        reason, had_data, origin,
    ) = raw  # fmt: skip
    device = None if agent_hash is None else Device(
        browser=browser, system=system, agent_hash=agent_hash, first_address=first_address,
        last_address=last_address, device_id=device_id,
    )  # fmt: skip
    if not digest or schema < 1 or (ended_at is not None and reason not in _REASONS):
        raise ValueError("a column holds a wrong value")
    if ended_at is not None:
        return Tombstone(
            id=session_id, secret_digest=digest, created_at=created_at, last_seen_at=last_seen_at, ended_at=ended_at,
            reason=reason, previous_digest=previous, waiting=nonce is not None and confirmed_at is None,
            user_id=user_id, device=device, had_data=had_data, tenant=tenant,
        )  # fmt: skip
    if len(keys) != len(values) or None in keys or None in values or None in roles or None in amr:
        raise ValueError("a column cannot be decoded")
    return Record(
        id=session_id, secret_digest=digest, created_at=created_at, last_seen_at=last_seen_at, idle_expires_at=idle,
        expires_at=absolute, rotated_at=rotated_at, previous_digest=previous, successor_nonce=nonce,
        confirmed_at=confirmed_at, rotate_due=rotate_due, user_id=user_id, roles=tuple(roles), auth_time=auth_time,
        amr=tuple(amr), aal=aal, version=version, generation=generation, epoch=epoch, locks=locks, lifetime=lifetime,
        persistent=persistent, tenant=tenant, device=device, data=dict(zip(keys, values, strict=True)),
        origin=PLAIN if origin is None else decode_origin(origin), schema=schema,
    )  # fmt: skip


def tombstones(rows: Sequence[RawRow]) -> tuple[Tombstone, ...]:
    """Return the tombstones that rows of a verb of death hold."""
    return tuple(found for found in map(decode, rows) if isinstance(found, Tombstone))


def parameters(record: Record, tenant: str) -> dict[str, object]:
    """Return the parameters that say a new *record*; its device is taken apart, so that nothing in it is opaque."""
    device = record.device
    return {
        "id": record.id, "tenant": tenant, "schema": record.schema, "secret_digest": record.secret_digest,
        "created_at": record.created_at, "last_seen_at": record.last_seen_at,
        "idle_expires_at": record.idle_expires_at, "expires_at": record.expires_at, "rotated_at": record.rotated_at,
        "previous_digest": record.previous_digest, "successor_nonce": record.successor_nonce,
        "confirmed_at": record.confirmed_at, "rotate_due": record.rotate_due, "user_id": record.user_id,
        "roles": list(record.roles), "auth_time": record.auth_time, "amr": list(record.amr), "aal": record.aal,
        "version": record.version, "generation": record.generation, "locks": record.locks,
        "lifetime": record.lifetime, "persistent": record.persistent,
        "agent_hash": None if device is None else device.agent_hash,
        "browser": None if device is None else device.browser, "system": None if device is None else device.system,
        "first_address": None if device is None else device.first_address,
        "last_address": None if device is None else device.last_address,
        "device_id": None if device is None else device.device_id,
        "keys": list(record.data), "values": list(record.data.values()), "origin": encode_origin(record.origin),
    }  # fmt: skip


def by_id(found: Sequence[RawRow]) -> dict[str, Found]:
    """Return what rows hold, by session id."""
    return {row[ID]: decode(row) for row in found}
