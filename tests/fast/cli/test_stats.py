"""``coatcheck stats``: counts as numbers and small bars, once or moving, and as JSON."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from rich.console import Console

from coatcheck import Sessions, StoreUnavailable
from coatcheck.cli import stats
from coatcheck.cli.sparkline import BARS, sparkline
from coatcheck.cli.stats import Picture, Span, draw, take, watch
from coatcheck.counting import Counts, Latency
from coatcheck.model import replace
from coatcheck.stores.sqlite import SqliteStore
from tests.fast.cli.conftest import Desk, words

MINUTE = 60_000
COUNTS = [
    Counts(
        at=number * MINUTE,
        millis=MINUTE,
        created=number,
        abandoned=3 if number == 10 else 0,
        theft_suspected=1 if number == 20 else 0,
        live=100.0 if number % 5 == 0 else None,
        reads=Latency(count=9, p50=0.25, p99=4.0 + number) if number < 50 else Latency(),
    )
    for number in range(60)
]
PICTURE = Picture(at=60 * MINUTE, span=Span.HOUR, live=1234, counts=COUNTS)


def shown(picture: Picture, columns: int = 100, encoding: str = "utf-8") -> str:
    """Return a picture as a terminal of that width shows it."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=file, width=columns, force_terminal=False)
    console.print(draw(picture, console))
    file.flush()
    file.seek(0)
    return file.read()


def row(text: str, title: str) -> str:
    """Return a row of the table."""
    (line,) = [line for line in text.splitlines() if line.startswith(title)]
    return line


@pytest.mark.parametrize("columns", [56, 60, 80, 200])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_picture_fits_and_says_everything(columns: int, encoding: str) -> None:
    """S-85: counts, their rate a minute, live sessions and the store's latest times, in any width and character set."""
    text = shown(PICTURE, columns, encoding)

    assert max(len(line.rstrip()) for line in text.splitlines()) <= columns
    assert re.match(r"live +1,234 ", row(text, "live"))
    assert re.match(rf"created +{sum(range(60)):,} +30 ", row(text, "created"))
    assert re.match(r"abandoned \(idle\) +3 +0.05 ", row(text, "abandoned"))
    assert re.match(r"thefts suspected +1 +0.017 ", row(text, "thefts"))
    assert re.match(r"store reads p50 +0.25 ms", row(text, "store reads p50"))
    assert re.match(r"store reads p99 +53 ms", row(text, "store reads p99"))
    assert re.match(r"store writes p99 +- *$", row(text, "store writes p99"))
    named = {"live", "reads", "writes", "at", "millis"}
    assert {name for name, _ in stats._ROWS} == set(Counts.__struct_fields__) - named


def test_a_narrow_picture_shows_the_counts_whole() -> None:
    """S-85: below 56 columns rates and bars are left out, and no number is cut."""
    large = replace(PICTURE, live=123_456_789, counts=[replace(one, created=one.created * 1_000_000) for one in COUNTS])

    text = shown(large, 40)

    assert max(len(line.rstrip()) for line in text.splitlines()) <= 40
    assert re.fullmatch(r"live +123,456,789 *", row(text, "live"))
    assert re.fullmatch(rf"created +{sum(range(60)) * 1_000_000:,} *", row(text, "created"))
    assert re.fullmatch(r"store reads p99 +53 ms *", row(text, "store reads p99"))
    assert re.fullmatch(r"last hour +count *", row(text, "last hour"))
    assert "a minute" not in text


@pytest.mark.parametrize(("minutes", "rate"), [(4, "2.5"), (100, "0.1"), (0.5, "10"), (1, "10")])
def test_a_rate_is_for_each_minute_since_the_first_count(minutes: float, rate: str) -> None:
    """S-85: the rate divides by the minutes that the counts stand for, and by one where they stand for less."""
    counts = [Counts(at=7 * MINUTE, millis=MINUTE, created=10)]
    picture = Picture(at=7 * MINUTE + int(minutes * MINUTE), span=Span.HOUR, live=1, counts=counts)

    assert row(shown(picture), "created").split()[1:3] == ["10", rate]


def test_bars_stand_for_their_values() -> None:
    """The highest bar is the largest value, nothing is a gap, and what is not nothing always shows."""
    assert sparkline([0, 1, 8], 10) == " ▁█"
    assert sparkline([0.0, None], 10) == "  "
    assert sparkline([1, 10_000], 10) == "▁█"
    assert sparkline([], 10) == ""
    assert sparkline([1, 1, 4, 4], 2) == "▂█"
    assert sparkline([1, 1, 4, 4], 2, largest=True) == "▂█"
    assert sparkline([2, 2, 4, 0], 2) == "██"
    assert sparkline([2, 2, 4, 0], 2, largest=True) == "▄█"
    assert sparkline([0, 5], 2, plain=True) == " @"
    assert len(sparkline(list(range(366)), 60)) == 60
    assert BARS[0] == " "


