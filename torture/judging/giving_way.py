"""Promise 4: who gives way at the limit. The policy says whether somebody must, and which of a user's sessions."""

from __future__ import annotations

from collections.abc import Iterator

from torture.history import Op
from torture.judging.book import Book
from torture.judging.findings import Findings
from torture.judging.stories import RENEWS, Person, Story, within

KIND = "the limit answers as the policy says"
VICTIM = "the right session gives way"


def judge(book: Book, findings: Findings) -> None:
    """Look at every sign-in that the limit refused, and at every session that had to go."""
    rejects = book.terms.limit is None or book.terms.at_limit == "reject"
    certain = not book.faults and not book.unsure
    for person in book.people.values():
        for op in person.logins:
            if op.answer == "session_limit_reached":
                findings.check(KIND)
                if book.terms.limit is None or not rejects:
                    text = f"{op.user} was refused at a limit of {book.terms.limit}, which is {_said(book)}"
                    findings.found(4, KIND, text, op, loss="limit")
        for story, event in _evictions(person):
            findings.check(KIND)
            if rejects:
                text = f"{story.id} was evicted at a limit of {book.terms.limit}, which is {_said(book)}"
                findings.found(4, KIND, text, story.made, event, loss="limit")
            elif certain:
                _chosen(book, person, story, event, findings)


def _said(book: Book) -> str:
    return f"to {book.terms.at_limit}" if book.terms.limit is not None else "none"


def _evictions(person: Person) -> Iterator[tuple[Story, Op]]:
    for story in person.stories:
        yield from ((story, event) for event in story.events if event.note == "evicted")


def _chosen(book: Book, person: Person, victim: Story, event: Op, findings: Findings) -> None:
    """No session that had certainly to go first was there, whichever sign-in the eviction belongs to."""
    spared: list[Story] = []
    causes = [op for op in within(person.logins, event) if op.made != victim.id]
    for login in causes:
        stood = [other for other in person.stories if other is not victim and _stood(book, other, login)]
        before = [_goes_first(book, other, victim, login) for other in stood]
        if True in before or any(_goes_first(book, victim, other, login) for other in stood):
            findings.check(VICTIM)
        if True not in before:
            return
        spared.append(stood[before.index(True)])
    if spared:
        text = f"{victim.id} was evicted, and {spared[0].id} had to go first: the limit is {_said(book)}"
        findings.found(4, VICTIM, text, victim.made, spared[0].made, *causes, event, loss="limit")


def _stood(book: Book, story: Story, login: Op) -> bool:
    """Whether a session certainly lived on for all of a sign-in, so that it was there to be chosen."""
    kept = story.made is not login and story.id != login.session
    return kept and story.certain_during(login) and story.outlasts(login, book.terms.idle)


def _goes_first(book: Book, one: Story, other: Story, login: Op) -> bool:
    """Whether *one* certainly had to give way before *other*."""
    if book.terms.at_limit == "evict_oldest":
        return _born(one) < _born(other)
    return _seen_last(one, login) < _seen_least(other, login)


def _born(story: Story) -> int:
    """Return when a session was begun: its first activity is its creation."""
    return (story.made.seen or 0) if story.made is not None else 0


def _seen_last(story: Story, login: Op) -> int:
    """Return the latest activity of a session that may have been recorded before a sign-in was over."""
    renewed = (op.until for op in story.ops if op.verb in RENEWS and op.start < login.end)
    return max(_born(story), max(renewed, default=0))


def _seen_least(story: Story, login: Op) -> int:
    """Return the latest activity that was certainly recorded before a sign-in began."""
    own = (op for op in story.ops if op.ok and op.seen is not None and op.end <= login.start)
    return max((op.seen or 0 for op in own if (op.made or op.session) == story.id), default=0)
