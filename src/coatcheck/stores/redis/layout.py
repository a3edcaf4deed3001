"""How a session lies in a Redis string, written and read; ``lua/head.lua`` says the same for the scripts.

A string is: the head with its fields at fixed offsets, the user, room for the last address, the parts, and the
application's keys.

========  =====  ======================================================================
offset    bytes  field (numbers are big-endian; `NEVER` stands for a time that is absent)
========  =====  ======================================================================
0         1      kind: ``L`` live, ``T`` tombstone
1         1      schema
2         1      flags: 1 rotation due, 2 locks, 4 persistent, 8 had data, 16 waiting
3         1      reason: 0 of a live session, else its place in `coatcheck.model.Reason`, from 1
4         1      assurance level, 255 for none
5         4      size of the whole string
9, 13     4      version, generation
17        7      store-wide epoch at creation
24        7      created
31        7      last seen
38        7      idle deadline
45        7      secret confirmed
52        7      absolute deadline
59        7      secret rotated; of a tombstone when it ended
66        7      user's last authentication
73        33     digest of the secret
106       2      bytes of the user id, 65,535 for an anonymous session
108              the user id
========  =====  ======================================================================

All of that stays where it is in every later format, because a release must be able to end what a newer one wrote, and
to judge how old it is. Activity is written over in place at 31. Then:

* room for an address: its bytes (0 where there is no device), the length of the address in it (255 for none), the room;
* the number of parts, and each with two bytes of length: digest before this one, nonce, roles, methods, lifetime (empty
  for ``default``), the rest of the device, and how the session came to be, which a plain one leaves out. Names end
  with NUL each. A newer release may add parts: they are kept;
* the application's keys: two bytes of length for the key, three for the value, then both. A tombstone has none.

The id and the tenant are in the name of the key. A string is read strictly: what does not fit is `Damaged`, told by the
field's name and never by its value.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import chain
from typing import Final, get_args

import msgspec
from msgspec import Struct

from coatcheck.model import RECORD_SCHEMA, Damaged, Device, Found, FromTheFuture, Millis, Reason, Record, Tombstone
from coatcheck.origin import PLAIN, Origin, decode_origin, encode_origin
from coatcheck.stores.redis.frames import Damage, frame, parts_of, unframe

NEVER: Final[Millis] = 2**53
"""A time that is absent: later than any other, so that deadlines compare without a special case."""

HEAD: Final = struct.Struct(">5B3I" + "BHI" * 8 + "33sH")
_BUT_MOMENTS: Final = struct.Struct(">5B3I56x33sH")
_EVEN: Final = struct.Struct(">16xQ6xQ6xQ6xQ")
_ODD: Final = struct.Struct(">23xQ6xQ6xQ6xQ")
"""To read numbers of seven bytes: each with the byte before it, which `_MOMENT` takes away, in two turns."""
_MOMENT: Final = 2**56 - 1
LIVE, ENDED = ord("L"), ord("T")
ROTATE_DUE, LOCKS, PERSISTENT, HAD_DATA, WAITING = 1, 2, 4, 8, 16
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)
NO_LEVEL: Final = 255

_NOBODY: Final = 0xFFFF
_NO_ADDRESS: Final = 255
_ROOM: Final = 15
"""Room that an address gets at least: every IPv4 address fits, so that the next one is written in its place."""
_DIGEST: Final = 33
_PLAIN_PARTS: Final = 6
"""Parts of a session of which nothing is said about how it came to be."""


class _Head(Struct, gc=False):
    """The fields at fixed offsets, in order."""

    kind: int
    schema: int
    flags: int
    reason: int
    aal: int
    size: int
    version: int
    generation: int
    epoch: int
    created_at: Millis
    last_seen_at: Millis
    idle_expires_at: Millis
    confirmed_at: Millis
    expires_at: Millis
    rotated_at: Millis
    auth_time: Millis
    digest: bytes
    user_size: int


class _Device(Struct, frozen=True, array_like=True):
    """A device but for its last address; fields that a newer release adds at the end are passed over."""

    browser: str | None
    system: str | None
    agent_hash: bytes
    first_address: str | None
    device_id: str | None


_read_device: Final = msgspec.msgpack.Decoder(_Device)


def encode(record: Record) -> bytes:
    """Return the string of a live *record*.

    Raises:
        ValueError: a field does not fit into its place; names it.
    """
    user = b"" if record.user_id is None else record.user_id.encode()
    if len(user) >= _NOBODY:
        raise ValueError("user_id is too long for this store")
    if len(record.secret_digest) != _DIGEST:
        raise ValueError("secret_digest does not have the length of a digest")
    rest = b"".join((user, _address(record.device), _parts(record), frame(record.data)))
    flags = ROTATE_DUE * record.rotate_due + LOCKS * record.locks + PERSISTENT * record.persistent
    times = (
        record.epoch, record.created_at, record.last_seen_at, record.idle_expires_at, record.confirmed_at,
        record.expires_at, record.rotated_at, record.auth_time,
    )  # fmt: skip
    try:
        head = HEAD.pack(
            LIVE, record.schema, flags, 0, NO_LEVEL if record.aal is None else record.aal, HEAD.size + len(rest),
            record.version, record.generation, *chain.from_iterable(map(_split, times)), record.secret_digest,
            _NOBODY if record.user_id is None else len(user),
        )  # fmt: skip
    except struct.error:
        raise ValueError("a number of the record is too large for this store, or negative") from None
    return head + rest


def names(given: Iterable[str]) -> bytes:
    """Return roles or methods as they lie in a string."""
    return b"".join(name.encode() + b"\0" for name in given)


def decode(id: str, tenant: str, raw: bytes | None) -> Found:
    """Read the string of the session *id*; never raises for what is in it."""
    if raw is None:
        return None
    try:
        head = _head(raw)
        if head.schema > RECORD_SCHEMA:
            return FromTheFuture(id, head.schema)
        return _record(id, tenant, head, raw) if head.kind == LIVE else _tombstone(id, tenant, head, raw)
    except Damage as damage:
        return Damaged(id, str(damage))
    except UnicodeDecodeError:
        return Damaged(id, "a field is no text")


def data_of(raw: bytes) -> dict[str, bytes]:
    """Return the application's keys in the string of a live session; nothing where they cannot be read."""
    try:
        head = _head(raw)
        if head.schema > RECORD_SCHEMA or head.kind != LIVE:
            return {}
        return unframe(raw, _body(head, raw).data_at)
    except (Damage, UnicodeDecodeError):
        return {}


