"""``flask.session`` where Flask-Login is: its keys tell the truth about the session that they lie in.

Flask-Login keeps who is signed in under ``_user_id``. Here the session itself belongs to a user, so that it can be
listed and revoked; the key says who that is. A value that somebody writes there by hand, as Flask-Login's own test
client does, counts at once and becomes a sign-in when the request ends. Removing it counts at once too, and becomes a
sign-out.
"""

from __future__ import annotations

from typing import Any, Final

from coatcheck.model import Millis
from coatcheck.runtime import finish
from coatcheck.web.exchange import Exchange
from coatcheck.web.flask.session import FlaskSession
from coatcheck.web.leaving import leave

USER: Final = "_user_id"
FRESH: Final = "_fresh"
BROWSER: Final = "_id"


class LoginSession(FlaskSession):
    """See the module's text.

    Attributes:
        legacy: whether the request came with Flask-Login's remember cookie, which is to be deleted.
        by_hand: whether ``_user_id`` was written in this request and nobody is signed in by it yet.
    """

    __slots__ = ("_fresh_for", "_left", "by_hand", "legacy")

    def __init__(self, exchange: Exchange, *, alone: bool, fresh_for: Millis, legacy: bool) -> None:
        """Show the session of *exchange*; a remembered sign-in is fresh for *fresh_for* milliseconds."""
        super().__init__(exchange, alone=alone)
        self._fresh_for = fresh_for
        self.legacy = legacy
        self.by_hand = False
        self._left: str | None = None

    @property
    def left(self) -> bool:
        """Whether ``_user_id`` was removed in this request from the session as it is, and nobody has ended it yet."""
        return self._left is not None and self._left == self._state.id

    def __getitem__(self, key: str) -> Any:
        """Return a key's value."""
        if key == USER and not self.by_hand:
            return self._owner()
        value = super().__getitem__(key)
        return False if key == FRESH and self._is_stale() else value

    def __setitem__(self, key: str, value: Any) -> None:
        """Assign a key."""
        super().__setitem__(key, value)
        if key == USER:
            self.by_hand, self._left = True, None

    def __delitem__(self, key: str) -> None:
        """Remove a key."""
        if key == USER:
            self.by_hand, self._left = False, None if self.user_id is None else self.id
            if key not in self:
                return
        super().__delitem__(key)

    def logout(self) -> None:
        """As `AsyncSession.logout`."""
        self.by_hand = False
        super().logout()

    def leave(self) -> None:
        """End the session because ``_user_id`` was removed; what the request wrote stays, as a visitor's.

        Raises:
            StoreUnavailable: as `logout`.
        """
        finish(leave(self._state))

    def _owner(self) -> Any:
        """Return whom the session belongs to, as Flask-Login named them.

        Raises:
            KeyError: nobody is signed in.
        """
        owner = self.user_id
        if owner is None or self.left:
            raise KeyError(USER)
        stored = super().__getitem__(USER) if USER in self else owner
        return stored if str(stored) == owner else owner

    def _is_stale(self) -> bool:
        """Whether a remembered user proved too long ago who they are.

        Flask-Login's own remembered users are not fresh once their browser was closed. Nobody is told of that here, so
        time stands for it.
        """
        record = self._state.live
        if record is None or record.lifetime != "remember_me":
            return False
        return record.auth_time is None or self._state.core.now() - record.auth_time > self._fresh_for
