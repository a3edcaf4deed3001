"""A row of numbers as a row of small bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

BARS: Final = " ▁▂▃▄▅▆▇█"
PLAIN: Final = " .:-=+*#@"
"""The same for terminals that show ASCII alone."""


def sparkline(values: Sequence[float | None], width: int, *, plain: bool = False, largest: bool = False) -> str:
    """Return at most *width* bars, the highest for the largest value; what is 0 or ``None`` is a gap.

    Where there are more values than room, neighbours are added up, or with *largest* the largest of them stands for
    all. A value that is not 0 always shows.
    """
    merge: Callable[[list[float]], float] = max if largest else sum
    shown = [merge([value or 0.0 for value in part]) for part in _parts(values, max(width, 1))]
    top = max(shown, default=0.0)
    bars = PLAIN if plain else BARS
    steps = len(bars) - 1
    return "".join(bars[max(1, round(value / top * steps))] if value else bars[0] for value in shown)


def _parts(values: Sequence[float | None], width: int) -> list[Sequence[float | None]]:
    """Cut *values* into at most *width* pieces that differ by one in length."""
    count = min(len(values), width)
    return [values[len(values) * place // count : len(values) * (place + 1) // count] for place in range(count)]
