"""Promise 6: reading is free. What a request wrote is what its session was due, and at most once."""

from __future__ import annotations

from torture.history import Op
from torture.judging.book import Book
from torture.judging.findings import Findings

FREE = "reading writes nothing"
ONCE = "a request writes once"
COOKIE = "reading sets no cookie"

_READS = frozenset({"load", "get", "list", "epoch"})


def judge(book: Book, findings: Findings) -> None:
    """Look at what every request wrote."""
    for op in book.ops:
        if op.verb in _READS and op.wrote and not book.unsure:
            findings.found(6, FREE, f"{op.verb} asked the store for {op.wrote} writes", op)
        if op.verb == "load" and op.ok and op.sent and not op.due:
            findings.found(6, COOKIE, "a request that only read was sent a cookie, and nothing was due", op)
        if op.verb != "save" or not op.ok:
            continue
        findings.check(ONCE)
        if op.wrote > 1:
            findings.found(6, ONCE, f"one answer asked the store for {op.wrote} writes", op)
        load = book.loaded(op)
        if load is not None and op.note == "loaded" and not op.change and not _acted(book, op):
            _read_only(book, load, op, findings)


def _acted(book: Book, op: Op) -> bool:
    """Whether the request did more than load and save."""
    return len(book.requests[op.actor, op.request]) > 2


def _read_only(book: Book, load: Op, op: Op, findings: Findings) -> None:
    findings.check(FREE)
    findings.check(COOKIE)
    terms = book.terms
    active = load.seen is not None and op.until - load.seen >= terms.touch
    aged = load.rotated is not None and terms.rotate is not None and op.until - load.rotated >= terms.rotate
    if op.wrote and not (load.ok and (active or aged or load.due)):
        findings.found(6, FREE, "a request that only read wrote to the store, and nothing was due", load, op)
    if op.sent and op.sent == op.ticket:
        findings.found(6, COOKIE, "a request that only read was sent the ticket it had", load, op)
    if op.sent and load.answer != "ok":
        findings.found(6, COOKIE, "a visitor who stored nothing was sent a ticket", load, op)
