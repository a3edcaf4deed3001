"""A framework's own keys in a session's data, where they and the session's owner come to say different things.

Django and Flask-Login keep who is signed in under keys of the data, which applications write and remove by hand. The
session itself belongs to a user, and never becomes another's (CS-16).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from coatcheck.data import Data
from coatcheck.session import logout
from coatcheck.state import State


def written(data: Data, keys: Iterable[str]) -> dict[str, Any]:
    """Return the values of those *keys* that this request has assigned and not yet committed."""
    assigned = data.delta().assigned
    return {key: data.peek(key) for key in keys if key in assigned and key in data}


def put(data: Data, values: Mapping[str, Any]) -> None:
    """Assign those of *values* that are not there."""
    for key, value in values.items():
        if key not in data:
            data.set(key, value)


async def leave(state: State) -> None:
    """End a user's session whose key somebody has removed; what this request has assigned stays, as a visitor's.

    Raises:
        StoreUnavailable: as ``session.logout``.
    """
    own = written(state.data, state.data.delta().assigned)
    await logout(state)
    put(state.data, own)
