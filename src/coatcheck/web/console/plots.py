"""Plots as SVG, made on the server. Pure: the same numbers give the same text.

A plot stretches with its page and its letters do not: places along the time axis are percentages, heights are pixels,
and lines are drawn in a box of their own that is stretched without their strokes. Colours and patterns are classes of
the stylesheet, for no inline style passes the console's policy. What colour tells, a pattern, a dash or a label tells
too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from coatcheck.model import Millis
from coatcheck.web.console.scales import Axis, decade_axis, short_number, time_ticks, value_axis

Kind: TypeAlias = Literal["bars", "area", "lines"]

HEIGHT: Final = 160
"""Pixels from the axis of time to the top."""

WIDTH: Final = 1000
"""Units across the box that lines are drawn in."""

NOTHING: Final = "Nothing has been counted yet"


class Series(Struct, frozen=True, kw_only=True):
    """One row of numbers.

    Attributes:
        label: its name for people.
        look: which colour and pattern of the stylesheet it has, from 1.
        values: one for each bucket; ``None`` where nothing is known.
        dashed: whether its line is dashed.
    """

    label: str
    look: int
    values: tuple[float | None, ...]
    dashed: bool = False


class Plot(Struct, frozen=True, kw_only=True):
    """What is to be drawn.

    Attributes:
        id: a name for the page's anchors, of letters and hyphens.
        title: what it shows.
        unit: what the value axis counts, such as ``"per minute"``.
        kind: stacked bars, lines, or lines with their area filled.
        begin: the first bucket's beginning, in milliseconds since the Unix epoch.
        millis: each bucket's length.
        series: the rows, each with as many values as there are buckets. Bars stack the first at the bottom.
        decades: the value axis is of powers of ten.
        reach: buckets between two known values that a line joins at most; beyond it there is a gap.
    """

    id: str
    title: str
    unit: str
    kind: Kind
    begin: Millis
    millis: Millis
    series: tuple[Series, ...]
    decades: bool = False
    reach: int = 1

    @property
    def buckets(self) -> int:
        """How many buckets there are."""
        return len(self.series[0].values)

    @property
    def end(self) -> Millis:
        """Where the last bucket ends."""
        return self.begin + self.buckets * self.millis


def draw(plot: Plot) -> str:
    """Return the plot as an SVG element, whose text is escaped and whose coordinates lie inside its box."""
    highest = _highest(plot)
    axis = decade_axis(_lowest(plot), highest or 1) if plot.decades else value_axis(highest or 0)
    marks = _bars if plot.kind == "bars" else _lines
    told = f"{plot.id}-title {plot.id}-about"
    parts = [
        f'<svg class="plot" width="100%" height="{HEIGHT}" role="img" aria-labelledby="{told}">',
        f'<title id="{plot.id}-title">{escape(", ".join(filter(None, (plot.title, plot.unit))))}</title>',
        f'<desc id="{plot.id}-about">{escape(about(plot))}</desc>',
        *_patterns(plot),
        *_grid(axis, bare=highest is None),
        *_times(plot),
        *([_nothing()] if highest is None else marks(plot, axis)),
        f'<line class="cross" x1="0%" x2="0%" y1="0" y2="{HEIGHT}"/>',
        "</svg>",
    ]
    return "\n".join(parts)


def about(plot: Plot) -> str:
    """Say in a sentence or two what the plot shows, for those who do not see it."""
    told = [
        f"{series.label}: highest {short_number(max(known))}, last {short_number(known[-1])}"
        for series in plot.series
        if (known := [value for value in series.values if value is not None]) and max(known) > 0
    ]
    return "; ".join(told) + ". The table below has the numbers." if told else f"{NOTHING}."


def _highest(plot: Plot) -> float | None:
    """Return the highest point that is drawn; ``None`` where there is nothing to draw."""
    rows = [series.values for series in plot.series]
    if plot.kind == "bars":
        highest = max((sum(value or 0 for value in column) for column in zip(*rows, strict=True)), default=0)
        return highest or None
    known = [value for values in rows for value in values if value is not None]
    return max(known) if known else None


def _lowest(plot: Plot) -> float:
    """Return the lowest value above 0; 1 where there is none."""
    return min((value for series in plot.series for value in series.values if value), default=1.0)


def _grid(axis: Axis, *, bare: bool) -> Iterator[str]:
    """Draw the value axis; without numbers where there is nothing to measure."""
    for tick in axis.ticks[:1] if bare else axis.ticks:
        height = _y(axis, tick)
        kind = "base" if tick == axis.ticks[0] else "rule"
        yield f'<line class="{kind}" x1="0%" x2="100%" y1="{height}" y2="{height}"/>'
        if not bare:
            yield f'<text class="value" x="-8" y="{height}" dy="0.32em">{short_number(tick)}</text>'


def _times(plot: Plot) -> Iterator[str]:
    """Name round times below the axis; those that would leave the box are left out."""
    for number, (at, label) in enumerate(time_ticks(plot.begin, plot.end)):
        share = (at - plot.begin) / (plot.end - plot.begin) * 100
        if 2 <= share <= 97:
            yield f'<line class="tick" x1="{share:.3f}%" x2="{share:.3f}%" y1="{HEIGHT}" y2="{HEIGHT + 4}"/>'
            spare = " spare" if number % 2 else ""
            yield f'<text class="time{spare}" x="{share:.3f}%" y="{HEIGHT + 18}">{label}</text>'


def _patterns(plot: Plot) -> Iterator[str]:
    """Define the patterns of this plot's bars; the first look is a plain colour."""
    if plot.kind != "bars":
        return
    yield "<defs>"
    for series in plot.series:
        yield pattern(f"{plot.id}-{series.look}", series.look)
    yield "</defs>"


