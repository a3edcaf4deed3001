"""When somebody's roles were changed elsewhere, as the library's events tell it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from coatcheck.events import Event
from coatcheck.model import Millis
from coatcheck.session_view import Session

MOST_USERS: Final = 1000
"""Users that are remembered; who was changed longest ago is forgotten first."""


class News:
    """Listens for changes of roles. Who made one is not in the event, so no page says it."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self._changed: OrderedDict[str, Millis] = OrderedDict()

    def __call__(self, event: Event) -> None:
        """Take note of a change."""
        if event.name == "session.roles_changed" and event.user_id is not None:
            self._changed[event.user_id] = event.at
            self._changed.move_to_end(event.user_id)
            if len(self._changed) > MOST_USERS:
                self._changed.popitem(last=False)

    def of(self, session: Session) -> Millis | None:
        """Return when the roles in *session* were changed elsewhere; ``None`` when they are those of its sign-in."""
        began = session.created_at
        if session.user_id is None or session.actor_id is not None or began is None:
            return None
        at = self._changed.get(session.user_id)
        return at if at is not None and at >= int(began.timestamp() * 1000) else None
