"""A round that stands still fails loudly: a verb that never returns would else hang the run without a word."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from torture.history import Op
from torture.recording import Recorder

PATIENCE: Final = 180
"""Seconds in which a process must end a step. No verb takes as long: clients give up after seconds, in a fault too."""

_SHOWN: Final = 10


class Stall:
    """Counts for how many looks in a row no step of a process has ended.

    Looks are counted, not seconds: a run that is stopped as a whole, as a laptop that sleeps, does not stand still.
    """

    def __init__(self, recorder: Recorder, patience: int = PATIENCE) -> None:
        """Begin now."""
        self.recorder, self.patience = recorder, patience
        self._ended, self._looks = len(recorder.ops), 0

    def look(self) -> str | None:
        """Look once; say what is wrong when that was once too often."""
        ended = len(self.recorder.ops)
        self._looks = self._looks + 1 if ended == self._ended else 0
        self._ended = ended
        return self._said() if self._looks >= self.patience else None

    def _said(self) -> str:
        waiting = list(self.recorder.open.values())
        steps = "; ".join(_shown(op) for op in waiting[:_SHOWN]) or "none: it is busy with something that is no step"
        more = f"; and {len(waiting) - _SHOWN} more" if len(waiting) > _SHOWN else ""
        return f"process {self.recorder.process} ended no step for {self.patience} s; open steps: {steps}{more}"


def _shown(op: Op) -> str:
    about = op.session or op.user or op.ticket
    return f"{op.verb} by actor {op.actor}" + (f" of {about}" if about else "")


@contextmanager
def loud_when_still(recorder: Recorder, patience: int = PATIENCE) -> Generator[None]:
    """End this process with a message when its round stands still; a thread looks, whatever blocks the event loop."""
    over = threading.Event()
    threading.Thread(target=_look, args=(Stall(recorder, patience), over), daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _look(stall: Stall, over: threading.Event) -> None:
    while not over.is_set():
        time.sleep(1)
        said = None if over.is_set() else stall.look()
        if said is not None:
            sys.stderr.write(f"{said}\n")
            sys.stderr.flush()
            os._exit(1)
