"""How far long work has come: a bar at a terminal, a line now and then elsewhere, always on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final, TypeAlias

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

EVERY: Final = 5.0
"""Seconds between two lines where there is no terminal."""

Tell: TypeAlias = Callable[[int, int], None]
"""Told how many sessions were looked at, and how many of them were found or ended."""


@contextmanager
def progress(verb: str, total: int | None = None) -> Generator[Tell]:
    """Show that sessions are looked at and *verb* happens to some: to *total* of them, if that is known."""
    console = Console(stderr=True)
    if console.is_terminal:
        with _bar(console, verb, total) as tell:
            yield tell
    else:
        yield _lines(verb)


@contextmanager
def _bar(console: Console, verb: str, total: int | None) -> Generator[Tell]:
    columns = (SpinnerColumn(), BarColumn(bar_width=20), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(f"0 {verb}", total=total)

        def tell(looked: int, done: int) -> None:
            of = "" if total is None else f" of {total}"
            shown.update(task, completed=done, description=_said(looked, f"{done}{of}", done, verb))

        yield tell


def _lines(verb: str) -> Tell:
    told = time.monotonic()

    def tell(looked: int, done: int) -> None:
        nonlocal told
        if time.monotonic() - told >= EVERY:
            told = time.monotonic()
            typer.echo(_said(looked, str(done), done, verb), err=True)

    return tell


def _said(looked: int, count: str, done: int, verb: str) -> str:
    """Say how far it has come; how many were looked at only where that is another number."""
    return f"{count} {verb}" if looked == done else f"{count} {verb}, {looked} looked at"
