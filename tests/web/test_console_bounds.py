"""How much a page of the console reads and draws, and by which numbers: what a slip would change without a fault."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck.counting import LENGTH, Counts, Latency
from coatcheck.web.console.figures import figures, table
from coatcheck.web.console.looking import ROWS, STEPS
from coatcheck.web.console.plots import HEIGHT, Plot, Series, draw
from coatcheck.web.console.scales import whole_number
from coatcheck.web.console.spans import SPANS, put_together
from tests.web._console import AGENT, CHROME, Desk

NOW = 1_800_000_000_000


# --- pages of sessions


def test_a_filter_that_fits_nothing_reads_a_bounded_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page reads ten steps of fifty sessions at most, and says that there are older ones to look at."""
    asked: list[int] = []
    with Desk().serving() as desk:
        for _ in range(ROWS * STEPS + 1):
            desk.session(None)
        browse = desk.sessions.browse

        async def counted(**options: Any) -> Any:
            asked.append(options["limit"])
            return await browse(**options)

        monkeypatch.setattr(desk.sessions, "browse", counted)
        page = desk.get("/sessions?device=lynx").text

    assert asked == [ROWS] * STEPS
    assert "There are older ones to look at." in page
    assert 'rel="next"' in page


def test_a_filtered_page_is_no_longer_than_a_full_one() -> None:
    """Where some fit of each step, pages have fifty rows at most, and together every session that fits, once."""
    fitting, shown, sizes = [], [], []
    with Desk().serving() as desk:
        for number in range(300):
            desk.clock.advance("1s")
            # The newest step has few that fit, those after it nothing else: the second must not be read whole.
            chrome = number < 250 or number % 4 == 0
            made = desk.session(None, agent=CHROME if chrome else AGENT)
            fitting += [made] * chrome
        path = "/sessions?device=chrome"
        while path:
            page = desk.get(path).text
            ids = re.findall(r"unseen\">, session ([\w-]{26})<", page)
            shown += ids
            sizes.append(len(ids))
            older = re.search(r'href="([^"]+)" rel="next"', page)
            path = f"/{unescape(older[1])}" if older else ""

    assert shown == fitting[::-1]
    assert max(sizes) <= ROWS


# --- numbers


@pytest.mark.parametrize("name", list(SPANS))
def test_counts_are_put_together_in_every_span(name: str) -> None:
    """Every bar is the sum of all counts that lie in it: none is shown alone, and none twice."""
    span = SPANS[name]
    counts = [
        Counts(at=at, millis=LENGTH[span.every], created=1) for at in range(span.begin(NOW), NOW, LENGTH[span.every])
    ]
    merged = put_together(counts, span.bucket)
    each = span.bucket // LENGTH[span.every]

    assert [count.created for count in merged[:-1]] == [each] * (len(merged) - 1)
    assert sum(count.created for count in merged) == len(counts)
    assert len({count.at for count in merged}) == len(merged)


def test_the_headline_of_the_store_is_its_p99() -> None:
    """What nine of ten requests never see is what the number is for: the middle would hide it."""
    times = Latency(count=100, p50=1.0, p99=30.0)
    shown = figures([Counts(at=NOW, millis=60_000, reads=times)], SPANS["hour"], live=None)[-1]
    drawn = {series.label: series.values for series in shown.plot.series}

    assert shown.number == "30 ms"
    assert "p99" in shown.caption
    assert (drawn["reads p50"], drawn["reads p99"]) == ((1.0,), (30.0,))


def test_a_small_number_is_not_told_as_none() -> None:
    """A time of three microseconds is little and not nothing."""
    assert (whole_number(0.003), whole_number(0.0), whole_number(0.005)) == ("<0.01", "0", "0.01")
    times = Latency(count=1, p50=0.003, p99=0.004)
    told = table(figures([Counts(at=NOW, millis=60_000, reads=times)], SPANS["hour"], live=None))

    assert "0.00" not in told[0][1]
    assert "<0.01" in told[0][1]


# --- stacks


def parts(values: list[float]) -> list[tuple[float, float]]:
    """Return top and height of each part of one stack, from the bottom."""
    series = tuple(Series(label=f"row {look}", look=look, values=(value,)) for look, value in enumerate(values, 1))
    svg = draw(Plot(id="some", title="Some", unit="", kind="bars", begin=NOW, millis=60_000, series=series))
    drawn = ET.fromstring(svg)  # noqa: S314 - our own
    return [
        (float(each.get("y", "")), float(each.get("height", "")))
        for each in drawn.findall("rect")
        if each.get("x", "").endswith("%")
    ]


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=5))
def test_parts_of_a_stack_do_not_cover_one_another(values: list[float]) -> None:
    """Each part stands on the one below, is a pixel high at least, and the stack ends inside the plot."""
    drawn = parts(values)
    below = float(HEIGHT)
    for top, height in drawn:
        assert height >= 0.99
        assert top + height == pytest.approx(below, abs=0.03)
        below = top

    assert len(drawn) == len(values)
    assert below >= -0.03


def test_small_parts_on_a_large_one_are_all_seen() -> None:
    """Four counts of one on ten thousand are four pixels, not one."""
    assert [height for _, height in parts([9_996, 1, 1, 1, 1])] == [156.0, 1.0, 1.0, 1.0, 1.0]
