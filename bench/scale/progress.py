"""How far a long step is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

Advance = Callable[[int], None]

_EVERY: Final = 15.0
"""Seconds from one plain line to the next."""


def say(text: str) -> None:
    """Say on stderr what happens."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def steps(label: str, total: int) -> Generator[Advance]:
    """Show how much of *total* is done; the body calls what it is handed with what it has done since."""
    with _bar(label, total) if sys.stderr.isatty() else _lines(label, total) as advance:
        yield advance


@contextmanager
def _bar(label: str, total: int) -> Generator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:40}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(label, total=total)
        yield lambda count: progress.advance(task, count)


@contextmanager
def _lines(label: str, total: int) -> Generator[Advance]:
    done, begun, told = 0, time.monotonic(), time.monotonic()

    def advance(count: int) -> None:
        nonlocal done, told
        done += count
        if time.monotonic() - told >= _EVERY:
            told = time.monotonic()
            say(f"{label}: {done:,} of {total:,}")

    yield advance
    say(f"{label}: {done:,} in {time.monotonic() - begun:.0f} s")