class _Body(Struct, gc=False):
    """What follows the head."""

    user_id: str | None
    address: str | None
    device: Device | None
    parts: list[bytes]
    data_at: int


def _head(raw: bytes) -> _Head:
    if len(raw) < HEAD.size:
        raise Damage("it is too short")
    kind, schema, flags, reason, aal, size, version, generation, digest, user_size = _BUT_MOMENTS.unpack_from(raw)
    if kind not in (LIVE, ENDED):
        raise Damage("kind is unknown")
    if schema < 1:
        raise Damage("schema is not one")
    epoch, seen, confirmed, rotated = _EVEN.unpack_from(raw)
    created, idle, expires, auth = _ODD.unpack_from(raw)
    created, seen, rotated = created & _MOMENT, seen & _MOMENT, rotated & _MOMENT
    epoch, idle, confirmed = epoch & _MOMENT, idle & _MOMENT, confirmed & _MOMENT
    expires, auth = expires & _MOMENT, auth & _MOMENT
    if max(created, seen, rotated) >= NEVER or max(epoch, idle, confirmed, expires, auth) > NEVER:
        raise Damage("a time is no time")
    return _Head(
        kind, schema, flags, reason, aal, size, version, generation, epoch, created, seen, idle, confirmed, expires,
        rotated, auth, digest, user_size,
    )  # fmt: skip


def _body(head: _Head, raw: bytes) -> _Body:
    if head.size != len(raw):
        raise Damage("size is not that of the string")
    at, user_id = HEAD.size, None
    if head.user_size != _NOBODY:
        at += head.user_size
        user_id = str(raw[HEAD.size : at], "utf-8")
    if at + 2 > len(raw):
        raise Damage("address is cut off")
    room, size = raw[at], raw[at + 1]
    address = None if size == _NO_ADDRESS else str(raw[at + 2 : at + 2 + size], "utf-8")
    if address is not None and size > room:
        raise Damage("address is longer than its room")
    parts, data_at = parts_of(raw, at + 2 + room)
    return _Body(user_id, address, _device(parts[5], address, room), parts, data_at)


def _record(id: str, tenant: str, head: _Head, raw: bytes) -> Record:
    body = _body(head, raw)
    previous, nonce, roles, amr, lifetime, *_ = body.parts
    if head.reason:
        raise Damage("reason is given for a live session")
    flags, idle, expires = head.flags, head.idle_expires_at, head.expires_at
    confirmed, auth = head.confirmed_at, head.auth_time
    return Record(
        id=id, secret_digest=head.digest, created_at=head.created_at, last_seen_at=head.last_seen_at,
        idle_expires_at=None if idle == NEVER else idle, expires_at=None if expires == NEVER else expires,
        rotated_at=head.rotated_at, previous_digest=_previous(previous) if previous else None,
        successor_nonce=nonce or None, confirmed_at=None if confirmed == NEVER else confirmed,
        rotate_due=flags & ROTATE_DUE != 0, user_id=body.user_id, roles=_names(roles, "roles") if roles else (),
        auth_time=None if auth == NEVER else auth, amr=_names(amr, "amr") if amr else (),
        aal=None if head.aal == NO_LEVEL else head.aal, version=head.version, generation=head.generation,
        epoch=head.epoch, locks=flags & LOCKS != 0, lifetime=str(lifetime, "utf-8") if lifetime else "default",
        persistent=flags & PERSISTENT != 0, tenant=tenant, device=body.device,
        data=unframe(raw, body.data_at) if body.data_at < len(raw) else {},
        origin=PLAIN if len(body.parts) == _PLAIN_PARTS else _origin(body.parts[_PLAIN_PARTS]), schema=head.schema,
    )  # fmt: skip


