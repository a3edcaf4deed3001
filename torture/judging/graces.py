"""Promise 5: a secret that was replaced by age is dead once its successor was seen and the grace has passed."""

from __future__ import annotations

from collections import defaultdict

from torture.history import Op
from torture.judging.book import Book
from torture.judging.findings import Findings

GRACE = "a replaced ticket is dead after its grace"


def judge(book: Book, findings: Findings) -> None:
    """Look at every ticket that was presented long after the one that followed it."""
    if book.terms.rotate is None:
        return
    seen = _first_sights(book)
    followed: defaultdict[str, list[str]] = defaultdict(list)
    for op in book.ops:
        if op.verb == "save" and op.ok and op.ticket and op.sent in seen and _follows(book, op):
            followed[op.ticket].append(op.sent)
    for op in book.ops:
        if op.verb == "load" and op.answer in ("ok", "none"):
            _presented(book, [seen[each] for each in followed.get(op.ticket or "", ())], op, findings)


def _follows(book: Book, op: Op) -> bool:
    """Whether an answer sent another ticket of the session whose ticket was presented."""
    sender = book.sent.get(op.ticket or "")
    same = sender is not None and op.session is not None and op.session == (sender.made or sender.session)
    return same and op.note == "loaded" and op.sent != op.ticket


def _first_sights(book: Book) -> dict[str, Op]:
    """Return for each ticket the first step after which its use was certainly on record."""
    seen: dict[str, Op] = {}
    for op in book.ops:
        if op.ticket is not None and op.ok and op.session is not None and _is_on_record(book, op):
            known = seen.get(op.ticket)
            if known is None or (op.until, op.end) < (known.until, known.end):
                seen[op.ticket] = op
    return seen


def _is_on_record(book: Book, op: Op) -> bool:
    """Whether a step shows that its ticket was seen: a load that owes no write, or an answer that wrote it down.

    A record of mere activity may be refused, or not answered, without a word.
    """
    if op.verb == "load":
        return not op.due
    if op.verb != "save" or op.note != "loaded" or op.made is not None or not op.wrote:
        return False
    return bool(op.change) or not (book.faults or book.unsure or book.stirred(book.stories[op.session or ""], op))


def _presented(book: Book, sights: list[Op], op: Op, findings: Findings) -> None:
    sight = next((each for each in sights if each.end <= op.start and op.clock >= each.until + book.terms.grace), None)
    if sight is None:
        return
    findings.check(GRACE)
    if op.ok:
        story, late = book.stories[op.session or ""], op.clock - sight.until
        text = f"{op.ticket} opened {story.id} {late} ms after {sight.ticket}, which had replaced it, was seen"
        sender = book.sent.get(sight.ticket or "")
        findings.found(5, GRACE, text, story.made, sender, sight, op, loss="activity", lost=[sight])
