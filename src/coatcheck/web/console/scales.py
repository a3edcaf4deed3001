"""Scales of plots: round numbers for the axis that counts, round times for the axis of time. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import ceil, floor, log10
from typing import Final

from msgspec import Struct

from coatcheck.model import Millis

MOST_STEPS: Final = 4
"""Steps that a value axis has at most."""

MOST_TIMES: Final = 7
"""Times that a time axis names at most."""

_MINUTE: Final = 60_000
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_STEPS: Final[tuple[Millis, ...]] = (
    *(_MINUTE * count for count in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * count for count in (1, 2, 3, 4, 6, 12)),
    *(_DAY * count for count in (1, 2, 5, 7, 14)),
)


class Axis(Struct, frozen=True):
    """A value axis, with its ``ticks`` from the bottom to the top; ``decades`` when each is ten times the one below."""

    ticks: tuple[float, ...]
    decades: bool = False

    def share(self, value: float) -> float:
        """Return where *value* lies between 0 (the bottom) and 1 (the top)."""
        low, top = self.ticks[0], self.ticks[-1]
        place = log10(max(value, low) / low) / log10(top / low) if self.decades else value / top
        return min(max(place, 0.0), 1.0)


def value_axis(highest: float) -> Axis:
    """Return an axis that reaches *highest* in whole steps of 1, 2 or 5 times a power of ten: it counts."""
    step = max(_round_step(max(highest, 1.0) / MOST_STEPS), 1.0)
    count = max(ceil(round(max(highest, 1.0) / step, 9)), 1)
    return Axis(tuple(step * number for number in range(count + 1)))


def decade_axis(lowest: float, highest: float) -> Axis:
    """Return an axis of powers of ten around both: a slow moment stands out and does not flatten the others."""
    low = floor(log10(max(lowest, 0.01)))
    top = max(ceil(log10(max(highest, 0.01))), low + 1)
    return Axis(tuple(10.0**power for power in range(low, top + 1)), decades=True)


def _round_step(least: float) -> float:
    """Return the smallest of 1, 2 and 5 times a power of ten that is not below *least*."""
    power = 10.0 ** floor(log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


def short_number(value: float) -> str:
    """Return a number in few characters, such as ``"0.25"``, ``"7"``, ``"1.5k"`` or ``"100k"``."""
    for size, mark in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 0.9995:
            return f"{_three_figures(value / size)}{mark}"
    return _three_figures(value)


def whole_number(value: float) -> str:
    """Return a number as tables show it: thousands apart, decimals only where it is small, and no 0 where it is not."""
    if 0 < abs(value) < 0.005:
        return "<0.01"
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:,.2f}"


def _three_figures(value: float) -> str:
    text = f"{value:.3g}"
    return text if "e" not in text else f"{value:.0f}" if value >= 1 else f"{value:.3f}"


def time_ticks(begin: Millis, end: Millis) -> list[tuple[Millis, str]]:
    """Return round moments from *begin* to before *end*, in UTC, each with its label; at most `MOST_TIMES`."""
    step = next((step for step in _STEPS if (end - begin) / step <= MOST_TIMES), None)
    if step is None:
        return _months(begin, end)
    first = -(-begin // step) * step
    return [(at, _label(at, step)) for at in range(first, end, step)][:MOST_TIMES]


def _label(at: Millis, step: Millis) -> str:
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return f"{moment.day} {moment:%b}" if step >= _DAY or at % _DAY == 0 else f"{moment:%H:%M}"


def _months(begin: Millis, end: Millis) -> list[tuple[Millis, str]]:
    """Return the beginnings of months, every so many that there are few."""
    firsts: list[datetime] = []
    month = datetime.fromtimestamp(begin / 1000, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while _millis(month) < end:
        if _millis(month) >= begin:
            firsts.append(month)
        month = (month + timedelta(days=32)).replace(day=1)
    every = ceil(len(firsts) / MOST_TIMES) if firsts else 1
    return [(_millis(first), f"{first:%b %Y}" if first.month == 1 else f"{first:%b}") for first in firsts[::every]]


def _millis(moment: datetime) -> Millis:
    return int(moment.timestamp()) * 1000
