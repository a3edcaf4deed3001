"""Filling an engine: fast, in the engine's own bulk way, with the store's own encoding."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from bench.scale.engines import CHUNK, Engine
from bench.scale.people import People
from bench.scale.progress import steps
from coatcheck.model import Record

COLLECTORS = 5
"""Users with very many sessions, to take a median over."""
_FIRST_COLLECTED = 2_000_000_000


def fill(engine: Engine, label: str, make: Callable[[int], Record], numbers: range) -> float:
    """Load the sessions of *numbers* and return the seconds it took."""
    begun = time.perf_counter()
    with steps(f"{label}: loading", len(numbers)) as advance:
        for chunk in _chunks(numbers):
            engine.load([make(number) for number in chunk])
            advance(len(chunk))
    engine.settle()
    return time.perf_counter() - begun


def grow(engine: Engine, label: str, people: People, *, present: int, wanted: int) -> float:
    """Load live sessions until there are *wanted*; *present* are there."""
    return fill(engine, label, people.record, range(present, wanted))


def collect(engine: Engine, label: str, people: People, sessions: int) -> list[str]:
    """Give each of `COLLECTORS` users *sessions* sessions, and return the users."""
    users = [f"collector-{number}" for number in range(COLLECTORS)]

    def make(number: int) -> Record:
        return people.record(_FIRST_COLLECTED + number, user_id=users[number // sessions])

    fill(engine, f"{label}, {COLLECTORS} users with {sessions:,} sessions", make, range(COLLECTORS * sessions))
    return users


def _chunks(numbers: range) -> Iterator[range]:
    for begin in range(0, len(numbers), CHUNK):
        yield numbers[begin : begin + CHUNK]
