"""What a judgement found: violations, losses that were announced, and how often each rule was put to the test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from msgspec import Struct

from torture.history import Op, Terms, process_of


class Violation(Struct, frozen=True, kw_only=True):
    """One broken promise.

    Attributes:
        promise: its number in the design.
        rule: the rule's short name.
        text: what happened, in a sentence.
        ops: the steps that show it, the offending one last.
        loss: what kind of loss it is, for the table of guarantees; empty for what may never happen.
    """

    promise: int
    rule: str
    text: str
    ops: tuple[Op, ...]
    loss: str = ""

    @property
    def culprit(self) -> Op:
        """The step that must not have gone as it did."""
        return self.ops[-1]

    @property
    def names(self) -> tuple[int, str]:
        """What is counted together."""
        return self.promise, self.rule


class Findings:
    """Collects what the rules find."""

    def __init__(
        self, terms: Terms, faults: list[Op], asked: Mapping[tuple[int, str], list[Op]] = MappingProxyType({})
    ) -> None:
        """Judge by *terms*; *faults* are what was done to the store, *asked* the answered reads by process and user."""
        self.terms, self._faults, self._asked = terms, faults, asked
        self.violations: list[Violation] = []
        self.losses: list[Violation] = []
        self.checked: Counter[str] = Counter()

    def check(self, rule: str, times: int = 1) -> None:
        """Count that a rule was put to the test."""
        self.checked[rule] += times

    def found(
        self,
        promise: int,
        rule: str,
        text: str,
        *ops: Op | None,
        loss: str = "",
        lost: Iterable[Op] = (),
        least: int = 1,
    ) -> None:
        """Take note of a broken promise, unless nobody promised it or its loss was announced.

        ``lost`` are the acknowledged steps of which the effect of *least* is gone; the others only tell the story.
        """
        if promise not in self.terms.promises:
            return
        shown = tuple(sorted((op for op in ops[:-1] if op is not None), key=lambda op: op.start))
        last = ops[-1]
        if last is None:
            raise ValueError("a violation needs the step that broke the promise")
        violation = Violation(promise=promise, rule=rule, text=text, ops=(*shown, last), loss=loss)
        announced = self._is_allowed(loss, list(lost), least, last)
        (self.losses if announced else self.violations).append(violation)

    def _is_allowed(self, loss: str, lost: list[Op], least: int, culprit: Op) -> bool:
        """Whether faults before the culprit's end may have cost as many of the steps that were lost."""
        return sum(any(self._costs(fault, loss, op, culprit) for fault in self._faults) for op in lost) >= least

    def _costs(self, fault: Op, loss: str, op: Op, culprit: Op) -> bool:
        """Whether a fault may have cost a step, so that the culprit may still show it."""
        before = self.terms.allowed.get(fault.note, {}).get(loss)
        if before is None or culprit.end < fault.start:
            return False
        near = fault.start - before * 1_000_000 <= op.end and op.start <= fault.end
        return near and not (loss == "revocation" and self._again(fault, op, culprit))

    def _again(self, fault: Op, op: Op, culprit: Op) -> bool:
        """Whether the process that acknowledged an end has certainly repeated it since the fault.

        It does so before it answers the first read of the same person, so that this read may not miss it either.
        """
        if fault.note not in self.terms.repeated or op.verb == "event":
            return False
        if culprit.start >= fault.end and process_of(culprit) == process_of(op):
            return True
        asked = self._asked.get((process_of(op), culprit.user or ""), ())
        return any(fault.end <= other.start and other.end <= culprit.start for other in asked)