def pattern(name: str, look: int) -> str:
    """Return a pattern by which a look is known without its colour."""
    ink = {
        1: "",
        2: '<path class="ink" d="M0 6L6 0M-1.5 1.5L1.5 -1.5M4.5 7.5L7.5 4.5"/>',
        3: '<circle class="dot" cx="3" cy="3" r="1.2"/>',
        4: '<path class="ink" d="M0 3H6"/>',
        5: '<path class="ink" d="M3 0V6M0 3H6"/>',
    }.get(look, '<path class="ink" d="M3 0V6"/>')
    return (
        f'<pattern id="{name}" width="6" height="6" patternUnits="userSpaceOnUse">'
        f'<rect class="fill look-{look}" width="6" height="6"/>{ink}</pattern>'
    )


def swatch(plot: Plot, series: Series) -> str:
    """Return the small sample of a series that stands in the legend."""
    begin = '<svg class="swatch" width="18" height="12" aria-hidden="true">'
    if plot.kind == "bars":
        return f'{begin}<rect width="18" height="12" rx="2" fill="url(#{plot.id}-{series.look})"/></svg>'
    dash = " dashed" if series.dashed else ""
    return f'{begin}<path class="line look-{series.look}{dash}" d="M0 6H18"/></svg>'


def _bars(plot: Plot, axis: Axis) -> Iterator[str]:
    """Stack the series of each bucket; what is too low to be seen is drawn one pixel high."""
    wide, gap = 100 / plot.buckets, 0.12 if plot.buckets <= 80 else 0.04
    for number in range(plot.buckets):
        bottom = float(HEIGHT)
        parts = [(series, value) for series in plot.series if (value := series.values[number] or 0) > 0]
        for (series, _), high in zip(parts, _stacked([axis.share(value) for _, value in parts]), strict=True):
            bottom -= high
            yield (
                f'<rect x="{(number + gap) * wide:.3f}%" width="{wide * (1 - 2 * gap):.3f}%" y="{bottom:.2f}" '
                f'height="{high:.2f}" fill="url(#{plot.id}-{series.look})"/>'
            )


def _stacked(shares: Sequence[float]) -> list[float]:
    """Return how many pixels high each part of a stack is: at least one, and all together no higher than the plot."""
    heights = [max(round(HEIGHT * share, 2), 1.0) for share in shares]
    if (over := sum(heights) - HEIGHT) > 0:
        heights[heights.index(max(heights))] -= over
    return heights


def _lines(plot: Plot, axis: Axis) -> Iterator[str]:
    """Draw each series as a line that is broken where nothing is known; a moment alone is a dot."""
    box = f'width="100%" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    yield f'<svg class="stretch" {box} preserveAspectRatio="none">'
    dots: list[str] = []
    for series in plot.series:
        for run in _runs(series.values, plot.reach):
            places = [((number + 0.5) / plot.buckets, _y(axis, value)) for number, value in run]
            if len(places) == 1:
                (across, height) = places[0]
                dots.append(
                    f'<circle class="point look-{series.look}" cx="{across * 100:.3f}%" cy="{height:g}" r="2.5"/>'
                )
                continue
            yield from _run(places, series, filled=plot.kind == "area")
    yield "</svg>"
    yield from dots


def _run(places: Sequence[tuple[float, float]], series: Series, *, filled: bool) -> Iterator[str]:
    """Draw an unbroken piece of a line, and what lies below it."""
    path = "L".join(f"{across * WIDTH:.1f} {height:g}" for across, height in places)
    if filled:
        first, last = places[0][0] * WIDTH, places[-1][0] * WIDTH
        yield f'<path class="under look-{series.look}" d="M{first:.1f} {HEIGHT}L{path}L{last:.1f} {HEIGHT}Z"/>'
    dash = " dashed" if series.dashed else ""
    yield f'<path class="line look-{series.look}{dash}" d="M{path}"/>'


def _runs(values: Sequence[float | None], reach: int) -> Iterator[list[tuple[int, float]]]:
    """Yield the unbroken pieces of a row: the known values that lie at most *reach* apart, with their numbers."""
    run: list[tuple[int, float]] = []
    for number, value in enumerate(values):
        if value is None:
            continue
        if run and number - run[-1][0] > reach:
            yield run
            run = []
        run.append((number, value))
    if run:
        yield run


def _y(axis: Axis, value: float) -> float:
    """Return the height of a value in pixels from the top."""
    return round(HEIGHT * (1 - axis.share(value)), 2)


def _nothing() -> str:
    return f'<text class="nothing" x="50%" y="{HEIGHT // 2}">{NOTHING}</text>'
