"""Writing down what happens, cheaply: one struct a step, kept in a list until the round is over."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import Any

from coatcheck.errors import CoatcheckError, StoreUnavailable
from coatcheck.events import Event
from torture.history import UNKNOWN, UNSURE, Op
from torture.shared import Shared

WROTE: ContextVar[list[int]] = ContextVar("WROTE")
"""How many verbs of change the current task has asked the store for; one number in a list."""

_ENDS = frozenset({"session.ended", "session.expired", "session.abandoned"})


class Recorder:
    """The steps of one process in one round."""

    def __init__(self, shared: Shared, process: int = 0) -> None:
        """Begin with nothing."""
        self.shared, self.process = shared, process
        self.ops: list[Op] = []
        self.open: dict[int, Op] = {}
        self.unanswered = 0

    def begin(self, actor: int, request: int, verb: str, **facts: Any) -> Op:
        """Begin a step; it is kept when it ends."""
        WROTE.get()[0] = 0
        now = self.shared.now
        op = Op(
            start=time.monotonic_ns(), end=0, clock=now, until=now, actor=actor, request=request, verb=verb, **facts
        )
        self.open[id(op)] = op
        return op

    def end(self, op: Op, answer: str = "ok") -> Op:
        """End a step with its answer and keep it."""
        op.end, op.until, op.answer, op.wrote = time.monotonic_ns(), self.shared.now, answer, WROTE.get()[0]
        self.ops.append(op)
        self.open.pop(id(op), None)
        self.unanswered += answer in UNSURE
        self.shared.progressed(self.process, len(self.ops))
        return op

    def event(self, event: Event) -> None:
        """Keep an end event; what else happened is of no interest here."""
        if event.name in _ENDS:
            now, clock = time.monotonic_ns(), self.shared.now
            reason = event.details.get("reason") or event.name.partition(".")[2]
            self.ops.append(
                Op(
                    start=now, end=now, clock=clock, until=clock, actor=self.process, verb="event",
                    session=event.session_id, user=event.user_id, note=str(reason),
                )
            )  # fmt: skip

    def restart(self) -> None:
        """Begin a round: nothing of it is done."""
        self.shared.progressed(self.process, 0)

    def taken(self) -> list[Op]:
        """Hand the round's steps over and begin the next."""
        ops, self.ops = self.ops, []
        return ops


def answer_of(error: CoatcheckError) -> str:
    """Return a refusal's code; what the store did not answer is unknown."""
    return UNKNOWN if isinstance(error, StoreUnavailable) else error.code
