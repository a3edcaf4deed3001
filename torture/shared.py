"""What all processes of a run share: one clock, the browsers' cookie jars, and how far everybody is.

A file mapped into memory. Every number is written by one process only, in one aligned 8-byte store.
"""

from __future__ import annotations

import math
import mmap
from pathlib import Path
from typing import Final

_NUMBERS: Final = 64
_SLOT: Final = 96
_CLOCK: Final = 0
_STOP: Final = 1
_ROUND: Final = 2
_LAST: Final = 3
_PROGRESS: Final = 8

JARS: Final = 64
"""How many cookie jars there are."""


class Shared:
    """The mapped file; make it with `create`, open it again by its path in the other processes."""

    def __init__(self, path: Path) -> None:
        """Map an existing file."""
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self._numbers = memoryview(self._map)[: 8 * _NUMBERS].cast("q")

    @classmethod
    def create(cls, path: Path, start: int) -> Shared:
        """Make the file with a clock that stands at *start*, in milliseconds."""
        path.write_bytes(bytes(8 * _NUMBERS + _SLOT * JARS))
        shared = cls(path)
        shared._numbers[_CLOCK] = start
        return shared

    def close(self) -> None:
        """Unmap the file."""
        self._numbers.release()
        self._map.close()

    @property
    def now(self) -> int:
        """The sessions' time, in milliseconds since the Unix epoch."""
        return self._numbers[_CLOCK]

    def advance(self, millis: int) -> None:
        """Move the clock forward; only one process may."""
        self._numbers[_CLOCK] += millis

    def clock(self) -> float:
        """Return seconds since the Unix epoch, as a manager takes them, exact to the millisecond."""
        millis = self._numbers[_CLOCK]
        seconds = millis / 1000
        return seconds if int(seconds * 1000) == millis else math.nextafter(seconds, math.inf)

    @property
    def stopping(self) -> bool:
        """Whether the run ends with the round that is played."""
        return bool(self._numbers[_STOP])

    def stop(self) -> None:
        """End the run with this round."""
        self._numbers[_STOP] = 1

    @property
    def last(self) -> bool:
        """Whether the round that all processes have just ended is the last one."""
        return bool(self._numbers[_LAST])

    def decide(self) -> None:
        """Fix whether the run ends now; one process does it for all, or they would part at the next barrier."""
        self._numbers[_LAST] = self._numbers[_STOP]

    @property
    def round(self) -> int:
        """The number of the round that is played."""
        return self._numbers[_ROUND]

    @round.setter
    def round(self, number: int) -> None:
        self._numbers[_ROUND] = number

    def progress(self, process: int) -> int:
        """How many steps a process has recorded in this round."""
        return self._numbers[_PROGRESS + process]

    def progressed(self, process: int, steps: int) -> None:
        """Say how many steps this process has recorded in this round."""
        self._numbers[_PROGRESS + process] = steps

    def jar(self, number: int) -> str | None:
        """Return the token in a browser's jar.

        A jar that is being written may be read half: that is a ticket nobody minted, and is judged as one.
        """
        at = 8 * _NUMBERS + _SLOT * number
        length = self._map[at]
        return self._map[at + 1 : at + 1 + length].decode("ascii", "replace") if length else None

    def put(self, number: int, token: str | None) -> None:
        """Put a token into a browser's jar, or empty it."""
        at = 8 * _NUMBERS + _SLOT * number
        raw = (token or "").encode("ascii")
        self._map[at + 1 : at + 1 + len(raw)] = raw
        self._map[at] = len(raw)
