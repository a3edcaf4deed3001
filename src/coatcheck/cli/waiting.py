"""``--wait``: a store that does not answer yet, as when everything of a deployment starts at once."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Annotated, Any, Final, TypeAlias, TypeVar

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from coatcheck.errors import StoreUnavailable

Answer = TypeVar("Answer")

DEFAULT: Final = 60
"""Seconds that ``--wait`` without a number means."""

PAUSE: Final = 0.5
"""Seconds between two tries."""

Wait: TypeAlias = Annotated[
    float,
    typer.Option(
        "--wait",
        metavar="[SECONDS]",
        min=0,
        show_default=False,
        help=f"Wait for a store that does not answer yet; {DEFAULT} seconds when no number follows.",
    ),
]

_NUMBER: Final = re.compile(r"\d+(\.\d*)?|\.\d+", re.ASCII)


class Patient(TyperGroup):
    """A command whose ``--wait`` may stand without its number, which Typer's options cannot."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Add the number where it is left out."""
        return super().parse_args(ctx, list(_numbered(args)))


def _numbered(args: list[str]) -> Generator[str]:
    for word, after in zip(args, [*args, ""][1:], strict=True):
        yield f"--wait={DEFAULT}" if word == "--wait" and not _NUMBER.fullmatch(after) else word


def patiently(work: Callable[[], Answer], seconds: float) -> Answer:
    """Return what *work* returns, trying again for *seconds* while the store does not answer; says so on stderr.

    What a person has to set right first, such as a wrong password, is raised at once.

    Raises:
        StoreUnavailable: it did not answer in time.
    """
    deadline = time.monotonic() + seconds
    with _telling(Console(stderr=True, highlight=False), seconds) as tell:
        while True:
            try:
                return work()
            except StoreUnavailable as error:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise
                tell(str(error), left)
            time.sleep(min(PAUSE, left))


@contextmanager
def _telling(console: Console, seconds: float) -> Generator[Callable[[str, float], None]]:
    """Give what says why one waits: a line that counts at a terminal, else a line for each new cause."""
    if not console.is_terminal:
        told: set[str] = set()

        def tell(cause: str, _left: float) -> None:
            if cause not in told:
                told.add(cause)
                typer.echo(f"waiting up to {seconds:g} s for the store: {cause}", err=True)

        yield tell
        return
    with console.status("waiting for the store") as status:
        yield lambda cause, left: status.update(Text(f"waiting for the store, {left:.0f} s left: {cause}"))
