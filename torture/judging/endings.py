"""What may have ended each session: by its own name, by its user's, and by the limit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from torture.history import UNSURE, Op
from torture.judging.stories import Death, Person, Story, latest_idle, within

if TYPE_CHECKING:
    from torture.judging.book import Book


def file_endings(book: Book) -> None:
    """Tell every story what may have ended it; whom a sign-in pushed out hangs on what had ended before it."""
    for story in book.stories.values():
        story.ends(list(_by_name(book, story)))
    pushed = [(story, list(deaths)) for story, deaths in _by_limit(book)]
    for story, deaths in pushed:
        if deaths:
            story.ends([*story.deaths, *deaths])


def _by_name(book: Book, story: Story) -> Iterator[Death]:
    for op in story.ops:
        if (op.made != story.id and op.maybe) or (op.verb == "revoke" and op.answer == "none"):
            yield from _by_hand(book, story, op)
    revokes = book.people[story.user].revokes if story.user is not None else []
    for op in (*revokes, *book.everybody):
        if op.maybe and op.note != story.id and not _is_later(story, op):
            yield Death(op, _reaches(story, op), op.start)


def _by_hand(book: Book, story: Story, op: Op) -> Iterator[Death]:
    known = story.made is not None and story.made.end <= op.start
    if op.verb == "logout":
        yield Death(op, op.end if op.ok else None, op.start)
    elif op.verb == "revoke" and op.note != "foreign":
        yield Death(op, op.end if op.answer not in UNSURE and known else None, op.start)
    elif op.verb == "login" and op.note and op.session == story.id:
        yield Death(op, op.end if op.ok and not book.stirred(story, op) else None, op.start, 5)
    elif op.verb == "event":
        yield Death(op, op.end, op.start)


def _is_later(story: Story, op: Op) -> bool:
    """Whether a revocation was over before the session was begun."""
    return story.made is not None and op.over <= story.made.start and not _outdates(story, op)


def _outdates(story: Story, op: Op) -> bool:
    """Whether a revocation began after the session's sign-in had read its epoch."""
    epoch_at = story.made.epoch_at if story.made is not None else None
    return epoch_at is not None and epoch_at <= op.start


def _reaches(story: Story, op: Op) -> int | None:
    """Return from when on a revocation has certainly ended a session that it may have ended."""
    made = story.made
    if made is None or not op.ok:
        return None
    if made.end <= op.start:
        return op.end
    return max(op.end, made.end) if _outdates(story, op) else None


def _by_limit(book: Book) -> Iterator[tuple[Story, Iterator[Death]]]:
    """Sign-ins push others out; where every end event was collected, only what has one was pushed out."""
    if book.terms.limit is None or book.terms.at_limit == "reject":
        return
    sure = book.terms.exact and not book.unsure
    for person in book.people.values():
        pushers = [] if sure else [op for op in person.logins if op.maybe and _may_push(book, person, op)]
        for story in person.stories:
            yield story, _as_told(person, story) if sure else _first(pushers, story)


def _as_told(person: Person, story: Story) -> Iterator[Death]:
    for event in story.events:
        if event.note == "evicted":
            yield from (Death(op, None, op.start) for op in within(person.logins, event) if op.made != story.id)


def _first(pushers: list[Op], story: Story) -> Iterator[Death]:
    """Yield the first two of the sign-ins that may have pushed a session out; nobody asks for the later ones.

    Two, because whoever asks what else may have ended a session leaves one sign-in aside.
    """
    count = 0
    for op in pushers:
        if op.made != story.id and (story.made is None or op.over > story.made.start):
            yield Death(op, None, op.start)
            count += 1
        if count == 2:
            return


def _may_push(book: Book, person: Person, login: Op) -> bool:
    """Whether a sign-in may have met the limit: as many sessions of its user may have been alive at that time."""
    limit = book.terms.limit or 0
    unseen = sum(op.answer in UNSURE and op is not login and op.start < login.over for op in person.logins)
    return unseen + len(standing(book, person, login, most=limit - unseen)) >= limit


def standing(book: Book, person: Person, login: Op, *, most: int | None = None) -> list[Story]:
    """Return the user's sessions that may have been alive while a sign-in was under way, without what it replaced.

    The search ends with *most* of them. Where a fault may undo ends, only its clocks end a session for certain then.
    """
    found: list[Story] = []
    undone = most is not None and book.undoes
    for story in reversed(person.stories):
        if most is not None and len(found) >= most:
            break
        made = story.made
        if made is None or made is login or made.start >= login.over:
            continue
        # A session whose privileges changed since the request had loaded it is not replaced, and stands.
        replaced = login.note and story.id == login.session and not book.stirred(story, login)
        dead = story.dead
        gone = not undone and dead is not None and (dead.since or 0) <= login.start
        if not replaced and not gone and latest_idle(story, book.terms.idle) > login.clock:
            found.append(story)
    return found[::-1]
