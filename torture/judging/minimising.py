"""The smallest story: steps are left out of a history for as long as the same violation is still found.

The steps that show it in the whole history always stay: what is left might else be another story than its text tells.
"""

from __future__ import annotations

from msgspec.structs import replace

from torture.history import History, Op
from torture.judging import judge
from torture.judging.findings import Violation

_AT_MOST = 600
"""Steps with which the search begins at most; the nearest to the offending one are taken."""


def minimise(history: History, violation: Violation) -> Violation:
    """Return the same violation with as few steps before it as show it; the offending step stays the last."""
    needed = {id(op) for op in violation.ops}
    related = [op for op in history.ops if id(op) in needed or _concerns(op, violation)]
    if len(related) > _AT_MOST:
        rest = sorted((op for op in related if id(op) not in needed), key=lambda op: _distance(op, violation))
        chosen = needed | {id(op) for op in rest[: _AT_MOST - len(needed)]}
        related = [op for op in related if id(op) in chosen]
    found = _again(history, related, violation)
    if found is None:
        return violation
    kept = _shrunk(history, related, violation, needed)
    found = _again(history, kept, violation) or found
    return replace(found, text=violation.text, ops=tuple(op for op in kept if op is not found.culprit) + found.ops[-1:])


def _concerns(op: Op, violation: Violation) -> bool:
    """Whether a step is about the same session, user or request as one of those that show the violation."""
    for shown in violation.ops:
        if op.start <= violation.culprit.end and (
            (shown.session is not None and shown.session in (op.session, op.made))
            or (shown.made is not None and shown.made in (op.session, op.made))
            or (op.request and (op.actor, op.request) == (shown.actor, shown.request))
        ):
            return True
    return False


def _distance(op: Op, violation: Violation) -> int:
    return min(abs(op.start - shown.start) for shown in violation.ops)


def _again(history: History, ops: list[Op], violation: Violation) -> Violation | None:
    """Judge some of the steps; return the same violation if it is found again."""
    findings = judge(replace(history, ops=ops))
    same = (found for found in findings.violations if found.names == violation.names)
    return next((found for found in same if found.culprit is violation.culprit), None)


def _shrunk(history: History, ops: list[Op], violation: Violation, needed: set[int]) -> list[Op]:
    """Leave out ever smaller pieces (delta debugging), then single steps."""
    size = max(len(ops) // 2, 1)
    while True:
        at = 0
        while at < len(ops):
            fewer = ops[:at] + ops[at + size :]
            shows = not any(id(op) in needed for op in ops[at : at + size])
            if shows and _again(history, fewer, violation) is not None:
                ops = fewer
            else:
                at += size
        if size == 1:
            return ops
        size //= 2
