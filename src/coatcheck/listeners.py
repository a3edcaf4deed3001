"""The listener that everybody has: events become lines of the ``coatcheck`` logger."""

from __future__ import annotations

import logging
from typing import Final

from coatcheck.events import Event

_log: Final = logging.getLogger("coatcheck")

_LOUD: Final = frozenset(
    {
        "session.theft_suspected",
        "session.record_damaged",
        "session.record_unreadable",
        "session.changes_lost",
        "session.data_large",
        "logout.unconfirmed",
        "csrf.refused",
        "store.unavailable",
        "store.clock_drift",
    }
)


def log_events(event: Event, /) -> None:
    """Log *event*: what a person should look at as a warning, the rest as debug lines."""
    level = logging.WARNING if event.name in _LOUD else logging.DEBUG
    if _log.isEnabledFor(level):
        facts = {"session_id": event.session_id, "user_id": event.user_id, **event.details}
        shown = " ".join(f"{name}={value!r}" for name, value in facts.items() if value is not None)
        _log.log(level, "%s %s", event.name, shown, extra={"coatcheck": event.as_json()})
