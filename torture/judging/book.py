"""The history, filed: by session, user, request and ticket. Every rule reads it; no rule changes it."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from torture.history import NEVER, UNSURE, History, Op, process_of


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


class Book:
    """See the module's text."""

    def __init__(self, history: History) -> None:
        """File every step, then find out what may have ended each session."""
        self.terms = history.terms
        self.ops = history.ops
        self.stories: dict[str, Story] = {}
        self.people: defaultdict[str, Person] = defaultdict(Person)
        self.requests: defaultdict[tuple[int, int], list[Op]] = defaultdict(list)
        self.everybody: list[Op] = []
        self.faults: list[Op] = []
        self.sweeps: list[Op] = []
        self.sent: dict[str, Op] = {}
        self.presented: dict[str, Op] = {}
        self.asked: defaultdict[tuple[int, str], list[Op]] = defaultdict(list)
        self.epochs: dict[tuple[int, int], Op] = {}
        self.twice: list[tuple[Op, Op]] = []
        self.unsure = False
        for op in self.ops:
            self._file(op)
        for story in self.stories.values():
            story.ends(list(self._deaths(story)))

    def story(self, session: str) -> Story:
        """Return a session's story, begun if need be."""
        found = self.stories.get(session)
        if found is None:
            found = self.stories[session] = Story(session)
        return found

    def swept(self, story: Story) -> Op | None:
        """Return the first sweep that began when a session was past its absolute deadline."""
        expires = story.made.expires if story.made is not None else None
        return None if expires is None else next((op for op in self.sweeps if op.ok and op.clock >= expires), None)

    def loaded(self, op: Op) -> Op | None:
        """Return the load of the request that a step belongs to."""
        if not op.request:
            return None
        return next((other for other in self.requests[op.actor, op.request] if other.verb == "load"), None)

    def _file(self, op: Op) -> None:
        self.unsure = self.unsure or op.answer in UNSURE
        if op.request:
            self.requests[op.actor, op.request].append(op)
        if op.verb == "load" and op.ticket is not None:
            self._file_ticket_shown(op, op.ticket)
        elif op.verb == "epoch" and op.ok:
            self.epochs[op.actor, op.end] = op
        if op.made is not None and op.ok:
            self._file_birth(op, op.made)
        if op.session is not None:
            self._file_session(op, self.story(op.session))
        for each in op.listed or ():
            self.story(each).listed.append(op)
        if op.sent and op.ok:
            self._file_ticket(op, op.sent)
        if op.verb == "revoke_all":
            self.everybody.append(op)
        elif op.verb == "sweep":
            self.sweeps.append(op)
        elif op.verb == "fault":
            self.faults.append(op)
        elif op.user is not None and op.verb != "event":
            self._file_person(op, self.people[op.user])

    def _file_birth(self, op: Op, made: str) -> None:
        story = self.story(made)
        if story.made is not None:
            self.twice.append((story.made, op))
            return
        story.made, story.user = op, op.user
        story.ops.append(op)
        if op.user is not None:
            self.people[op.user].stories.append(story)

    def _file_session(self, op: Op, story: Story) -> None:
        story.ops.append(op)
        if op.verb == "event":
            story.events.append(op)
        elif op.verb == "rotate" and op.maybe:
            story.rotates.append(op)
        if succeeded(op):
            story.sightings.append(op)

    def _file_ticket(self, op: Op, ticket: str) -> None:
        session = op.made or op.session
        self.sent.setdefault(ticket, op)
        if session is not None:
            self.story(session).tickets.setdefault(ticket, op)

    def _file_ticket_shown(self, op: Op, ticket: str) -> None:
        self.presented.setdefault(ticket, op)
        sender = self.sent.get(ticket)
        session = None if sender is None else sender.made or sender.session
        if session is not None and op.session is None:
            self.story(session).tried.append(op)

    def _file_person(self, op: Op, person: Person) -> None:
        if op.verb == "login":
            person.logins.append(op)
        elif op.verb == "revoke_user":
            person.revokes.append(op)
        elif op.verb == "set_roles":
            person.roles.append(op)
        elif op.verb == "list":
            person.lists.append(op)
        if op.ok and op.verb in ("list", "load"):
            self.asked[process_of(op), op.user or ""].append(op)

    # -- deaths

    def _deaths(self, story: Story) -> Iterator[Death]:
        for op in story.ops:
            if (op.made != story.id and op.maybe) or (op.verb == "revoke" and op.answer == "none"):
                yield from self._by_hand(story, op)
        revokes = self.people[story.user].revokes if story.user is not None else []
        for op in (*revokes, *self.everybody):
            if op.maybe and op.note != story.id and not self._is_later(story, op):
                yield Death(op, self._reaches(story, op), op.start)
        if story.user is not None:
            yield from self._by_limit(story)

    def _by_hand(self, story: Story, op: Op) -> Iterator[Death]:
        known = story.made is not None and story.made.end <= op.start
        if op.verb == "logout":
            yield Death(op, op.end if op.ok else None, op.start)
        elif op.verb == "revoke" and op.note != "foreign":
            yield Death(op, op.end if op.answer not in UNSURE and known else None, op.start)
        elif op.verb == "login" and op.note and op.session == story.id:
            yield Death(op, op.end if op.ok and not self.stirred(story, op) else None, op.start, 5)
        elif op.verb == "event":
            yield Death(op, op.end, op.start)

    def _is_later(self, story: Story, op: Op) -> bool:
        """Whether a revocation was over before the session was begun."""
        return story.made is not None and op.over <= story.made.start and not self._outdates(story, op)

    def _outdates(self, story: Story, op: Op) -> bool:
        """Whether a revocation began after the session's sign-in had read its epoch."""
        epoch_at = story.made.epoch_at if story.made is not None else None
        return epoch_at is not None and epoch_at <= op.start

    def _reaches(self, story: Story, op: Op) -> int | None:
        """Return from when on a revocation has certainly ended a session that it may have ended."""
        made = story.made
        if made is None or not op.ok:
            return None
        if made.end <= op.start:
            return op.end
        return max(op.end, made.end) if self._outdates(story, op) else None

    def _by_limit(self, story: Story) -> Iterator[Death]:
        """Sign-ins push out the least recent; where every end event was collected, only what has one was pushed out."""
        sure = self.terms.exact and not self.unsure
        if self.terms.limit is None or (sure and not any(op.note == "evicted" for op in story.events)):
            return
        for op in self.people[story.user or ""].logins:
            if op.maybe and op.made != story.id and (story.made is None or op.over > story.made.start):
                yield Death(op, None, op.start)

    def stirred(self, story: Story, op: Op) -> bool:
        """Whether the session's privileges may have changed between the load of a request and a step of it."""
        load = self.loaded(op)
        begin = load.start if load is not None else op.start
        roles = self.people[story.user].roles if story.user is not None else []
        return any(
            other.maybe
            and other.start < op.end
            and begin < other.over
            and not (op.request and (other.actor, other.request) == self._key(op))
            for other in (*story.rotates, *roles)
        )

    @staticmethod
    def _key(op: Op) -> tuple[int, int]:
        return op.actor, op.request


def between(ops: list[Op], begin: int, end: int) -> Op | None:
    """Return an acknowledged step that lies wholly between two moments; *ops* are in order of their start."""
    at = bisect_right(ops, begin - 1, key=lambda op: op.start)
    while at < len(ops) and ops[at].start < end:
        if ops[at].ok and ops[at].end <= end:
            return ops[at]
        at += 1
    return None
