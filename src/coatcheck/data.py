"""The application's data in one request: read lazily, changed in memory, written as a delta.

Values are decoded when they are first read. A change is found in two ways, so that none is ever lost in silence:

* an assigned or deleted key is a change, always (the last commit of a key wins);
* a value that was handed out and can be changed in place (a list inside the session) is encoded again when the delta
  is taken, and written if it is no longer what was read.

A value that cannot be restored exactly is refused where it is assigned, or, if it was put inside a handed-out value,
when the delta is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from coatcheck.codec import decode, encode
from coatcheck.errors import DataMismatch, NotEncodable
from coatcheck.model import is_text
from coatcheck.typed import TypedView
from coatcheck.verbs import Change

_FIXED: Final = frozenset({str, int, bool, float, bytes, type(None)})
_DELETED: Final = object()


class Delta(Change, frozen=True):
    """A change, and what `Data.settled` needs to go on from it: how every value looked when it was taken."""

    encoded: Mapping[str, bytes] = {}
    assigned: Mapping[str, int] = {}
    views: tuple[Mapping[str, bytes], ...] = ()


class Data:
    """One session's keys as this request sees them."""

    __slots__ = ("_assigned", "_baseline", "_raw", "_serial", "_values", "_views")

    def __init__(self, raw: Mapping[str, bytes]) -> None:
        """Begin with the keys as the store has them."""
        self._raw = raw
        self._values: dict[str, Any] = {}
        self._baseline: dict[str, bytes] = {}
        self._assigned: dict[str, int] = {}
        self._serial = 0
        self._views: list[TypedView] = []

    def get(self, key: str) -> Any:
        """Return a key's value.

        Raises:
            KeyError: there is no such key.
        """
        value = self._values.get(key, self)
        if value is _DELETED:
            raise KeyError(key)
        if value is not self:
            return value
        raw = self._raw[key]
        value = decode(raw)
        self._values[key] = value
        if type(value) not in _FIXED:
            self._baseline[key] = raw
        return value

    def peek(self, key: str) -> Any:
        """Return a key's value without watching it; for a reader that makes its own copy.

        Raises:
            KeyError: there is no such key.
        """
        if key in self._values or key not in self._raw:
            return self.get(key)
        return decode(self._raw[key])

    def set(self, key: str, value: Any) -> None:
        """Assign a key.

        Raises:
            TypeError: *key* is not a string.
            NotEncodable: the value could not be restored as it is, or the key has a lone surrogate or a NUL.
        """
        if type(key) is not str:
            raise TypeError(f"session keys are str, not {type(key).__name__}")
        if not is_text(key):
            raise NotEncodable(f"the session key {key!r} is no valid Unicode, or holds a NUL; no store could keep it")
        encode(value, f"session[{key!r}]")
        for view in self._views:
            view.assign(key, value)
        self._values[key] = value
        self._mark(key)

    def delete(self, key: str) -> None:
        """Remove a key.

        Raises:
            KeyError: there is no such key.
        """
        if key not in self:
            raise KeyError(key)
        self._values[key] = _DELETED
        self._mark(key)

    def _mark(self, key: str) -> None:
        """Take note of an assignment, also of one that comes while the last delta is on its way to the store."""
        self._baseline.pop(key, None)
        self._serial += 1
        self._assigned.pop(key, None)
        self._assigned[key] = self._serial

    def __contains__(self, key: object) -> bool:
        """Whether the key is there."""
        value = self._values.get(key, self)  # type: ignore[call-overload]  # any object may be looked for
        return key in self._raw if value is self else value is not _DELETED

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys: those read first, then those this request added."""
        for key in self._raw:
            if self._values.get(key) is not _DELETED:
                yield key
        for key, value in self._values.items():
            if key not in self._raw and value is not _DELETED:
                yield key

    def __len__(self) -> int:
        """Count the keys."""
        return sum(1 for _ in self)

    @property
    def idle(self) -> bool:
        """Whether nothing was handed out that could be changed, and nothing assigned: then there is no delta."""
        return not self._assigned and not self._baseline and not self._views

    def typed(self, view: TypedView) -> None:
        """Watch the fields of a typed object that was made of this data."""
        self._views.append(view)

    def view(self, kind: type[Any]) -> Any:
        """Return the typed object of this kind that was made before, if any."""
        return next((view.target for view in self._views if type(view.target) is kind), None)

    def delta(self) -> Delta:
        """Return what has changed since the data was read or last settled; changes nothing itself.

        Raises:
            NotEncodable: something was put inside a handed-out value that could not be restored.
            DataMismatch: one key was changed in two ways.
        """
        if self.idle:
            return _NO_DELTA
        encoded: dict[str, bytes] = {}
        changed: dict[str, bytes] = {}
        for key in self._assigned:
            value = self._values[key]
            if value is not _DELETED:
                changed[key] = encoded[key] = encode(value, f"session[{key!r}]")
        for key, before in self._baseline.items():
            after = encoded[key] = encode(self._values[key], f"session[{key!r}]")
            if after != before:
                changed[key] = after
        unset = frozenset(key for key in self._assigned if key in self._raw and self._values[key] is _DELETED)
        seen = tuple(view.encoded() for view in self._views)
        for view, fields in zip(self._views, seen, strict=True):
            _join(changed, unset, view, fields)
        return Delta(changed, unset, encoded, dict(self._assigned), seen)

    def settled(self, raw: Mapping[str, bytes], delta: Delta) -> None:
        """Go on from *raw*, the data as the store has it now that *delta* was written.

        Values that were handed out stay the same objects and are compared with what they were when the delta was
        taken, so that a change made to them meanwhile or later is still found; so is a key assigned meanwhile.
        """
        self._raw = raw
        for view, fields in zip(self._views, delta.views, strict=False):
            view.settled(fields)
        for key, serial in delta.assigned.items():
            if self._assigned.get(key) == serial:
                del self._assigned[key]
        for key in self._values.keys() - self._assigned.keys():
            value = self._values[key]
            if value is _DELETED or type(value) in _FIXED:
                del self._values[key]
            elif key in delta.encoded:
                self._baseline[key] = delta.encoded[key]

    def refresh(self, raw: Mapping[str, bytes]) -> None:
        """Go on from *raw*, which somebody else wrote: bring handed-out values up to date, in place.

        A value that was changed meanwhile is left alone; its change is found when the next delta is taken.
        """
        self._raw = raw
        for key in self._values.keys() - self._assigned.keys():
            value, before = self._values[key], self._baseline.get(key)
            if before is None or key not in raw:
                del self._values[key]
                self._baseline.pop(key, None)
            elif raw[key] != before and encode(value) == before and _replace(value, decode(raw[key])):
                self._baseline[key] = raw[key]
        for view in self._views:
            view.refresh(self)


def _replace(value: Any, current: Any) -> bool:
    """Give a handed-out container the content of *current*; ``False`` for a kind that cannot be changed in place."""
    if type(value) is not type(current):
        return False
    if type(value) is list:
        value[:] = current
    elif type(value) in (dict, set):
        value.clear()
        value.update(current)
    else:
        return False
    return True


def _join(changed: dict[str, bytes], unset: frozenset[str], view: TypedView, fields: Mapping[str, bytes]) -> None:
    """Add a typed object's changes to the mapping's.

    Raises:
        DataMismatch: a key was changed in both, to different values.
    """
    for key, raw in view.changes(fields).items():
        if changed.get(key, raw) != raw or key in unset:
            raise DataMismatch(
                f"session[{key!r}] was changed both in the mapping and in a {type(view.target).__name__}; "
                "change it in one of them"
            )
        changed[key] = raw


_NO_DELTA: Final = Delta({})
