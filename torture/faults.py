"""Planned events: at which share of a round what is done to the store, and undone again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from msgspec import Struct

from torture.history import Op
from torture.shared import Shared


class Fault(Protocol):
    """Something that can be done to a store, and undone. Both return when it is done."""

    def begin(self) -> object:
        """Do it."""
        ...

    def end(self) -> object:
        """Undo it, so that the store serves again."""
        ...


class Pair(Struct, frozen=True):
    """A fault of two functions."""

    do: Callable[[], object]
    undo: Callable[[], object]

    def begin(self) -> object:
        """Call the first."""
        return self.do()

    def end(self) -> object:
        """Call the second."""
        return self.undo()


class Event(Struct, frozen=True):
    """One fault in one round, by the number of steps that all processes together have recorded in it."""

    round: int
    name: str
    begins: int
    ends: int


def plan(names: list[str], *, rounds: int, steps: int, seed: int) -> list[Event]:
    """Draw one fault for each round; the same seed draws the same ones."""
    draw = random.Random(f"faults {seed}")  # noqa: S311 - a plan that can be repeated
    events: list[Event] = []
    for number in range(rounds if names else 0):
        begins = int(steps * draw.uniform(0.2, 0.6))
        events.append(Event(number, names[number % len(names)], begins, begins + int(steps * draw.uniform(0.02, 0.1))))
    return events


def execute(event: Event, fault: Fault, shared: Shared, *, over: Callable[[], bool]) -> Op:
    """Begin a fault and end it when enough steps were made, at the latest after two seconds; return it as a step."""
    start, clock = time.monotonic_ns(), shared.now
    fault.begin()
    until = time.monotonic() + 2
    while not over() and time.monotonic() < until:
        time.sleep(0.01)
    fault.end()
    end = time.monotonic_ns()
    return Op(start=start, end=end, clock=clock, until=shared.now, actor=-1, verb="fault", note=event.name)


def chosen(wanted: str, offered: Mapping[str, Fault]) -> list[str]:
    """Return the names of the faults that were asked for: ``none``, ``all``, or names with commas between.

    Raises:
        ValueError: the configuration has no such fault; names those it has.
    """
    if wanted == "none":
        return []
    names = sorted(offered) if wanted == "all" else wanted.split(",")
    unknown = [name for name in names if name not in offered]
    if unknown or not names:
        known = ", ".join(sorted(offered)) or "none"
        raise ValueError(f"this store has no fault {', '.join(unknown) or wanted}; there are: {known}")
    return names
