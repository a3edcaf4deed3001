"""A fork waits until no thread is making or closing a connection.

The C libraries beneath a connection (OpenSSL above all, which PostgreSQL's client uses even without TLS) take locks of
their own while one is made or closed. A child that is forked at such a moment inherits a lock whose holder does not
exist there, and its own first connection would hang for ever, in C, where no time limit reaches.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

PATIENCE: Final = 1.0
"""Seconds that a fork waits at most. What takes longer waits for the network, and holds no lock of a library's."""


class _Gate:
    """Counts the threads between the start and the end of such work, and the forks that wait for them."""

    def __init__(self) -> None:
        self.moved = threading.Condition(threading.RLock())  # a finalizer may close a connection anywhere
        self.inside: Counter[int] = Counter()
        self.forking = 0

    def others(self) -> bool:
        """Whether a thread other than this one is inside."""
        me = threading.get_ident()
        return any(thread != me for thread in self.inside)

    def enter(self) -> int:
        """Let this thread in, after the forks that wait; return which it is."""
        me = threading.get_ident()
        with self.moved:
            self.moved.wait_for(lambda: not self.forking or me in self.inside, PATIENCE)
            self.inside[me] += 1
        return me

    def leave(self, thread: int) -> None:
        """Let *thread* out."""
        with self.moved:
            self.inside[thread] -= 1
            if not self.inside[thread]:
                del self.inside[thread]
            self.moved.notify_all()


_gate = _Gate()


@contextmanager
def whole() -> Generator[None, None, None]:
    """Make or close a connection, also across an ``await``, without a fork of this process in its midst."""
    gate = _gate
    thread = gate.enter()
    try:
        yield
    finally:
        gate.leave(thread)


def _before_fork() -> None:
    """Wait for the threads inside, and let none in until the fork is done."""
    _gate.moved.acquire()
    _gate.forking += 1
    _gate.moved.wait_for(lambda: not _gate.others(), PATIENCE)


def _in_parent() -> None:
    _gate.forking -= 1
    _gate.moved.notify_all()
    _gate.moved.release()


def _in_child() -> None:
    """Begin anew: the threads that were inside, or waited, do not exist here."""
    global _gate
    parents, _gate = _gate, _Gate()
    parents.forking = 0
    parents.moved.release()  # this thread may itself be inside, at an ``await``


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
