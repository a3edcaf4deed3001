"""Promise 2: dead stays dead, for sessions, for sign-ins that were under way, and for whoever is told of it."""

from __future__ import annotations

from torture.history import UNSURE, Op
from torture.judging.book import Book, between
from torture.judging.findings import Findings
from torture.judging.stories import Story

DEAD = "dead stays dead"
STALE = "a sign-in under way is refused"
OWNER = "a revocation reaches only its owner's"
ONCE = "one end event"


def judge(book: Book, findings: Findings) -> None:
    """Look at every session after its certain death, and at every sign-in that a revocation overtook."""
    for story in book.stories.values():
        _after_death(book, story, findings)
        if story.made is not None:
            _told_once(book, story, findings)
    for person in book.people.values():
        for login in person.logins:
            if login.epoch_at is None or login.answer not in ("ok", "stale_login"):
                continue
            revoked = between(person.revokes, login.epoch_at, login.start)
            revoked = revoked or between(book.everybody, login.epoch_at, login.start)
            if revoked is None:
                continue
            findings.check(STALE)
            if login.ok:
                text = f"{login.user} was signed in with an epoch read before everything of theirs was revoked"
                findings.found(2, STALE, text, revoked, login, loss="revocation", lost=[revoked])
    for op in book.ops:
        if op.verb == "revoke" and op.note == "foreign" and op.answer not in UNSURE:
            findings.check(OWNER)
            if op.ok:
                findings.found(2, OWNER, f"{op.session} was ended in the name of {op.user}, whose it is not", op)


def _after_death(book: Book, story: Story, findings: Findings) -> None:
    dead = story.dead
    if dead is None or dead.since is None:
        return
    for op in (*story.sightings, *story.listed):
        if op.start >= dead.since:
            text = f"{story.id} was over by {dead.op.verb}, and {op.verb} found it alive"
            findings.found(dead.promise, DEAD, text, story.made, dead.op, op, loss=_kind(dead.op), lost=[dead.op])
    asked = (*story.ops, *story.tried, *book.people[story.user or ""].lists)
    findings.check(DEAD, sum(op.verb != "event" and op.answer not in UNSURE and op.start >= dead.since for op in asked))


def _kind(op: Op) -> str:
    """Return what is lost when an end comes back: what a sign-in ended is lost with the sign-in, in the same step."""
    signed_in = op.verb == "login" or (op.verb == "event" and op.note in ("evicted", "superseded"))
    return "session" if signed_in else "revocation"


def _told_once(book: Book, story: Story, findings: Findings) -> None:
    """After a round every session has ended: where all events were collected there is exactly one for each."""
    told = book.terms.exact and not book.unsure
    if told or story.events:
        findings.check(ONCE)
    if len(story.events) > 1:
        first, second, *_ = story.events
        text = f"{story.id} ended twice, as {first.note} and as {second.note}"
        findings.found(2, ONCE, text, story.made, first, second, loss="revocation", lost=[first])
    dead = story.dead.op if story.dead is not None else book.swept(story)
    if told and not story.events and dead is not None:
        findings.found(2, ONCE, f"nobody was told that {story.id} ended", story.made, dead)