def busy(desk: Desk) -> None:
    """Make three sessions and end one, and write what was counted."""
    for user in ("ann", "bob", None):
        desk.add(user)
    desk.sessions.revoke_user("bob")
    desk.sessions.close()
    desk.sessions.open()


@pytest.mark.parametrize(("span", "buckets", "every"), [("hour", 60, "minute"), ("day", 24, "hour"),
                                                        ("month", 31, "day"), ("year", 366, "day")])  # fmt: skip
def test_json_holds_the_counts_of_the_span(desk: Desk, span: str, buckets: int, every: str) -> None:
    """S-85: ``--json`` prints every bucket of the span, oldest first, with what other processes counted."""
    busy(desk)

    document = desk.json("stats", "--span", span)

    assert (document["every"], len(document["counts"]), document["live"]) == (every, buckets, 2)
    assert [one["at"] for one in document["counts"]] == sorted(one["at"] for one in document["counts"])
    assert sum(one["revoked"] for one in document["counts"]) == 1
    assert sum(one["created"] for one in document["counts"]) >= 3
    assert document["counts"][-1].keys() == COUNTS[0].as_json().keys()


def test_people_read_a_table_once(desk: Desk) -> None:
    """Without ``--live`` there is one table on stdout and nothing on stderr."""
    busy(desk)

    result = desk.run("stats")

    assert (result.exit_code, result.stderr) == (0, "")
    assert "last hour" in result.stdout
    assert re.match(r"revoked +1 ", row(result.stdout, "revoked"))


def test_live_sessions_are_the_last_count_where_nobody_can_browse(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that cannot count now gives the last count that somebody took, or none."""
    traits = desk.sessions.store.traits
    narrow = {one for one in traits.capabilities if one.value != "browse"}
    monkeypatch.setattr(SqliteStore, "traits", replace(traits, capabilities=frozenset(narrow)))
    for counts, live in ((COUNTS, 100.0), (COUNTS[1:2], None)):
        monkeypatch.setattr(Sessions, "counts", lambda *_, _counts=counts, **__: _counts)
        assert take(desk.sessions, Span.HOUR).live == live
    assert re.match(r"live +- ", row(shown(replace(PICTURE, live=None)), "live"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--live",), "needs a terminal"),
        (("--live", "--json"), "choose one"),
        (("--every", "soon"), "is not a length of time"),
        (("--every", "10ms"), "once a second at most"),
        (("--span", "decade"), "decade"),
    ],
)
def test_what_makes_no_sense_is_refused(desk: Desk, options: tuple[str, ...], said: str) -> None:
    """A view that moves needs a terminal, and options that cannot be read are wrong usage: exit code 2."""
    result = desk.run("stats", *options)

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in words(result.stderr)


def test_a_store_without_counts_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that keeps no counts is exit code 2, in words."""
    traits = desk.sessions.store.traits
    narrow = {one for one in traits.capabilities if one.value != "counters"}
    monkeypatch.setattr(SqliteStore, "traits", replace(traits, capabilities=frozenset(narrow)))

    result = desk.run("stats")
    assert (result.exit_code, "keeps no counts" in result.stderr) == (2, True)


def test_the_moving_view_survives_an_outage_and_ends_on_ctrl_c() -> None:
    """``--live`` looks again after each pause, shows an outage and goes on, and Ctrl-C ends it without a traceback."""
    file = io.StringIO()
    console = Console(file=file, width=100, height=40, force_terminal=True)
    answers: list[Any] = [PICTURE, StoreUnavailable("no answer from \x1b[31mx"), replace(PICTURE, live=77)]
    pauses: list[float] = []

    def look() -> Picture:
        answer = answers[len(pauses)]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == len(answers):
            raise KeyboardInterrupt

    watch(console, look, 2.0, sleep)

    text = file.getvalue()
    assert pauses == [2.0, 2.0, 2.0]
    assert "1,234" in text
    assert "the store did not answer: no answer from \\x1b[31mx" in text
    assert "Ctrl-C ends this" in text
    assert re.search(r"live +77 ", text)


def test_live_at_a_terminal_watches(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """``--live`` at a terminal shows the store's counts with the pause that was asked for: exit code 0."""
    busy(desk)
    pauses: list[float] = []

    def interrupted(console: Console, look: Any, pause: float) -> None:
        assert console.is_terminal
        assert look().live == 2
        pauses.append(pause)

    monkeypatch.setattr(stats, "watch", interrupted)
    result = desk.run("stats", "--live", "--every", "5s", env={"FORCE_COLOR": "1", "TERM": "xterm"})

    assert (result.exit_code, pauses) == (0, [5.0])


def test_json_is_one_document(desk: Desk) -> None:
    """``--json`` prints one document and nothing else."""
    assert json.loads(desk.run("stats", "--json").stdout)["every"] == "minute"
