"""A store with a switch for each thing that can go wrong, around any store."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, cast

from coatcheck.errors import StoreUnavailable, UnreadableRecord
from coatcheck.model import RECORD_SCHEMA, Record, replace
from coatcheck.stores.contract import Store
from tests.web.scenarios import Faults

_UNREADABLE = b"\xc1"
"""The one octet that no MessagePack value begins with."""


class Faulty:
    """See the module's text."""

    def __init__(self, store: Store, faults: Faults) -> None:
        """Wrap *store*."""
        self._store, self._faults = store, faults

    def __getattr__(self, name: str) -> Any:
        """Return the store's own, or its verb with the faults that are switched on."""
        own = getattr(self._store, name)
        if not inspect.iscoroutinefunction(own) or name == "close":
            return own
        return self._verb(name, own)

    def _verb(self, name: str, own: Callable[..., Any]) -> Callable[..., Any]:
        async def verb(*args: Any, **options: Any) -> Any:
            if self._faults.down:
                raise StoreUnavailable("the engine at db.internal:5432 did not answer")
            found = await own(*args, **options)
            return [self._spoilt(each) for each in found] if name == "find" else found

        return verb

    def _spoilt(self, found: Any) -> Any:
        if not isinstance(found, Record):
            return found
        if self._faults.newer:
            raise UnreadableRecord.written_in(found.id, RECORD_SCHEMA + 1)
        return replace(found, data=dict.fromkeys(found.data, _UNREADABLE)) if self._faults.damaged else found


class Spoilt:
    """A store with a mistake in what it finds or does (`tests.web.grid.defects`)."""

    def __init__(self, store: Store, found: Callable[[list[Any]], list[Any]], given: Callable[[str, Any], Any]) -> None:
        """Wrap *store*: *found* changes what `find` answers, *given* what a verb is given."""
        self._store, self._found, self._given = store, found, given

    def __getattr__(self, name: str) -> Any:
        """Return the store's own, or its verb with the mistake."""
        own = getattr(self._store, name)
        if name not in ("find", "commit"):
            return own

        async def verb(*args: Any, **options: Any) -> Any:
            answer = await own(*args, **{key: self._given(key, value) for key, value in options.items()})
            return self._found(answer) if name == "find" else answer

        return verb


def faulty(store: Store, faults: Faults) -> Store:
    """Return *store* with *faults*, which a scenario switches on and off."""
    return cast("Store", Faulty(store, faults))
