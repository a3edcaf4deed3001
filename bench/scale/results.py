"""What was measured, as it is kept in ``results.json``: a section a store, each with its own date and machine."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct, field

from bench.scale.latencies import Latency

PARTS: Final = ("record", "id index", "user index", "due index", "browse index", "other")
"""What a session's bytes are spent on; ``other`` is what a total shows and no part explains."""


class Machine(Struct, frozen=True, kw_only=True):
    """Where and when something was measured."""

    date: str
    processor: str
    cores: int
    memory_gib: float
    system: str
    python: str


class Space(Struct, frozen=True, kw_only=True):
    """Bytes a session.

    Attributes:
        sessions: how many there were.
        parts: by `PARTS`.
        total: by the engine's own total.
        method: how it was asked.
    """

    sessions: int
    parts: dict[str, float]
    total: float
    method: str


class Lookup(Struct, frozen=True, kw_only=True):
    """Finding sessions at random in a store of a size, and in a small one in turns with it."""

    sessions: int
    in_flight: int
    here: Latency
    small_sessions: int
    small: Latency
    ratio: Latency


class OneUser(Struct, frozen=True, kw_only=True):
    """A user with many sessions: medians over some such users."""

    sessions: int
    list_ms: float
    revoke_ms: float


class Sweep(Struct, frozen=True, kw_only=True):
    """Reading while nothing else happens and while a sweeper works, in turns.

    Attributes:
        expired: how many were swept.
        seconds: how long the sweeper worked.
        batch: sessions that one step of the store sweeps.
        clients: how many read at once, one after the other's answer each.
        pause_ms: what a client waits between an answer and its next question, on average.
        pairs: how many turns were taken.
        quiet: without the sweeper, median over the turns.
        busy: beside it, likewise.
        ratio: median over the pairs of turns.
    """

    expired: int
    seconds: float
    batch: int
    clients: int
    pause_ms: float
    pairs: int
    quiet: Latency
    busy: Latency
    ratio: Latency


class StoreResult(Struct, frozen=True, kw_only=True):
    """Everything about one store."""

    machine: Machine
    engine: str
    settings: str
    sessions: int
    per_user: int
    load_seconds: float
    space: list[Space]
    lookups: list[Lookup]
    one_user: OneUser | None = None
    sweeps: list[Sweep] = []


class Rival(Struct, frozen=True, kw_only=True):
    """Bytes a session of somebody else's: ``source`` says whether it was measured here or where the number is from."""

    name: str
    bytes: float
    contains: str
    source: str


class Results(Struct, kw_only=True):
    """The whole file."""

    stores: dict[str, StoreResult] = field(default_factory=dict[str, StoreResult])
    rivals: list[Rival] = field(default_factory=list[Rival])


def read(path: Path) -> Results:
    """Read a file of results; one that is missing is empty."""
    return msgspec.json.decode(path.read_bytes(), type=Results) if path.exists() else Results()


def write(results: Results, path: Path) -> None:
    """Write a file of results, so that two runs can be compared line by line."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")


def this_machine() -> Machine:
    """Describe this machine, without its name."""
    return Machine(
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        processor=_processor(),
        cores=os.cpu_count() or 0,
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        system=f"{platform.system()} {platform.machine()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
    )


def _processor() -> str:
    """Return the processor's name where the system tells it."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
