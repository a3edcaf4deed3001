"""``coatcheck stats``: what happens to sessions, in numbers and small bars."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, Final

import typer
from msgspec import Struct
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from coatcheck.blocking import Sessions
from coatcheck.cli.opening import Code, Json, StoreUrl, Tenant, leave, opened
from coatcheck.cli.output import NARROW, clean, local, now, print_json
from coatcheck.cli.sparkline import sparkline
from coatcheck.cli.waiting import Wait
from coatcheck.counting import LENGTH, Counts, Every, Latency, bucket
from coatcheck.durations import to_millis
from coatcheck.errors import StoreUnavailable
from coatcheck.model import Millis
from coatcheck.stores.contract import Capability


class Span(StrEnum):
    """How far back to look."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    YEAR = "year"


_BUCKETS: Final[dict[Span, tuple[Every, int]]] = {
    Span.HOUR: ("minute", 60),
    Span.DAY: ("hour", 24),
    Span.MONTH: ("day", 31),
    Span.YEAR: ("day", 366),
}

_ROWS: Final = (
    ("created", "created"),
    ("expired", "expired (absolute)"),
    ("abandoned", "abandoned (idle)"),
    ("signed_out", "signed out"),
    ("revoked", "revoked"),
    ("evicted", "evicted"),
    ("superseded", "superseded"),
    ("regenerated", "regenerated"),
    ("rejected", "cookies rejected"),
    ("refused", "sign-ins refused"),
    ("commit_refused", "saves refused"),
    ("theft_suspected", "thefts suspected"),
    ("csrf_refused", "requests of other sites"),
    ("unavailable", "store unavailable"),
)
_ALARMING: Final = frozenset({"theft_suspected", "unavailable"})

_HEAD: Final = 44
"""Columns that stand before the bars."""


class Picture(Struct, frozen=True, kw_only=True):
    """What is shown at one moment.

    Attributes:
        at: when it was taken, in milliseconds since the Unix epoch.
        span: how far back it looks.
        live: live sessions now, or in the last count; ``None`` when nobody counted.
        counts: what happened, oldest first.
    """

    at: Millis
    span: Span
    live: float | None
    counts: list[Counts]

    def as_json(self) -> dict[str, Any]:
        """Return plain values, for programs."""
        counts = [one.as_json() for one in self.counts]
        return {"at": self.at, "every": _BUCKETS[self.span][0], "live": self.live, "counts": counts}


def stats(
    *,
    span: Annotated[Span, typer.Option("--span", help="How far back to look.")] = Span.HOUR,
    live: Annotated[bool, typer.Option("--live", help="Show it moving, until Ctrl-C; at a terminal only.")] = False,
    every: Annotated[
        str, typer.Option("--every", metavar="LENGTH", help="With --live: how often to look again, 1s or longer.")
    ] = "2s",
    store: StoreUrl = None,
    tenant: Tenant = "",
    as_json: Json = False,
    wait: Wait = 0,
) -> None:
    """Show live sessions, what happened to sessions, and how long the store took.

    Applications write their counts every few seconds unless Policy(count_every=None) tells them not to.
    """
    console, pause = Console(highlight=False), _pause(every)
    if live and as_json:
        raise leave("--json prints one document, and --live goes on; choose one", Code.USAGE)
    if live and not console.is_terminal:
        raise leave("--live moves, which needs a terminal; leave it out, or use --json", Code.USAGE)
    with opened(store, tenant, wait) as sessions:
        if live:
            watch(console, lambda: take(sessions, span), pause)
            return
        picture = take(sessions, span)
    if as_json:
        print_json(picture.as_json())
    else:
        console.print(draw(picture, console))


def _pause(every: str) -> float:
    """Return the option ``--every`` in seconds."""
    try:
        seconds = to_millis(every) / 1000
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--every") from None
    if seconds < 1:
        raise typer.BadParameter("look once a second at most", param_hint="--every")
    return seconds


def take(sessions: Sessions, span: Span) -> Picture:
    """Read the counts of a span, and how many sessions are live now."""
    every, count = _BUCKETS[span]
    at = now()
    since = bucket(every, at) - (count - 1) * LENGTH[every]
    counts = sessions.counts(every, since=since)
    browses = Capability.BROWSE in sessions.store.traits.capabilities
    known = [one.live for one in counts if one.live is not None]
    return Picture(at=at, span=span, live=sessions.count() if browses else known[-1] if known else None, counts=counts)


def watch(
    console: Console, look: Callable[[], Picture], pause: float, sleep: Callable[[float], object] = time.sleep
) -> None:
    """Draw what *look* sees, again and again, until Ctrl-C. An outage is shown, and looking goes on."""
    with Live(console=console, auto_refresh=False, screen=True) as shown:
        try:
            while True:
                shown.update(_seen(console, look), refresh=True)
                sleep(pause)
        except KeyboardInterrupt:
            return


def _seen(console: Console, look: Callable[[], Picture]) -> RenderableType:
    try:
        picture = look()
    except StoreUnavailable as error:
        return clean(f"the store did not answer: {error}")
    return Group(draw(picture, console), Text("\nCtrl-C ends this"))


def draw(picture: Picture, console: Console) -> RenderableType:
    """Lay a picture out for a terminal; one that is narrow shows the counts alone."""
    width, plain = max(10, min(60, console.width - _HEAD - 1)), console.options.ascii_only
    table = _headed(picture.span, rates_and_bars=console.width >= NARROW)
    bars = sparkline([one.live for one in picture.counts], width, plain=plain, largest=True)
    _add(table, "live", _number(picture.live), "", bars)
    minutes = _minutes(picture)
    for name, title in _ROWS:
        values: list[float | None] = [getattr(one, name) for one in picture.counts]
        total = sum(value or 0 for value in values)
        style = "bold red" if total and name in _ALARMING else ""
        bars = sparkline(values, width, plain=plain)
        _add(table, title, _number(total), _number(total / minutes), bars, style=style)
    for name in ("reads", "writes"):
        _add_latency(table, name, [getattr(one, name) for one in picture.counts], width, plain=plain)
    return Group(table, Text(f"\n{_when(picture)}"))


def _minutes(picture: Picture) -> float:
    """Return how many minutes the counts stand for, at least one."""
    return max(1.0, (picture.at - picture.counts[0].at) / 60_000) if picture.counts else 1.0


def _headed(span: Span, *, rates_and_bars: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(f"last {span.value}", no_wrap=True)
    table.add_column("count", justify="right", no_wrap=True)
    if rates_and_bars:
        table.add_column("a minute", justify="right", no_wrap=True)
        table.add_column("oldest first", no_wrap=True)
    return table


def _add(table: Table, *cells: str, style: str = "") -> None:
    """Add a row's cells, as many as there are columns."""
    table.add_row(*cells[: len(table.columns)], style=style)


def _add_latency(table: Table, name: str, latencies: list[Latency], width: int, *, plain: bool) -> None:
    """Add how long the store took: the latest times that there are, and how they went."""
    known = [one for one in latencies if one.count]
    for title, values in (("p50", [one.p50 for one in latencies]), ("p99", [one.p99 for one in latencies])):
        latest = getattr(known[-1], title) if known else None
        bars = sparkline(values, width, plain=plain, largest=True)
        _add(table, f"store {name} {title}", "-" if latest is None else f"{latest:.3g} ms", "", bars)


def _when(picture: Picture) -> str:
    each = _BUCKETS[picture.span][0]
    return f"{local(picture.at)}; times of the store are those of the last {each} with any"


def _number(value: float | None) -> str:
    """Return a number as short as it can be read."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value == int(value) or value >= 100 else f"{value:.2g}"
