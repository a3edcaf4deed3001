"""The checker: pure, over a recorded history, interval by interval."""

from __future__ import annotations

from torture.history import History
from torture.judging import (
    adoption,
    answers,
    causes,
    clocks,
    death,
    giving_way,
    graces,
    limits,
    privileges,
    reading,
    refusals,
    updates,
)
from torture.judging.book import Book
from torture.judging.findings import Findings, Violation

__all__ = ["Findings", "Violation", "judge"]

_RULES = (
    adoption, answers, death, causes, updates, limits, giving_way, privileges, graces, reading, clocks, refusals,
)  # fmt: skip


def judge(history: History) -> Findings:
    """Judge a history by its terms; the same history gives the same findings."""
    book = Book(history)
    findings = Findings(history.terms, book.faults, book.asked)
    for rules in _RULES:
        rules.judge(book, findings)
    findings.violations.sort(key=lambda each: (each.culprit.start, each.promise, each.rule))
    findings.losses.sort(key=lambda each: (each.culprit.start, each.promise, each.rule))
    return findings
