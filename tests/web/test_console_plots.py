"""The console's plots: pure functions from numbers to SVG."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck.counting import LENGTH, Counts, Latency
from coatcheck.web.console.figures import DRAWINGS, UNKNOWN, checks, figures, table
from coatcheck.web.console.plots import HEIGHT, NOTHING, WIDTH, Plot, Series, about, draw
from coatcheck.web.console.scales import (
    MOST_TIMES,
    decade_axis,
    short_number,
    time_ticks,
    value_axis,
    whole_number,
)
from coatcheck.web.console.spans import SPANS, WEEK, bucket_begin, put_together

NOW = 1_800_000_000_000
MINUTE = LENGTH["minute"]
KINDS = ("bars", "area", "lines")
SVG = "{http://www.w3.org/2000/svg}"

values = st.one_of(st.none(), st.floats(0, 1e12, allow_nan=False), st.integers(0, 10**9).map(float))
rows = st.integers(1, 40).flatmap(lambda wide: st.lists(st.tuples(*[values] * wide), min_size=1, max_size=5))


def plot(rows: list[tuple[float | None, ...]], kind: str = "bars", **options: object) -> Plot:
    """Return a plot of some rows."""
    series = tuple(
        Series(label=f"row {number}", look=number, values=row, dashed=number == 2) for number, row in enumerate(rows, 1)
    )
    facts: dict[str, object] = {"title": "Some", "unit": "per minute", "begin": NOW, "millis": MINUTE, **options}
    return Plot(id="some", kind=kind, series=series, **facts)  # type: ignore[arg-type]


def parsed(svg: str) -> ET.Element:
    """Read the plot as strictly as XML is read; a page's SVG needs no namespace, a document's does."""
    return ET.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" '))  # noqa: S314 - our own


def outside(svg: str) -> list[str]:
    """Return the coordinates that lie outside the plot's box; letters of the value axis stand beside it on purpose."""
    wrong = []
    for element in parsed(svg).iter():
        if element.tag == f"{SVG}pattern" or (
            "class" in element.attrib and element.get("class") in ("value", "ink", "dot")
        ):
            continue
        across = [value for name in ("x1", "x2", "cx", "x") if (value := element.get(name, "")).endswith("%")]
        wrong += [value for value in across if not 0 <= float(value[:-1]) <= 100]
        if element.tag == f"{SVG}rect" and element.get("x", "").endswith("%"):
            right = float(element.get("x", "")[:-1]) + float(element.get("width", "")[:-1])
            bottom = float(element.get("y", "")) + float(element.get("height", ""))
            wrong += [f"right {right}"] * (right > 100.01) + [f"bottom {bottom}"] * (bottom > HEIGHT + 0.02)
        down = [float(element.get(name, "0")) for name in ("y1", "cy") if element.get(name)]
        wrong += [f"height {value}" for value in down if not 0 <= value <= HEIGHT]
        for x, y in re.findall(r"[ML]([-\d.e+]+) ([-\d.e+]+)", element.get("d", "")):
            if "look" in element.get("class", "") and not (0 <= float(x) <= WIDTH and 0 <= float(y) <= HEIGHT):
                wrong.append(f"{x},{y}")
    return wrong


@given(rows=rows, kind=st.sampled_from(KINDS), decades=st.booleans())
def test_any_numbers_give_valid_svg_inside_its_box(
    rows: list[tuple[float | None, ...]], kind: str, decades: bool
) -> None:
    """Whatever was counted, the plot is well-formed and no coordinate leaves its box."""
    svg = draw(plot(rows, kind, decades=decades and kind == "lines"))

    assert outside(svg) == []
    assert "nan" not in svg
    assert "inf" not in svg


def test_the_box_check_can_fail() -> None:
    """A mark outside the box is found, in each way in which it may lie there."""
    good = draw(plot([(1.0, 2.0)], "area"))

    assert outside(good) == []
    assert outside(good.replace("M250.0", "M-9.0")) != []
    assert outside(draw(plot([(1.0, 2.0)])).replace('x="56', 'x="99')) != []


@given(text=st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=30))
def test_titles_and_labels_are_escaped(text: str) -> None:
    """A title that looks like markup is shown as it is written (the policy's words and roles are the application's)."""
    hostile = f"</title><script>{text}"
    series = (Series(label=hostile, look=1, values=(1.0, 2.0)),)
    svg = draw(Plot(id="x", title=hostile, unit="", kind="lines", begin=NOW, millis=MINUTE, series=series))

    assert "<script" not in svg
    parsed(svg)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_counted_is_said(kind: str) -> None:
    """An empty plot says so instead of showing an empty box."""
    svg = draw(plot([(None, None, None)], kind))

    assert NOTHING in svg
    assert 'class="value"' not in svg


def test_zero_is_known_in_a_line_and_nothing_in_bars() -> None:
    """A line at zero is drawn; bars of zero are none, and that is said."""
    assert 'class="line' in draw(plot([(0.0, 0.0)], "lines"))
    assert NOTHING in draw(plot([(0.0, 0.0)], "bars"))


