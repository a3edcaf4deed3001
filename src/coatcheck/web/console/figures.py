"""What the overview shows of the counts: five plots, their numbers as a table, and whether all is well. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from coatcheck.counting import Counts
from coatcheck.model import Millis
from coatcheck.web.console.plots import Kind, Plot, Series
from coatcheck.web.console.scales import whole_number
from coatcheck.web.console.spans import Span, put_together

Read = Callable[[Counts], float | None]

UNKNOWN: Final = "\N{EN DASH}"
"""What a table shows where nothing is known."""

PER: Final = "per"
"""The unit of what is counted: the plot says per what, which depends on the span."""


class Row(Struct, frozen=True):
    """One series of a plot: its name, its look, what it reads, and whether its line is dashed."""

    label: str
    look: int
    read: Read
    dashed: bool = False


class Drawing(Struct, frozen=True):
    """One plot before it has numbers."""

    id: str
    title: str
    unit: str
    kind: Kind
    rows: tuple[Row, ...]
    decades: bool = False


DRAWINGS: Final = (
    Drawing("live", "Live sessions", "", "area", (Row("live", 1, lambda each: each.live),)),
    Drawing("created", "Created", PER, "bars", (Row("created", 1, lambda each: each.created),)),
    Drawing(
        "ended",
        "Ended",
        PER,
        "bars",
        (
            Row("signed out", 1, lambda each: each.signed_out + each.superseded),
            Row("expired (absolute timeout)", 4, lambda each: each.expired),
            Row("abandoned (idle timeout)", 3, lambda each: each.abandoned),
            Row("evicted", 5, lambda each: each.evicted),
            Row("revoked", 2, lambda each: each.revoked),
        ),
    ),
    Drawing("rejected", "Cookies rejected", PER, "bars", (Row("rejected", 2, lambda each: each.rejected),)),
    Drawing(
        "store",
        "How long the store takes",
        "milliseconds",
        "lines",
        (
            Row("reads p50", 1, lambda each: each.reads.p50),
            Row("reads p99", 1, lambda each: each.reads.p99, dashed=True),
            Row("writes p50", 4, lambda each: each.writes.p50),
            Row("writes p99", 4, lambda each: each.writes.p99, dashed=True),
        ),
        decades=True,
    ),
)
"""The plots, in the page's order."""


class Figure(Struct, frozen=True):
    """A plot with what stands beside it: the number that sums it up, and what that number is."""

    plot: Plot
    number: str
    caption: str


class Check(Struct, frozen=True):
    """One line of the page's health: how often something happened that should not, and what it means."""

    label: str
    count: int
    meaning: str


def figures(counts: Sequence[Counts], span: Span, live: int | None) -> list[Figure]:
    """Return the plots of a span; *live* is how many sessions live now, the last point of their line."""
    merged = put_together(counts, span.bucket)
    return [_figure(drawing, counts, merged, span, live) for drawing in DRAWINGS]


def _figure(
    drawing: Drawing, counts: Sequence[Counts], merged: Sequence[Counts], span: Span, live: int | None
) -> Figure:
    series: list[Series] = []
    for row in drawing.rows:
        values = [row.read(each) for each in merged]
        if drawing.id == "live" and live is not None and values:
            values[-1] = float(live)
        series.append(Series(label=row.label, look=row.look, values=tuple(values), dashed=row.dashed))
    plot = Plot(
        id=drawing.id,
        title=drawing.title,
        unit=f"per {span.grain}" if drawing.unit == PER else drawing.unit,
        kind=drawing.kind,
        begin=merged[0].at if merged else 0,
        millis=span.bucket,
        series=tuple(series),
        decades=drawing.decades,
        reach=span.reach,
    )
    number, caption = _summed_up(drawing, counts, span, live)
    return Figure(plot, number, caption)


def _summed_up(drawing: Drawing, counts: Sequence[Counts], span: Span, live: int | None) -> tuple[str, str]:
    """Return the number beside a plot's title, and what it is."""
    if drawing.id == "live":
        return (whole_number(live), "now") if live is not None else (UNKNOWN, "now")
    if drawing.id == "store":
        return _latest_p99(counts, span)
    total = sum(row.read(each) or 0 for row in drawing.rows for each in counts)
    return whole_number(total), f"in the last {span.name}"


def _latest_p99(counts: Sequence[Counts], span: Span) -> tuple[str, str]:
    """Return the slower p99 of reads and writes in the newest time that has one: how the store is now, not at worst."""
    for each in reversed(counts):
        slow = [time.p99 for time in (each.reads, each.writes) if time.p99 is not None]
        if slow:
            return f"{whole_number(max(slow))} ms", f"p99 in the latest {span.every} with requests"
    return UNKNOWN, f"not asked in the last {span.name}"


def table(shown: Sequence[Figure]) -> list[tuple[Millis, list[str]]]:
    """Return the numbers of all plots, one row for each bucket, the latest first."""
    columns = [series.values for figure in shown for series in figure.plot.series]
    if not columns:
        return []
    first = shown[0].plot
    rows = [
        (first.begin + number * first.millis, [UNKNOWN if value is None else whole_number(value) for value in values])
        for number, values in enumerate(zip(*columns, strict=True))
    ]
    return rows[::-1]


def checks(counts: Sequence[Counts]) -> list[Check]:
    """Return what should be zero, summed up."""

    def total(name: str) -> int:
        return sum(getattr(count, name) for count in counts)

    return [
        Check("Store unavailable", total("unavailable"), "the store did not answer; those requests got 503"),
        Check("Theft suspected", total("theft_suspected"), "a replaced secret came back: a copy of a cookie is about"),
        Check(
            "Sign-ins refused by the limit or a stale epoch",
            total("refused"),
            "the user had max_sessions already, or was signed out everywhere while the password was checked",
        ),
        Check("Changes not saved", total("commit_refused"), "the session ended or changed while a request ran"),
    ]
