"""Promise 4: a limit is a limit, and nobody is turned away or pushed out below it."""

from __future__ import annotations

from collections.abc import Iterator

from torture.history import NEVER, UNSURE, Op
from torture.judging.book import Book
from torture.judging.endings import standing
from torture.judging.findings import Findings
from torture.judging.stories import Person, Story, within

HELD = "the limit holds"
NEEDED = "nobody is refused or evicted below the limit"


def judge(book: Book, findings: Findings) -> None:
    """Look at every list, at sessions that certainly lived at one time, and at every refusal and eviction."""
    limit = book.terms.limit
    if limit is None:
        return
    for name, person in book.people.items():
        for op in person.lists:
            if not op.ok:
                continue
            findings.check(HELD)
            alive = [book.stories[each] for each in op.listed or () if _outlasts(book.stories[each], op)]
            if len(alive) > limit:
                text = f"{name} had {len(alive)} live sessions in one list, and the limit is {limit}"
                findings.found(4, HELD, text, *(story.made for story in alive), op, loss="limit")
        _overlaps(book, name, person, limit, findings)
        _needless(book, person, limit, findings)


def _outlasts(story: Story, op: Op) -> bool:
    """Whether a listed session was certainly within its deadlines for as long as the list took.

    A list shows what is alive at its beginning; a sign-in meanwhile goes by a later clock, and need not count it.
    """
    known = [other.idle for other in story.ops if other.idle is not None and other.end <= op.end]
    expires = story.made.expires if story.made is not None else None
    return op.until < max(known, default=op.until + 1) and (expires is None or op.until < expires)


def _overlaps(book: Book, name: str, person: Person, limit: int, findings: Findings) -> None:
    """Find a moment at which more sessions than the limit were alive, as what was done with them later shows.

    A fault that may bring ends back breaks the inference from later to earlier: what lives after it may have been dead
    before it. So the time before, between and after such faults is looked at by itself.
    """
    back = [fault for fault in book.faults if book.terms.allowed.get(fault.note)]
    for begin, end in zip((0, *(each.end for each in back)), (*(each.start for each in back), NEVER), strict=True):
        alive: dict[str, tuple[Story, Op]] = {}
        for _, begins, story, proof in sorted(_within(person, begin, end), key=lambda row: row[:2]):
            if not begins:
                alive.pop(story.id, None)
                continue
            findings.check(HELD)
            alive[story.id] = story, proof
            if len(alive) > limit:
                made, proofs = [each.made for each, _ in alive.values()], [each for _, each in alive.values()]
                text = f"{name} had {len(alive)} sessions alive at one time, and the limit is {limit}"
                findings.found(4, HELD, text, *made, *sorted(proofs, key=lambda op: op.start), loss="limit")
                return


def _within(person: Person, begin: int, end: int) -> Iterator[tuple[int, int, Story, Op]]:
    """Yield between which moments each session was alive, as far as sightings between two faults tell."""
    for story in person.stories:
        seen = [op for op in (*story.sightings, *story.listed) if begin <= op.start and op.end <= end]
        if story.made is None or not seen:
            continue
        last = max(seen, key=lambda op: op.start)
        since = story.made.end if story.made.start >= begin else min(op.end for op in seen)
        if since < last.start:
            yield since, 1, story, last
            yield last.start, 0, story, last


def _needless(book: Book, person: Person, limit: int, findings: Findings) -> None:
    for op in person.logins:
        if op.answer == "session_limit_reached" and not _unknown(person, op):
            findings.check(NEEDED)
            alive = standing(book, person, op)
            if len(alive) < limit:
                text = f"{op.user} was refused with at most {len(alive)} live sessions, and the limit is {limit}"
                made = [story.made for story in alive]
                back, least = _ends(person), limit - len(alive)
                findings.found(4, NEEDED, text, *made, op, loss="revocation", lost=back, least=least)
    for story in person.stories:
        for event in story.events:
            if event.note == "evicted" and not _unknown(person, event):
                findings.check(NEEDED)
                causes = [op for op in within(person.logins, event) if op.ok]
                if causes and all(len(standing(book, person, op)) < limit for op in causes):
                    text = f"{story.id} was evicted below the limit of {limit}"
                    back = _ends(person)
                    findings.found(4, NEEDED, text, story.made, *causes, event, loss="revocation", lost=back)


def _ends(person: Person) -> list[Op]:
    """Return what certainly ended the user's sessions: those of which a fault undoes the end count again."""
    return [story.dead.op for story in person.stories if story.dead is not None]


def _unknown(person: Person, op: Op) -> bool:
    """Whether a sign-in that the store did not answer may have made a session before a step was over."""
    return any(other.answer in UNSURE and other.start < op.end for other in person.logins)
