"""Rows and records: how a session lies in the ``sessions`` table, and how it is read back without trusting the file.

A row is read strictly. Whatever this release cannot read becomes `Damaged`, and a row of a newer format becomes
`FromTheFuture`; neither is ever an exception. What went wrong is told by the column's name, never by its value.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from coatcheck import codec
from coatcheck.discreet import Discreet
from coatcheck.model import RECORD_SCHEMA, Damaged, Device, FromTheFuture, Reason, Record, Tombstone
from coatcheck.origin import PLAIN, decode_origin, encode_origin

RawRow: TypeAlias = tuple[Any, ...]
"""A row as sqlite3 hands it over, in the order of `Row`'s fields. Any, because the file may hold anything."""

Decoded: TypeAlias = Record | Tombstone | Damaged | FromTheFuture

_Flag: TypeAlias = Literal[0, 1]
_Count: TypeAlias = Annotated[int, Meta(ge=0)]

_SCHEMA: Final = 2


class Row(Discreet, frozen=True, array_like=True):
    """The columns of ``sessions``, in order, as they must be for a row to be whole."""

    id: str
    tenant: str
    schema: Annotated[int, Meta(ge=1)]
    secret_digest: Annotated[bytes, Meta(min_length=1)]
    created_at: int
    last_seen_at: int
    idle_expires_at: int | None
    expires_at: int | None
    rotated_at: int
    previous_digest: bytes | None
    successor_nonce: bytes | None
    confirmed_at: int | None
    rotate_due: _Flag
    user_id: str | None
    roles: str
    auth_time: int | None
    amr: str
    aal: int | None
    version: _Count
    generation: _Count
    epoch: _Count
    locks: _Flag
    lifetime: str
    persistent: _Flag
    device: bytes | None
    data: bytes | None
    ended_at: int | None
    reason: Reason | None
    had_data: _Flag
    origin: bytes | None

    def __repr__(self) -> str:
        """Show the public handle alone."""
        return f"Row(id={self.id!r})"


_read_names: Final = msgspec.json.Decoder(tuple[str, ...])
_read_device: Final = msgspec.msgpack.Decoder(Device)
_COLUMN: Final = re.compile(r"\$\[(\d+)\]")


def decode(raw: RawRow) -> Decoded:
    """Read a row; never raises for what is in it."""
    schema = raw[_SCHEMA]
    if type(schema) is int and schema > RECORD_SCHEMA:
        return FromTheFuture(str(raw[0]), schema)
    try:
        row = msgspec.convert(raw, Row, builtin_types=(bytes,))
        return _record(row) if row.ended_at is None else _tombstone(row)
    except (msgspec.MsgspecError, ValueError) as fault:
        return Damaged(str(raw[0]), _why(fault))


def encode(record: Record) -> RawRow:
    """Return the row of a live *record*."""
    return (
        record.id, record.tenant, record.schema, record.secret_digest, record.created_at, record.last_seen_at,
        record.idle_expires_at, record.expires_at, record.rotated_at, record.previous_digest, record.successor_nonce,
        record.confirmed_at, int(record.rotate_due), record.user_id, encode_names(record.roles), record.auth_time,
        encode_names(record.amr), record.aal, record.version, record.generation, record.epoch, int(record.locks),
        record.lifetime, int(record.persistent), encode_device(record.device), encode_data(record), None, None, 0,
        encode_origin(record.origin),
    )  # fmt: skip


def encode_names(names: tuple[str, ...]) -> str:
    """Return roles or methods as JSON text, which a person can read in the file."""
    return msgspec.json.encode(names).decode()


def encode_data(record: Record) -> bytes:
    """Return the application's keys as one MessagePack map."""
    return codec.pack(record.data)


def encode_device(device: Device | None, stored: bytes | None = None) -> bytes | None:
    """Return a device as a MessagePack map, over what *stored* holds so that a newer release's fields stay."""
    if device is None:
        return None
    fields: dict[str, object] = msgspec.structs.asdict(device)
    if stored is not None:
        fields = msgspec.msgpack.decode(stored, type=dict[str, object]) | fields
    return msgspec.msgpack.encode(fields)


def _record(row: Row) -> Record:
    if row.data is None:
        raise ValueError("column data is empty")
    return Record(
        id=row.id, secret_digest=row.secret_digest, created_at=row.created_at, last_seen_at=row.last_seen_at,
        idle_expires_at=row.idle_expires_at, expires_at=row.expires_at, rotated_at=row.rotated_at,
        previous_digest=row.previous_digest, successor_nonce=row.successor_nonce, confirmed_at=row.confirmed_at,
        rotate_due=row.rotate_due == 1, user_id=row.user_id, roles=_read_names.decode(row.roles),
        auth_time=row.auth_time, amr=_read_names.decode(row.amr), aal=row.aal, version=row.version,
        generation=row.generation, epoch=row.epoch, locks=row.locks == 1, lifetime=row.lifetime,
        persistent=row.persistent == 1, tenant=row.tenant, device=decode_device(row.device),
        data=codec.unpack(row.data), origin=PLAIN if row.origin is None else decode_origin(row.origin),
        schema=row.schema,
    )  # fmt: skip


def _tombstone(row: Row) -> Tombstone:
    if row.ended_at is None or row.reason is None:
        raise ValueError("an ended session has no reason")
    return Tombstone(
        id=row.id, secret_digest=row.secret_digest, created_at=row.created_at, last_seen_at=row.last_seen_at,
        ended_at=row.ended_at, reason=row.reason, previous_digest=row.previous_digest,
        waiting=row.successor_nonce is not None and row.confirmed_at is None, user_id=row.user_id,
        device=decode_device(row.device), had_data=row.had_data == 1, tenant=row.tenant,
    )  # fmt: skip


def decode_device(stored: bytes | None) -> Device | None:
    """Return what `encode_device` was given; a newer release's fields are passed over.

    Raises:
        msgspec.DecodeError: *stored* is no device.
    """
    return None if stored is None else _read_device.decode(stored)


def _why(fault: Exception) -> str:
    """Say what is wrong without repeating a value, which msgspec's own message may do."""
    column = _COLUMN.search(str(fault)) if isinstance(fault, msgspec.ValidationError) else None
    if column is not None and int(column[1]) < len(Row.__struct_fields__):
        return f"column {Row.__struct_fields__[int(column[1])]} holds a wrong value"
    return "a column cannot be decoded"
