"""The epochs that the memory store keeps: the store-wide one and each user's.

Nothing here locks: the store calls it inside its own lock.
"""

from __future__ import annotations

from itertools import islice, takewhile
from typing import NamedTuple

from coatcheck import transitions
from coatcheck.model import Millis


class _Epoch(NamedTuple):
    """An epoch, and when it was last raised; ``None`` when it never was."""

    value: int = 0
    raised_at: Millis | None = None

    def raised(self, now: Millis) -> _Epoch:
        """Return the next one; the moment never moves back."""
        at = now if self.raised_at is None else max(now, self.raised_at)
        return _Epoch(transitions.raised(self.value, now), at)


class Epochs:
    """Which sign-ins are too old. A user's epoch is kept from its first raise until it is forgotten."""

    def __init__(self) -> None:
        """Start with nothing raised."""
        self._everybody = _Epoch()
        self._users: dict[str, _Epoch] = {}  # in the order of the last raises

    @property
    def everybody(self) -> int:
        """The store-wide epoch."""
        return self._everybody.value

    def of(self, user_id: str | None) -> int:
        """Return a user's epoch and the store-wide one together."""
        own = self._users.get(user_id) if user_id is not None else None
        return self._everybody.value + (own.value if own else 0)

    def is_stale(self, user_id: str | None, epoch: int | None, began_at: Millis | None) -> bool:
        """Whether a sign-in that read *epoch*, or began at *began_at*, is too old."""
        if epoch is not None and epoch != self.of(user_id):
            return True
        own = self._users.get(user_id, self._everybody) if user_id is not None else self._everybody
        raised = [at for at in (own.raised_at, self._everybody.raised_at) if at is not None]
        return began_at is not None and any(began_at <= at for at in raised)

    def raise_user(self, user_id: str, now: Millis) -> None:
        """Raise one user's epoch."""
        self._users[user_id] = self._users.pop(user_id, _Epoch()).raised(now)

    def raise_everybody(self, now: Millis) -> int:
        """Raise the store-wide epoch and return it."""
        self._everybody = self._everybody.raised(now)
        return self._everybody.value

    def forget(self, before: Millis, limit: int) -> bool:
        """Forget up to *limit* users' epochs that were last raised before *before*; says whether *limit* stopped it."""
        oldest = takewhile(lambda item: (item[1].raised_at or 0) < before, self._users.items())
        doomed = [user_id for user_id, _ in islice(oldest, limit)]
        for user_id in doomed:
            del self._users[user_id]
        return len(doomed) == limit
