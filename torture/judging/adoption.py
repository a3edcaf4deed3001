"""Promise 1, never adopt; promise 7, the store is not trusted with tickets; and that no verb crashes (promise 12)."""

from __future__ import annotations

from torture.history import CRASHED, UNSURE
from torture.judging.book import Book
from torture.judging.findings import Findings


def judge(book: Book, findings: Findings) -> None:
    """Look at every ticket and id that nobody minted, at every birth, and at what was shown."""
    for first, second in book.twice:
        # A lost sign-in leaves no trace by which a store could refuse its id.
        text = f"{second.made} was made twice"
        findings.found(1, "an id is given once", text, first, second, loss="session", lost=[first])
    findings.check("nothing crashes", len(book.ops))
    for op in book.ops:
        if op.answer == CRASHED:
            findings.found(12, "nothing crashes", f"{op.verb} raised what no store may raise", op)
        if op.answer in UNSURE:
            continue
        if op.verb == "load" and op.ticket is not None:
            findings.check("only minted tickets open")
            if op.ok and (op.note == "forged" or op.ticket not in book.sent):
                text = f"a ticket that nobody was given opened {op.session}"
                findings.found(1, "only minted tickets open", text, op)
        elif op.verb == "get" and op.note == "forged":
            findings.check("a made-up id leaves no row")
            if op.answer in ("ok", "dead"):
                findings.found(1, "a made-up id leaves no row", f"{op.session} is known, and nobody made it", op)
        elif op.verb == "leak" and op.answer in ("ok", "leaked"):
            findings.check("no digest is shown")
            if op.answer == "leaked":
                findings.found(7, "no digest is shown", f"a ticket's digest is shown in: {op.note}", op)
        elif op.made is not None:
            findings.check("an id is given once")
