"""Events, kept for a test to look at."""

from __future__ import annotations

from coatcheck.events import EVENTS, Event


class CapturedEvents(list[Event]):
    """A listener that is the list of what it heard, oldest first.

    ::

        events = CapturedEvents()
        sessions = AsyncSessions("memory://", listeners=[events])
        ...
        assert events.names == ["session.created", "session.ended"]
        assert events.only("session.ended")[0].details["reason"] == "signed_out"
    """

    def __call__(self, event: Event, /) -> None:
        """Keep *event*."""
        self.append(event)

    @property
    def names(self) -> list[str]:
        """The names of all events, in order."""
        return [event.name for event in self]

    def only(self, *names: str) -> list[Event]:
        """Return the events with one of *names*, in order.

        Raises:
            ValueError: there is no event of that name, so that a test of a misspelt one cannot pass.
        """
        unknown = sorted(set(names) - EVENTS.keys())
        if unknown:
            raise ValueError(f"there is no event {', '.join(unknown)}; there are {', '.join(EVENTS)}")
        return [event for event in self if event.name in names]
