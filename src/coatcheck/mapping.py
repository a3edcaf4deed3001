"""A session's data as an ordinary mutable mapping."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

from coatcheck.data import Data


class Keys(MutableMapping[str, Any]):
    """The keys of one session, as ``transaction()`` hands them to its function."""

    __slots__ = ("_data",)

    def __init__(self, data: Data) -> None:
        """Show *data*."""
        self._data = data

    def __getitem__(self, key: str) -> Any:
        """Return a key's value."""
        return self._data.get(key)

    def __setitem__(self, key: str, value: Any) -> None:
        """Assign a key."""
        self._data.set(key, value)

    def __delitem__(self, key: str) -> None:
        """Remove a key."""
        self._data.delete(key)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys."""
        return iter(self._data)

    def __len__(self) -> int:
        """Count the keys."""
        return len(self._data)

    def __contains__(self, key: object) -> bool:
        """Whether the key is there."""
        return key in self._data
