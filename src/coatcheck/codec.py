"""How the application's values become bytes and come back as what they were.

Values are msgpack, one encoding a key, so that stores can merge keys without reading them. What msgpack knows travels
as it is; tuples, sets, dates, `decimal.Decimal`, `uuid.UUID`, `datetime.timedelta` and naive datetimes travel tagged
and come back with their type. Everything else is refused where it is assigned, with the path to it: a value that came
back as something else would be a bug found much later. Nothing is ever executed when reading (no pickle).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Any, Final
from uuid import UUID

import msgspec

from coatcheck.errors import NotEncodable

_AS_IS: Final = frozenset({str, int, bool, float, bytes, type(None)})
_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1
_DEEPEST: Final = 64

# Tags are stored data: a number here never changes its meaning.
_TO_TAG: Final[dict[type, tuple[int, Callable[[Any], Any]]]] = {
    tuple: (1, list),
    set: (2, list),
    frozenset: (3, list),
    Decimal: (4, str),
    UUID: (5, lambda value: value.bytes),
    date: (6, date.isoformat),
    timedelta: (7, lambda value: [value.days, value.seconds, value.microseconds]),
    time: (8, time.isoformat),
    datetime: (9, datetime.isoformat),
}
_POSSIBLE: Final = (
    "Possible are None, bool, int, float, str, bytes, datetime, date, time, timedelta, Decimal, UUID, and list, tuple, "
    "set, frozenset and dict of them"
)
_UNORDERED: Final = (set, frozenset)
_ZONED: Final = 10
_FROM_TAG: Final[dict[int, Callable[[Any], Any]]] = {
    1: tuple,
    2: set,
    3: frozenset,
    4: Decimal,
    5: lambda raw: UUID(bytes=raw),
    6: date.fromisoformat,
    7: lambda parts: timedelta(*parts),
    8: time.fromisoformat,
    9: datetime.fromisoformat,
    _ZONED: lambda parts: _zoned(*parts),
}

_encoder: Final = msgspec.msgpack.Encoder()
_packer: Final = msgspec.msgpack.Encoder()
_unpacker: Final = msgspec.msgpack.Decoder(dict[str, bytes])


def encode(value: object, path: str = "value") -> bytes:
    """Return *value* as bytes that `decode` restores exactly.

    Raises:
        NotEncodable: the value, or one inside it, has a type that could not be restored; names where it is.
    """
    try:
        if type(value) in _AS_IS and type(value) is not int:
            return _encoder.encode(value)
        return _encoder.encode(_prepared(value, path, 0))
    except UnicodeEncodeError:
        raise NotEncodable(f"{path} holds text that is not valid Unicode (a lone surrogate)") from None


def decode(raw: bytes) -> Any:
    """Return the value that `encode` was given.

    Raises:
        msgspec.DecodeError: *raw* is not what `encode` makes.
    """
    try:
        return _decoder.decode(raw)
    except msgspec.DecodeError:
        raise
    except (ValueError, TypeError, ArithmeticError, AssertionError, LookupError, RecursionError) as fault:
        raise msgspec.DecodeError("a tagged value does not hold what its tag says") from fault


def pack(data: Mapping[str, bytes]) -> bytes:
    """Return a session's encoded keys as one piece, for stores that keep one."""
    return _packer.encode(dict(data))


def unpack(raw: bytes) -> dict[str, bytes]:
    """Return what `pack` was given.

    Raises:
        msgspec.DecodeError: *raw* is not what `pack` makes.
    """
    try:
        return _unpacker.decode(raw)
    except UnicodeDecodeError as fault:
        raise msgspec.DecodeError("a key is not text") from fault


def _prepared(value: Any, path: str, depth: int) -> Any:
    """Return *value* with what msgpack cannot restore replaced by tagged bytes."""
    kind = _kind(value)
    if kind is int and not _INT_MIN <= value <= _INT_MAX:
        raise NotEncodable(f"{path} is an integer of more than 64 bits; store it as text: str(value)")
    if kind in _AS_IS or (kind is datetime and value.tzinfo is UTC):
        return value
    if depth >= _DEEPEST:
        raise NotEncodable(f"{path} is nested more than {_DEEPEST} levels deep, or contains itself")
    if kind is list:
        return [_prepared(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
    if kind is dict:
        return {_key(key, path): _prepared(item, f"{path}[{key!r}]", depth + 1) for key, item in value.items()}
    if kind not in _TO_TAG:
        raise NotEncodable(_remedy(value, path))
    if kind in (datetime, time) and (value.fold or type(value.tzinfo) not in (NoneType, timezone)):
        return _prepared_moment(value, path)
    tag, plain = _TO_TAG[kind]
    prepared = _prepared(plain(value), path, depth + 1)
    if kind in _UNORDERED:
        # One order for equal sets, or reading one would look like a change.
        prepared.sort(key=_encoder.encode)
    return msgspec.msgpack.Ext(tag, _encoder.encode(prepared))


def _kind(value: object) -> type[object]:
    """Return the exact type: a subclass would come back as something else."""
    return type(value)


def _prepared_moment(value: datetime | time, path: str) -> msgspec.msgpack.Ext:
    """Tag a moment of a named time zone by the zone's name; refuse what carries a rule of its own."""
    from zoneinfo import ZoneInfo  # brings sysconfig: not for those who store no such thing

    zone = value.tzinfo
    if not isinstance(value, datetime) or not isinstance(zone, ZoneInfo) or not zone.key:
        raise NotEncodable(f"{path} is a time that cannot be restored exactly; store it in UTC, or as text")
    parts = [value.replace(tzinfo=None, fold=0).isoformat(), zone.key, value.fold]
    return msgspec.msgpack.Ext(_ZONED, _encoder.encode(parts))


def _zoned(text: str, zone: str, fold: int) -> datetime:
    """Return what `_prepared_moment` was given."""
    from zoneinfo import ZoneInfo

    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


def _key(key: Any, path: str) -> str | int:
    if type(key) is str or (type(key) is int and _INT_MIN <= key <= _INT_MAX):
        plain: str | int = key
        return plain
    raise NotEncodable(
        f"{path} has a key of type {type(key).__name__}; keys inside values must be str, or int of up to 64 bits"
    )


def _remedy(value: object, path: str) -> str:
    """Say what to write instead of a value of a type that cannot be restored."""
    kind = type(value)
    hint = "store plain values, or read the session as a typed object"
    if isinstance(value, Enum):
        hint = "store value.value, and make the member of it again when you read it"
    elif isinstance(value, (str, int, float, dict, list)):
        base = next(base.__name__ for base in (str, int, float, dict, list) if isinstance(value, base))
        hint = f"it would come back as a plain {base}; store {base}(value)"
    elif hasattr(value, "__dict__") or hasattr(value, "__slots__"):
        hint = "store its id or its plain fields, or read the session as a typed object"
    return f"{path} has the type {kind.__name__}, which a session cannot restore; {hint}. {_POSSIBLE}"


def _restored(code: int, raw: memoryview) -> Any:
    if code not in _FROM_TAG:
        raise msgspec.DecodeError(f"unknown tag {code}")
    return _FROM_TAG[code](_decoder.decode(raw))


_decoder: Final = msgspec.msgpack.Decoder(ext_hook=_restored)