def _tombstone(id: str, tenant: str, head: _Head, raw: bytes) -> Tombstone:
    body = _body(head, raw)
    if not 1 <= head.reason <= len(REASONS):
        raise Damage("reason is unknown")
    if body.data_at != len(raw):
        raise Damage("data is left in a tombstone")
    return Tombstone(
        id=id, secret_digest=head.digest, created_at=head.created_at,
        last_seen_at=head.last_seen_at, ended_at=head.rotated_at,
        reason=REASONS[head.reason - 1], previous_digest=_previous(body.parts[0]),
        waiting=bool(head.flags & WAITING), user_id=body.user_id, device=body.device,
        had_data=bool(head.flags & HAD_DATA), tenant=tenant,
    )  # fmt: skip


def _split(moment: Millis | None) -> tuple[int, int, int]:
    """Return a number of seven bytes as struct packs it."""
    moment = NEVER if moment is None else moment
    return moment >> 48, moment >> 32 & 0xFFFF, moment & 0xFFFFFFFF


def _previous(raw: bytes) -> bytes | None:
    if len(raw) not in (0, _DIGEST):
        raise Damage("previous_digest does not have the length of a digest")
    return raw or None


@lru_cache(maxsize=256)
def _names(raw: bytes, field: str) -> tuple[str, ...]:
    if not raw:
        return ()
    if not raw.endswith(b"\0"):
        raise Damage(f"{field} is cut off")
    return tuple(str(raw[:-1], "utf-8").split("\0"))


def _address(device: Device | None) -> bytes:
    """Return the room for the last address, with it."""
    if device is None:
        return bytes((0, _NO_ADDRESS))
    if device.last_address is None:
        return bytes((_ROOM, _NO_ADDRESS)) + bytes(_ROOM)
    address = device.last_address.encode()
    if len(address) >= _NO_ADDRESS:
        raise ValueError("last_address is too long for this store")
    room = max(_ROOM, len(address))
    return bytes((room, len(address))) + address.ljust(room, b"\0")


def _parts(record: Record) -> bytes:
    """Return the parts, each with its length before it."""
    device = record.device
    rest = b"" if device is None else msgspec.msgpack.encode(
        _Device(device.browser, device.system, device.agent_hash, device.first_address, device.device_id)
    )  # fmt: skip
    lifetime = b"" if record.lifetime == "default" else record.lifetime.encode()
    previous, nonce = record.previous_digest or b"", record.successor_nonce or b""
    parts = [previous, nonce, names(record.roles), names(record.amr), lifetime, rest]
    origin = encode_origin(record.origin)
    if origin is not None:
        parts.append(origin)
    if any(len(part) > 0xFFFF for part in parts):
        raise ValueError("roles, methods, the device or the origin are too long for this store")
    return bytes((len(parts),)) + b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def _device(raw: bytes, address: str | None, room: int) -> Device | None:
    if not raw and not room and address is None:
        return None
    try:
        known = _read_device.decode(raw)
    except (msgspec.MsgspecError, ValueError):
        raise Damage("device cannot be read") from None
    return Device(
        browser=known.browser, system=known.system, agent_hash=known.agent_hash, first_address=known.first_address,
        last_address=address, device_id=known.device_id,
    )  # fmt: skip


def _origin(raw: bytes) -> Origin:
    """Return how a session came to be; nothing in the part's place is a plain one, where a later part follows."""
    try:
        return decode_origin(raw or None)
    except msgspec.MsgspecError:
        raise Damage("origin cannot be read") from None


def read_epoch(raw: bytes | None) -> int:
    """Return the value of an epoch's string, 0 where it was never raised."""
    value = (raw or b"").partition(b" ")[0]
    return int(value) if value.isdigit() else 0


def changes(given: Mapping[str, bytes], gone: Iterable[str]) -> tuple[bytes, bytes]:
    """Return keys to set and keys to unset as scripts take them."""
    return frame(given), frame(dict.fromkeys(gone, b""))
