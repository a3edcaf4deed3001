"""A session's data as a typed object: a dataclass or a `msgspec.Struct` whose fields are the keys.

Parsing happens once, when the object is asked for; afterwards it is an ordinary object, and what was changed in it is
found field by field when the request ends.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

import msgspec

from coatcheck.codec import encode
from coatcheck.errors import DataMismatch

T = TypeVar("T")

_KEPT: Final = (bytes, datetime, date, time, timedelta, Decimal, UUID)


class _Keys(Protocol):
    def peek(self, key: str) -> Any: ...

    def __contains__(self, key: object) -> bool: ...


class TypedView:
    """The watch over one typed object: what each field encoded to when it was read."""

    __slots__ = ("_before", "_hints", "_kind", "target")

    def __init__(self, target: Any, hints: Mapping[str, Any]) -> None:
        """Remember the fields, whose types are *hints*, as they are now."""
        self.target = target
        self._kind: type[Any] = type(target)
        self._hints = hints
        self._before = self.encoded()

    def encoded(self) -> dict[str, bytes]:
        """Return every field as it is now."""
        return {name: self._encoded(name) for name in self._hints}

    def changes(self, fields: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return those of *fields* that are no longer what they were."""
        return {name: raw for name, raw in fields.items() if raw != self._before[name]}

    def settled(self, fields: Mapping[str, bytes]) -> None:
        """Take *fields*, which were written, as the new beginning."""
        self._before = dict(fields)

    def assign(self, name: str, value: Any) -> None:
        """Follow an assignment through the mapping, so that the object and the mapping say the same.

        Raises:
            DataMismatch: the value does not fit the field.
        """
        if name in self._hints:
            self._put(name, _fitting(self._kind, name, self._hints[name], value))

    def refresh(self, data: _Keys) -> None:
        """Follow what somebody else wrote, in the fields that this request has not changed."""
        for name, hint in self._hints.items():
            if name in data and self._encoded(name) == self._before[name]:
                self._put(name, _fitting(self._kind, name, hint, data.peek(name)))
                self._before[name] = self._encoded(name)

    def _put(self, name: str, value: Any) -> None:
        """Set a field, unless the object is frozen: then nobody can have changed it either."""
        with suppress(AttributeError):
            setattr(self.target, name, value)

    def _encoded(self, name: str) -> bytes:
        plain = msgspec.to_builtins(getattr(self.target, name), builtin_types=_KEPT)
        return encode(plain, f"{type(self.target).__name__}.{name}")


def build(kind: type[T], data: _Keys) -> tuple[T, TypedView]:
    """Make a *kind* of the keys that its fields name; keys that are absent take the field's default.

    Raises:
        TypeError: *kind* is neither a dataclass nor a `msgspec.Struct`.
        DataMismatch: a stored value does not fit its field, or a field without a default is absent.
    """
    hints = field_types(kind)
    values: dict[str, Any] = {}
    for name, hint in hints.items():
        if name in data:
            values[name] = _fitting(kind, name, hint, data.peek(name))
    try:
        target = kind(**values)
    except TypeError:
        missing = [name for name in hints if name not in values]
        raise DataMismatch(
            f"{kind.__name__} needs a default for {', '.join(missing)}: a new session is empty"
        ) from None
    return target, TypedView(target, hints)


def _fitting(kind: type[Any], name: str, hint: Any, value: Any) -> Any:
    """Return *value* as the field's type.

    Raises:
        DataMismatch: it does not fit.
    """
    try:
        return msgspec.convert(value, hint, builtin_types=_KEPT)
    except msgspec.ValidationError:
        raise DataMismatch(
            f"session[{name!r}] does not fit {kind.__name__}.{name}: {_named(hint)}; "
            "give old data a default, or delete the key"
        ) from None


def field_types(kind: type[Any]) -> dict[str, Any]:
    """Return the field names and types of a dataclass or a `msgspec.Struct`.

    Raises:
        TypeError: *kind* is neither.
    """
    hints = typing.get_type_hints(kind, include_extras=True)
    if dataclasses.is_dataclass(kind):
        return {field.name: hints[field.name] for field in dataclasses.fields(kind) if field.init}
    if issubclass(kind, msgspec.Struct):
        return {name: hints[name] for name in kind.__struct_fields__}
    raise TypeError(f"{kind.__name__} is neither a dataclass nor a msgspec.Struct, so it cannot be a session's type")


def _named(hint: Any) -> str:
    return getattr(hint, "__name__", None) or str(hint)
