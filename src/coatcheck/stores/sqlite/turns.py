"""Fair turns between processes that write to one file.

SQLite lets one process write at a time, but whoever waits for it polls, and one of four busy processes once waited
three seconds while the others committed thousands of times. Here everybody draws a ticket and waits for the earlier
ones only.

The tickets live in a side file, as byte-range locks, so the kernel returns the ticket of a process that dies:

1. lock byte 0, draw the next number *t* from the counter in the file, lock byte ``BASE + t``, unlock byte 0;
2. wait until nobody holds any byte of an earlier ticket;
3. write; unlock byte ``BASE + t``.

Turns are about fairness alone: safety is SQLite's own lock, and every failure here means going without a turn. For the
same reason waiting is bounded: a process that is stopped, not dead, keeps its ticket, and after `patience` the others
stop minding every ticket up to then. That is why waiting polls instead of blocking in the kernel, which cannot be
bounded; order comes from the tickets, so polling takes nothing from fairness.

Where there are no byte-range locks (Windows) there are no turns, and SQLite's own waiting is all there is.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

_log = logging.getLogger("coatcheck.stores.sqlite")

_COUNTER: Final = 8
"""Bytes of the counter at the start of the file."""
_BASE: Final = 16
"""Offset of ticket 0's byte. Locks may lie beyond the end of a file."""
_LAST: Final = 2**62
"""A counter at or above this is rubbish and starts again."""
_FIRST_PAUSE: Final = 0.00005
_LONGEST_PAUSE: Final = 0.0005
"""Seconds between two looks: between a small fraction of a commit and about one."""


class Turns:
    """This process's place in the queue for one file.

    Byte-range locks belong to the process, and closing any descriptor of the file drops them all: so there is one
    object for one file in a process, and its holder lets one thread use it at a time.

    Args:
        path: the side file; made when it is missing.
        patience: seconds to wait for earlier tickets before going ahead out of turn.
    """

    def __init__(self, path: str, *, patience: float = 2.0) -> None:
        """Open nothing yet."""
        self._path = path
        self._patience = patience
        self._file: int | None = None
        self._usable = sys.platform != "win32"
        self._mind_from = 0
        self._ticket: int | None = None

    def __del__(self) -> None:
        """Let go of the file."""
        self.close()

    @contextmanager
    def turn(self) -> Generator[None]:
        """Wait for a turn and hold it."""
        self.take()
        try:
            yield
        finally:
            self.release()

    def take(self) -> None:
        """Wait for a turn; returns without one when there can be none."""
        if not self._usable:
            return
        try:
            self._ticket = self._draw(time.monotonic() + self._patience)
            if self._ticket is not None:
                self._wait_for_earlier(self._ticket, time.monotonic() + self._patience)
        except OSError as fault:
            self._do_without(fault)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Give the turn to the next in the queue."""
        ticket, self._ticket = self._ticket, None
        if ticket is not None and self._file is not None:
            _unlock(self._file, _BASE + ticket, 1)

    def close(self) -> None:
        """Let go of the file, and with it of every ticket; harmless when it is not open."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _draw(self, deadline: float) -> int | None:
        """Draw the next ticket and hold its byte; ``None`` if the counter is not free before *deadline*."""
        if self._file is None:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _lock_until(self._file, 0, 1, deadline):
            return None
        try:
            ticket = int.from_bytes(os.pread(self._file, _COUNTER, 0), "little")
            if ticket >= _LAST:
                ticket = 0
            os.pwrite(self._file, (ticket + 1).to_bytes(_COUNTER, "little"), 0)
            return ticket if _try_lock(self._file, _BASE + ticket, 1) else None
        finally:
            _unlock(self._file, 0, 1)

    def _wait_for_earlier(self, ticket: int, deadline: float) -> None:
        """Wait until no earlier ticket is held, or mind none of them any more once *deadline* has passed."""
        first = self._mind_from if self._mind_from <= ticket else 0
        if self._file is None or first == ticket:
            return
        if _lock_until(self._file, _BASE + first, ticket - first, deadline):
            _unlock(self._file, _BASE + first, ticket - first)
        else:
            self._mind_from = ticket
            _log.warning("a process holds its turn to write for too long; going ahead of it: %s", self._path)

    def _do_without(self, fault: OSError) -> None:
        """Give up turns for good, except where the kernel merely suspected a deadlock between two files."""
        self.release()
        if fault.errno != errno.EDEADLK:
            self._usable = False
            _log.warning("no fair turns between processes, %s: %s", (fault.strerror or "").lower(), self._path)


def _lock_until(file: int, start: int, length: int, deadline: float) -> bool:
    """Lock a range, looking again and again until *deadline*."""
    pause = _FIRST_PAUSE
    while not _try_lock(file, start, length):
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
    return True


if sys.platform != "win32":
    import fcntl

    def _try_lock(file: int, start: int, length: int) -> bool:
        """Lock a range if nobody else holds any of it."""
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES: POSIX allows both
            return False
        return True

    def _unlock(file: int, start: int, length: int) -> None:
        """Unlock a range."""
        fcntl.lockf(file, fcntl.LOCK_UN, length, start)

else:

    def _try_lock(_file: int, _start: int, _length: int) -> bool:
        """Pretend: without byte-range locks nobody draws a ticket."""
        return True

    def _unlock(_file: int, _start: int, _length: int) -> None:
        """Nothing was locked."""
