"""The history, filed: by session, user, request and ticket. Every rule reads it; no rule changes it."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict

from torture.history import UNSURE, History, Op, process_of
from torture.judging.endings import file_endings
from torture.judging.stories import Person, Story, succeeded


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
        file_endings(self)

    @property
    def undoes(self) -> bool:
        """Whether a fault of this round may bring back what was ended."""
        return any("revocation" in self.terms.allowed.get(fault.note, {}) for fault in self.faults)

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