def test_one_point_alone_is_a_dot() -> None:
    """A line that has one known moment is a dot, where a path of one point would be invisible."""
    svg = draw(plot([(None, 5.0, None)], "lines"))

    assert svg.count("<circle") == 1
    assert 'class="line look-1"' not in svg


def test_a_line_joins_samples_that_lie_near() -> None:
    """Live sessions are counted every few minutes: the samples are one line, until too long nobody counted."""
    samples = (1.0, *[None] * 4, 2.0, *[None] * 4, 3.0, *[None] * 30, 4.0, None, 5.0)
    svg = draw(plot([samples], "lines", reach=SPANS["hour"].reach))

    assert svg.count('class="line look-1"') == 2
    assert "<circle" not in svg
    assert [span.reach * span.bucket // MINUTE for span in SPANS.values()] == [15, 120, 2 * 1440, 28 * 1440]


def test_what_is_not_known_leaves_a_gap() -> None:
    """A line is broken where nothing is known, and never drawn across."""
    assert draw(plot([(1.0, 2.0, None, 3.0, 4.0)], "lines")).count('class="line look-1"') == 2


def test_a_hundred_thousand_a_minute_fit() -> None:
    """Large numbers have short labels, and one among thousands is still a pixel high."""
    svg = draw(plot([(100_000.0, 1.0)]))

    assert ">100k<" in svg
    assert min(float(height) for height in re.findall(r'<rect x=[^>]*height="([\d.]+)"', svg)) >= 1


def test_a_plot_says_what_it_shows() -> None:
    """Who does not see it hears its title, and the highest and last of each row (WCAG 2.2, 1.1.1)."""
    made = plot([(3.0, 12.0, 7.0), (0.0, 0.0, 0.0)])
    svg = draw(made)

    assert 'role="img" aria-labelledby="some-title some-about"' in svg
    assert "row 1: highest 12, last 7" in about(made)
    assert "row 2" not in about(made)


def test_every_series_can_be_told_without_colour() -> None:
    """Stacked bars differ by pattern; lines of one colour differ by their dashes (WCAG 2.2, 1.4.1)."""
    ended = next(drawing for drawing in DRAWINGS if drawing.id == "ended")
    patterns = re.findall(r"<pattern[^>]*>(.*?)</pattern>", draw(plot([(1.0,)] * 5)))

    assert len({re.sub(r"look-\d", "", ink) for ink in patterns}) == 5
    for drawing in DRAWINGS:
        assert len({(row.look, row.dashed) for row in drawing.rows}) == len(drawing.rows)
    assert len(ended.rows) == 5


# --- scales


@given(st.floats(0, 1e15))
def test_value_axes_are_round_and_reach(highest: float) -> None:
    """The top is at or above the highest value, in few whole steps of 1, 2 or 5 times a power of ten."""
    axis = value_axis(highest)
    step = axis.ticks[1]

    assert axis.ticks[0] == 0
    assert axis.ticks[-1] >= highest * (1 - 1e-6)
    assert 2 <= len(axis.ticks) <= 6
    assert f"{step:.6e}"[0] in "125"
    assert all(tick == int(tick) for tick in axis.ticks)


@given(st.floats(0.001, 1000), st.floats(0.001, 100_000))
def test_decade_axes_reach(one: float, other: float) -> None:
    """The axis of milliseconds has its lowest and highest inside, from a hundredth up."""
    axis = decade_axis(min(one, other), max(one, other))

    assert axis.ticks[-1] >= max(one, other) * (1 - 1e-9)
    assert 0 <= axis.share(one) <= 1


@given(st.integers(0, 4_000_000_000_000), st.sampled_from([span.bucket * span.buckets for span in SPANS.values()]))
def test_time_ticks_lie_inside_and_are_few(begin: int, length: int) -> None:
    """Times are named in order, inside the plot, and few enough not to touch."""
    ticks = time_ticks(begin, begin + length)
    moments = [at for at, _ in ticks]

    assert moments == sorted(set(moments))
    assert 1 <= len(ticks) <= MOST_TIMES + 1
    assert all(begin <= at < begin + length for at in moments)


@pytest.mark.parametrize(
    ("length", "labels"),
    [
        (3_600_000, ["08:00", "08:10", "08:20", "08:30", "08:40", "08:50"]),
        (86_400_000, ["08:00", "12:00", "16:00", "20:00", "16 Jan", "04:00"]),
        (366 * 86_400_000, ["Feb", "Apr", "Jun", "Aug", "Oct", "Dec"]),
    ],
)
def test_times_are_real(length: int, labels: list[str]) -> None:
    """The axis of time shows UTC's times, days and months."""
    assert [label for _, label in time_ticks(NOW, NOW + length)] == labels


@pytest.mark.parametrize(
    ("value", "short", "whole"),
    [(0, "0", "0"), (0.25, "0.25", "0.25"), (7, "7", "7"), (999.9, "1k", "999.9"), (1204, "1.2k", "1,204"),
     (100_000, "100k", "100,000"), (2_500_000, "2.5M", "2,500,000"), (0.01, "0.01", "0.01")],
)  # fmt: skip
def test_numbers_are_short_on_axes_and_whole_in_tables(value: float, short: str, whole: str) -> None:
    """Axes round; tables do not."""
    assert short_number(value) == short
    assert whole_number(value) == whole


# --- from counts to figures


def minute(number: int, **counted: object) -> Counts:
    """Return the counts of a minute, *number* minutes after a day began."""
    return Counts(at=NOW - NOW % LENGTH["day"] + number * MINUTE, millis=MINUTE, **counted)  # type: ignore[arg-type]


def test_minutes_are_put_together_without_losing_one() -> None:
    """Sums add up, live sessions are averaged, and a slow minute stays the slowest."""
    fast, slow = Latency(count=3, p50=1.0, p99=2.0), Latency(count=1, p50=5.0, p99=90.0)
    merged = put_together(
        [
            minute(1, created=2, live=10.0, reads=fast),
            minute(2),
            minute(9, created=3, live=20.0, reads=slow),
            minute(10),
        ],
        10 * MINUTE,
    )

    assert [each.created for each in merged] == [5, 0]
    assert (merged[0].live, merged[1].live) == (15.0, None)
    assert merged[0].reads == Latency(count=4, p50=2.0, p99=90.0)
    assert merged[1].reads == Latency()


@pytest.mark.parametrize("name", list(SPANS))
def test_every_span_is_whole(name: str) -> None:
    """A span's buckets end with the one that is now, and none of its counts is older than what a store keeps."""
    span = SPANS[name]

    assert span.begin(NOW) + (span.buckets - 1) * span.bucket <= NOW < span.begin(NOW) + span.buckets * span.bucket
    assert span.begin(NOW) % LENGTH[span.every] == 0


@pytest.mark.parametrize(
    ("name", "per"), [("hour", "minute"), ("day", "10 minutes"), ("month", "day"), ("year", "week")]
)
def test_plot_total_and_table_count_the_same(name: str, per: str) -> None:
    """What is counted is counted per bar: the bars and the table's rows add up to the number beside the title."""
    span = SPANS[name]
    begin, length = span.begin(NOW), LENGTH[span.every]
    counts = [Counts(at=at, millis=length, created=3) for at in range(begin, NOW + 1, length)]
    shown = figures(counts, span, live=7)
    created = next(figure for figure in shown if figure.plot.id == "created")

    assert created.plot.unit == f"per {per}"
    assert sum(value or 0 for value in created.plot.series[0].values) == 3 * len(counts)
    assert created.number == f"{3 * len(counts):,}"
    assert sum(int(values[1]) for _, values in table(shown)) == 3 * len(counts)
    assert len(created.plot.series[0].values) == span.buckets


def test_weeks_begin_on_monday() -> None:
    """A bar of the year is a week as calendars have it."""
    begin = datetime.fromtimestamp(SPANS["year"].begin(NOW) / 1000, UTC)

    assert (begin.weekday(), begin.hour) == (0, 0)
    assert bucket_begin(NOW, WEEK) <= NOW < bucket_begin(NOW, WEEK) + WEEK


def test_the_store_is_summed_up_by_how_it_is_now() -> None:
    """The number is the p99 of the newest minute with one, of hour and day alike: one slow minute is no headline."""
    slow, fast = Latency(count=1, p50=9.0, p99=241.0), Latency(count=8, p50=1.0, p99=2.0)
    counts = [minute(1, reads=slow), minute(7, reads=fast, writes=Latency(count=1, p50=1.0, p99=3.0)), minute(8)]
    told = [
        (figure.number, figure.caption)
        for name in ("hour", "day")
        for figure in figures(counts, SPANS[name], live=None)
        if figure.plot.id == "store"
    ]

    assert told == [("3 ms", "p99 in the latest minute with requests")] * 2
    assert figures([minute(1)], SPANS["day"], live=None)[-1].caption == "not asked in the last day"


def test_live_sessions_end_with_the_count_of_now() -> None:
    """The last point of the line is what was counted just now, also where no sweep has counted yet."""
    shown = figures([minute(1, live=4.0), minute(2)], SPANS["hour"], live=9)

    assert shown[0].plot.series[0].values == (4.0, 9.0)
    assert shown[0].number == "9"


def test_the_table_has_every_number_latest_first() -> None:
    """What is drawn is also there to read, and what is not known is not a zero."""
    shown = figures([minute(1, created=4), minute(2, created=5, revoked=1)], SPANS["hour"], live=None)
    told = table(shown)

    assert [at for at, _ in told] == [minute(2).at, minute(1).at]
    assert len(told[0][1]) == sum(len(figure.plot.series) for figure in shown)
    assert told[0][1][0] == UNKNOWN
    assert told[0][1][1] == "5"


def test_checks_add_up_what_should_not_happen() -> None:
    """Each line of the page's health is the sum over the span."""
    told = checks([minute(1, theft_suspected=1), minute(2, theft_suspected=2, unavailable=5)])

    assert [(check.label, check.count) for check in told][:2] == [("Store unavailable", 5), ("Theft suspected", 3)]
