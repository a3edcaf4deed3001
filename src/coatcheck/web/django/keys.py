"""Django's own keys in a session's data: who writes them by hand signs in, and who removes them signs out."""

from __future__ import annotations

from typing import Any, Final

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

from coatcheck.data import Data
from coatcheck.state import State
from coatcheck.web.django import expiry
from coatcheck.web.leaving import leave, written

_SIGN_IN: Final = (SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY, expiry.EXPIRY, expiry.DEADLINE)
"""What is written before the session is the user's: Django's three keys, and how long it is to last."""


def of_a_sign_in(data: Data) -> dict[str, Any]:
    """Return what this request has written of a sign-in."""
    return written(data, _SIGN_IN)


async def leave_if_removed(state: State) -> None:
    """End a user's session whose key this request has removed, as ``request.session.clear()`` does.

    Raises:
        StoreUnavailable: as ``session.logout``.
    """
    record = state.live
    if record is None or record.user_id is None:
        return
    if SESSION_KEY in record.data and SESSION_KEY not in state.data:
        await leave(state)
