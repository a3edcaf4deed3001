"""Promise 8: two clocks. Nothing works past a deadline, nothing dies before one, and the absolute one never moves."""

from __future__ import annotations

from torture.history import NEVER, UNSURE, Op
from torture.judging.book import Book
from torture.judging.findings import Findings
from torture.judging.stories import RENEWS, Story

LATE = "nothing works past a deadline"
FIXED = "the absolute deadline never moves"
FORWARD = "activity moves forward only"
EARLY = "nobody is signed out before a deadline"
HOLDER = "a rotation by age signs nobody out"


def judge(book: Book, findings: Findings) -> None:
    """Look at every session's deadlines, and at every request that was turned away."""
    for story in book.stories.values():
        if story.made is not None:
            _late(book, story, findings)
            _moves(book, story, findings)
    for op in book.ops:
        if op.verb == "load" and op.answer in ("ok", "none") and op.ticket is not None and op.note != "forged":
            _let_in(book, op, findings)


def _late(book: Book, story: Story, findings: Findings) -> None:
    made, idle = story.made, book.terms.idle
    if made is None:
        return
    deadline = NEVER if idle is None or made.idle is None else made.idle
    absolute = made.expires or NEVER
    sightings = {id(op) for op in (*story.sightings, *story.listed)}
    last: Op = made
    asked = {id(op): op for op in (*story.ops, *story.listed, *story.tried)}
    for op in sorted(asked.values(), key=lambda op: op.start):
        if op.clock >= min(deadline, absolute):
            if op.verb != "event" and op.answer not in UNSURE:
                findings.check(LATE)
            if id(op) in sightings:
                which = "absolute" if absolute <= deadline else "idle"
                over = op.clock - min(deadline, absolute)
                text = f"{op.verb} found {story.id} alive {over} ms past its {which} deadline"
                findings.found(8, LATE, text, made, last, op)
        elif idle is not None and deadline < NEVER and op.verb in RENEWS:
            deadline, last = max(deadline, op.until + idle), op


def _moves(book: Book, story: Story, findings: Findings) -> None:
    reads = [op for op in story.ops if op.ok and op.seen is not None and story.id in (op.session, op.made)]
    reads = [op for op in reads if op.verb in ("load", "get") or op.made == story.id]
    ended = sorted(reads, key=lambda op: op.end)
    at, latest = 0, None
    for op in reads:
        while at < len(ended) and ended[at].end <= op.start:
            if latest is None or (ended[at].seen or 0) > (latest.seen or 0):
                latest = ended[at]
            at += 1
        findings.check(FORWARD)
        if latest is not None and ((op.seen or 0) < (latest.seen or 0) or (op.idle or 0) < (latest.idle or 0)):
            text = f"the activity of {story.id} moved back by {(latest.seen or 0) - (op.seen or 0)} ms"
            findings.found(8, FORWARD, text, story.made, latest, op, loss="activity", lost=[latest])
        if story.made is not None and op.expires != story.made.expires:
            text = f"the absolute deadline of {story.id} was {story.made.expires} and is {op.expires}"
            again = any(first is story.made for first, _ in book.twice)
            lost = [story.made] if again else []  # made once more, after its first sign-in was lost
            findings.found(8, FIXED, text, story.made, op, loss="session", lost=lost)
    findings.check(FIXED, len(reads))


def _let_in(book: Book, op: Op, findings: Findings) -> None:
    """Whoever holds a ticket that is certainly good must be let in."""
    sender = book.sent.get(op.ticket or "")
    session = sender.made or sender.session if sender is not None else None
    if sender is None or session is None or sender.end > op.start:
        return
    story = book.stories[session]
    if not story.certain_at(op.start) or story.doubtful < op.end:
        return
    knower = max((o for o in story.ops if o.idle is not None and o.end <= op.start), key=_idle, default=None)
    known = 0 if knower is None else _idle(knower)
    expires = story.made.expires if story.made is not None else 0
    if op.until >= (known if book.terms.idle is not None else NEVER) or op.until >= (expires or NEVER):
        return
    newer = _newer(book, story, op, sender)
    if newer is None:
        return
    findings.check(HOLDER if newer else EARLY)
    if op.ok:
        return
    promise, rule = (5, HOLDER) if newer else (8, EARLY)
    lost = [sender] if op.note != "idle" or knower is None else [sender, knower]  # its last renewal may be lost
    text = f"a good ticket of {session} was turned away: {op.note or 'unknown'}"
    findings.found(promise, rule, text, story.made, sender, *newer, op, loss="session", lost=lost)


def _idle(op: Op) -> int:
    return op.idle or 0


def _newer(book: Book, story: Story, op: Op, sender: Op) -> list[Op] | None:
    """Return what was seen of the one newer ticket that the presented one must still stand beside.

    ``None`` when the presented one may have been replaced for good.
    """
    if any(other.start < op.end and other.end > sender.start for other in story.rotates):
        return None
    younger = {
        name: first
        for name, first in story.tickets.items()
        if name != op.ticket and first.start < op.end and first.end > sender.start
    }
    if len(younger) > 1 or any(o.answer in UNSURE and o.verb == "save" for o in story.ops):
        return None
    for name, first in younger.items():
        shown = book.presented.get(name)
        if shown is not None and shown.start < op.end and op.until >= shown.clock + book.terms.grace:
            return None
        return [first] if shown is None else [first, shown]
    return []
