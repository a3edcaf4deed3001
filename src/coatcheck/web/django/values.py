"""A session's data as Django's session API expects it."""

from __future__ import annotations

import json
from collections.abc import Iterator, MutableMapping
from typing import Any

from coatcheck.errors import NotEncodable
from coatcheck.session import BlockingSession


class Values(MutableMapping[str, Any]):
    """The keys of a session. Values keep their types; what only JSON could keep becomes what JSON makes of it.

    Django's sessions write JSON, which takes a subclass of ``str``, ``int``, ``list`` or ``dict`` for its base: a
    member of ``TextChoices``, a ``SafeString``. Existing code relies on that. Keys become text as JSON's do, and are
    found again by what they were.
    """

    __slots__ = ("_session",)

    def __init__(self, session: BlockingSession) -> None:
        """Show *session*."""
        self._session = session

    def __getitem__(self, key: str) -> Any:
        """Return a key's value."""
        return self._session[_name(key)]

    def __setitem__(self, key: str, value: Any) -> None:
        """Assign a key.

        Raises:
            NotEncodable: neither coatcheck nor JSON could restore the value.
        """
        try:
            self._session[_name(key)] = value
        except NotEncodable as fault:
            self._session[_name(key)] = _as_json_would(value, fault)

    def __delitem__(self, key: str) -> None:
        """Remove a key."""
        del self._session[_name(key)]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys."""
        return iter(self._session)

    def __len__(self) -> int:
        """Count the keys."""
        return len(self._session)

    def __contains__(self, key: object) -> bool:
        """Whether the key is there."""
        return _name(key) in self._session


def _name(key: Any) -> Any:
    """Return what JSON makes of a key; what it has no name for as it is, to be found nowhere and refused."""
    if type(key) is str:
        return key
    try:
        return next(iter(json.loads(json.dumps({key: None}))))
    except (TypeError, ValueError):
        return key


def _as_json_would(value: Any, fault: NotEncodable) -> Any:
    """Return what Django would read back, or raise *fault*."""
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError):
        raise fault from None
