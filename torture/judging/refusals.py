"""No refusal without a reason: a store that refuses everything would break no other rule (promises 2 and 3)."""

from __future__ import annotations

from torture.history import Op
from torture.judging.book import Book
from torture.judging.findings import Findings
from torture.judging.stories import Story

CHANGE = "a change is refused only for a reason"
SIGN_IN = "a sign-in is refused only after a revocation"

_CHANGES = frozenset({"save", "rotate", "transact"})


def judge(book: Book, findings: Findings) -> None:
    """Look at every change and every sign-in that was refused.

    After a fault a worker repeats ends and changes of privilege that nobody asks for then: a round with faults shows
    only that living sessions are not called gone.
    """
    for story in book.stories.values():
        for op in story.ops:
            if op.verb in _CHANGES and story.made is not None and op.made is None:
                _changed(book, story, op, findings)
    for person in () if book.faults else book.people.values():
        reasons = [*person.revokes, *person.roles, *book.everybody]
        for login in person.logins:
            if login.answer == "stale_login" and login.epoch_at is not None:
                _signed_in(book, reasons, login, findings)


def _changed(book: Book, story: Story, op: Op, findings: Findings) -> None:
    if op.answer == "session_gone":
        findings.check(CHANGE)
        if story.certain_during(op) and story.outlasts(op, book.terms.idle):
            text = f"{op.verb} was told that {story.id} is gone, and nothing had ended it"
            findings.found(3, CHANGE, text, story.made, op, loss="session", lost=[story.made] if story.made else [])
    elif op.answer == "privilege_changed" and not book.faults:
        findings.check(CHANGE)
        if not book.stirred(story, op):
            text = f"{op.verb} was told that the privileges of {story.id} had changed, and nobody had changed them"
            findings.found(3, CHANGE, text, story.made, book.loaded(op), op)


def _signed_in(book: Book, reasons: list[Op], login: Op, findings: Findings) -> None:
    findings.check(SIGN_IN)
    read = book.epochs.get((login.actor, login.epoch_at or 0))
    begin = read.start if read is not None else 0
    if not any(each.maybe and each.start < login.end and begin < each.over for each in reasons):
        text = f"{login.user} was refused for an old epoch, and nothing of theirs was revoked since it was read"
        findings.found(2, SIGN_IN, text, read, login)
