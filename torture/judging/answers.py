"""Promises 9 and 12: without a fault every step is answered, and what is answered is an answer of its verb."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from torture.history import UNKNOWN, UNSURE
from torture.judging.book import Book
from torture.judging.findings import Findings

ANSWERED = "without a fault every step is answered"
CODE = "an answer is one of its verb's"

_DONE: Final = frozenset({"ok"})
_LOST: Final = frozenset({"session_gone", "privilege_changed", "commit_refused"})

ANSWERS: Final[Mapping[str, frozenset[str]]] = {
    "load": _DONE | {"none"},
    "save": _DONE | _LOST,
    "login": _DONE | {"stale_login", "session_limit_reached", "session_gone"},
    "logout": _DONE | {"none"},
    "rotate": _DONE | _LOST,
    "transact": _DONE | _LOST | {"contended"},
    "epoch": _DONE,
    "get": _DONE | {"none", "dead"},
    "list": _DONE,
    "revoke": _DONE | {"none"},
    "revoke_user": _DONE,
    "revoke_all": _DONE,
    "set_roles": _DONE,
    "sweep": _DONE,
    "leak": _DONE | {"leaked"},
    "event": _DONE,
    "fault": _DONE,
}
"""What each verb may answer when the store serves; ``unknown`` and ``crashed`` have rules of their own.

Anything else was not to happen here: nobody wrote a record that cannot be read, and nothing is set up wrong.
"""


def judge(book: Book, findings: Findings) -> None:
    """Look at every answer."""
    served = book.terms.exact and not book.faults
    findings.check(CODE, len(book.ops))
    findings.check(ANSWERED, len(book.ops) if served else 0)
    for op in book.ops:
        if op.answer == UNKNOWN and served:
            findings.found(9, ANSWERED, f"{op.verb} was not answered, and nothing was done to the store", op)
        elif op.answer not in UNSURE and op.answer not in ANSWERS[op.verb]:
            findings.found(12, CODE, f"{op.verb} was answered {op.answer!r}, which it never is", op)
