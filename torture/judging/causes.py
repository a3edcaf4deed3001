"""Promise 2, the other way round: nobody is signed out for nothing. Every end event that was told has its cause."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from torture.history import Op
from torture.judging.book import Book
from torture.judging.findings import Findings
from torture.judging.stories import Story, within

CAUSE = "a session ends only for a cause"

_CLOCKS = {"expired": "absolute", "abandoned": "idle"}
"""By an event's name, the clock that ended the session, as a load tells of it."""


def judge(book: Book, findings: Findings) -> None:
    """Look at every end that was told of a session whose beginning is known.

    A step that was acknowledged told of the end before it was over; one without an answer may do so at any later time.
    """
    late = _late_sign_outs(book)
    for story in book.stories.values():
        for event in story.events if story.made is not None else ():
            findings.check(CAUSE)
            if event.note in _CLOCKS:
                _by_clock(book, story, event, findings)
            elif not any(within(ops, event) for ops in _causes(book, story, event, late)):
                text = f"{story.id} ended as {event.note}, and nobody had done anything for which it could end so"
                findings.found(2, CAUSE, text, story.made, event)


def _late_sign_outs(book: Book) -> dict[str, list[Op]]:
    """Return sign-outs whose request had found its session expired: they still end it, as signed out."""
    late: defaultdict[str, list[Op]] = defaultdict(list)
    for op in book.ops:
        sender = book.sent.get(op.ticket or "") if op.verb == "logout" and op.answer == "none" else None
        session = None if sender is None else sender.made or sender.session
        if session is not None:
            late[session].append(op)
    return late


def _causes(book: Book, story: Story, event: Op, late: dict[str, list[Op]]) -> Iterator[list[Op]]:
    """Yield the steps for which a session may end as its event tells."""
    person = book.people[story.user] if story.user is not None else None
    if event.note == "signed_out":
        yield [op for op in story.ops if op.verb == "logout"]
        yield late.get(story.id, [])
    elif event.note == "superseded":
        yield [op for op in story.ops if _replaces(op, story)]
    elif event.note == "evicted" and person is not None:
        yield [op for op in within(person.logins, event) if op.made != story.id]
    elif event.note == "revoked":
        yield [op for op in story.ops if op.verb == "revoke" and op.note != "foreign"]
        yield book.everybody
        yield [op for op in person.revokes if op.note != story.id] if person is not None else []


def _replaces(op: Op, story: Story) -> bool:
    return op.verb == "login" and bool(op.note) and op.session == story.id


def _by_clock(book: Book, story: Story, event: Op, findings: Findings) -> None:
    """The clock must have passed the deadline: the absolute one never moves, and the idle one only on."""
    made = story.made
    knower = made if event.note == "expired" else story.knower(event.start)
    if made is None or knower is None:
        return
    deadline = knower.expires if event.note == "expired" else knower.idle
    if deadline is None or event.clock >= deadline:
        return
    # A sign-in whose request had found the session expired tells of it so, whoever renewed it late meanwhile.
    for op in within([op for op in story.ops if _replaces(op, story)], event):
        load = book.loaded(op)
        if load is not None and load.note == _CLOCKS[event.note]:
            return
    text = f"{story.id} ended as {event.note} {deadline - event.clock} ms before its deadline"
    findings.found(2, CAUSE, text, made, knower, event, loss="activity", lost=[knower])
