"""What is filed of a session and of a user, and how long a session may have lived by its clocks."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from torture.history import NEVER, Op

RENEWS: Final = frozenset({"save", "rotate", "transact"})
"""The steps that may record activity; a transaction saves what its request changed before."""


class Death(Struct, frozen=True):
    """What ends a session, or may: certainly from ``since`` on (``None``: perhaps never), at the earliest ``maybe``."""

    op: Op
    since: int | None
    maybe: int
    promise: int = 2


class Story:
    """One session's life."""

    __slots__ = (
        "dead", "deaths", "doubtful", "events", "id", "listed", "made", "ops", "rotates", "sightings", "tickets",
        "tried", "user",
    )  # fmt: skip

    def __init__(self, id: str) -> None:
        """Begin without anything known."""
        self.id = id
        self.made: Op | None = None
        self.user: str | None = None
        self.ops: list[Op] = []
        self.listed: list[Op] = []
        self.events: list[Op] = []
        self.rotates: list[Op] = []
        self.tickets: dict[str, Op] = {}
        self.sightings: list[Op] = []
        self.tried: list[Op] = []
        self.deaths: list[Death] = []
        self.dead: Death | None = None
        self.doubtful = NEVER

    def ends(self, deaths: list[Death]) -> None:
        """Keep what may have ended it: ``dead`` holds first for certain, from ``doubtful`` on it may be dead."""
        self.deaths = deaths
        certain = [death for death in deaths if death.since is not None]
        self.dead = min(certain, key=lambda death: death.since or 0, default=None)
        self.doubtful = min((death.maybe for death in deaths), default=NEVER)

    def certain_at(self, moment: int) -> bool:
        """Whether it was certainly there at *moment*, its clocks aside."""
        return self.made is not None and self.made.end <= moment < self.doubtful

    def certain_during(self, op: Op) -> bool:
        """Whether it was certainly there for as long as a step took, its clocks aside."""
        return self.certain_at(op.start) and self.doubtful >= op.end

    def knower(self, moment: int) -> Op | None:
        """Return the step over by *moment* that read the latest idle deadline of this session; it only moves on."""
        reads = (op for op in self.ops if op.ok and op.idle is not None and op.end <= moment)
        own = (op for op in reads if (op.made or op.session) == self.id)
        return max(own, key=lambda op: op.idle or 0, default=None)

    def outlasts(self, op: Op, idle: int | None) -> bool:
        """Whether neither clock can have ended it before a step was over; *idle* is the timeout, ``None`` for none."""
        knower = self.knower(op.start) if idle is not None else None
        known = NEVER if idle is None else 0 if knower is None else knower.idle or 0
        expires = self.made.expires if self.made is not None else 0
        return op.until < known and (expires is None or op.until < expires)


class Person:
    """What was done to one user."""

    __slots__ = ("lists", "logins", "revokes", "roles", "stories")

    def __init__(self) -> None:
        """Begin with nothing."""
        self.logins: list[Op] = []
        self.revokes: list[Op] = []
        self.roles: list[Op] = []
        self.lists: list[Op] = []
        self.stories: list[Story] = []


def succeeded(op: Op) -> bool:
    """Whether a step shows its session alive, or changed it: a mere end of a request does neither."""
    if op.verb == "save":
        return op.ok and op.session is not None and bool(op.change) and op.made is None
    return op.ok and op.verb in ("load", "rotate", "transact", "get")


def latest_idle(story: Story, idle: int | None) -> int:
    """Return the latest moment of the sessions' clock at which a session may have been alive by both clocks.

    A request that begins at or past the idle deadline cannot move it; one that began before moves it to its own end
    and the *idle* timeout at most.
    """
    made = story.made
    if made is None:
        return NEVER
    deadline = NEVER if idle is None or made.idle is None else made.idle
    for op in story.ops:
        if idle is not None and op.verb in RENEWS and op.clock < deadline < NEVER:
            deadline = max(deadline, op.until + idle)
    return min(deadline, made.expires or NEVER)


def within(ops: list[Op], event: Op) -> list[Op]:
    """Return the steps that may have told of an event, which is told between their start and their end.

    One that was refused tells nothing. One that answered ``none`` may: it ended what a clock had ended before.
    """
    return [op for op in ops if op.start <= event.start <= op.over and (op.maybe or op.answer == "none")]
