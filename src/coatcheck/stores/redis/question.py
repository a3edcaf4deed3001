"""One command on its way: whom it is for, how often it was asked, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from coatcheck.stores.redis.link import Call
from coatcheck.stores.redis.node import Node
from coatcheck.stores.redis.wire import Command


class Question:
    """One command, and what became of it."""

    __slots__ = ("again", "answer", "at", "call", "command", "confirmed", "key", "load", "loads", "tries")

    def __init__(self, command: Command, key: bytes | None, call: Call | None = None) -> None:
        """Ask *command* of the server that has *key*."""
        self.command, self.key, self.call = command, key, call
        self.answer: Any = None
        self.at: Node | None = None
        self.again, self.load, self.loads, self.confirmed, self.tries = True, False, False, True, 0

    def commands(self) -> list[Command]:
        """Return what to send: the answer is the last one's."""
        script = [("SCRIPT", "LOAD", self.call.script.text)] if self.loads and self.call else []
        return [*script, *([("ASKING",)] if self.at else []), self.command]

    def fail(self, error: Exception, *, again: bool) -> None:
        """Keep *error* as the answer, to be asked *again* or not."""
        self.answer, self.again, self.at = error, again, None
        self.tries += 1

    def miss_script(self) -> None:
        """Send the script along from now on. Finding out costs no try: a server that was just promoted knows none."""
        if self.load:
            self.again = self.tries < 3
        else:
            self.again, self.load, self.tries = True, True, self.tries - 1


def share_loads(questions: Iterable[Question]) -> None:
    """Send each script once, before the first that runs it."""
    known: set[str] = set()
    for question in questions:
        call = question.call
        question.loads = question.load and call is not None and call.script.sha not in known
        if question.loads and call is not None:
            known.add(call.script.sha)
