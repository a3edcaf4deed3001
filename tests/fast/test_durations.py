"""Lengths of time as people write them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck.durations import in_words, to_millis, to_text


@pytest.mark.parametrize(
    ("text", "millis"),
    [
        ("250ms", 250),
        ("45s", 45_000),
        ("30m", 1_800_000),
        ("1h30m", 5_400_000),
        ("7d", 604_800_000),
        ("2w", 1_209_600_000),
        ("0s", 0),
        (timedelta(minutes=30), 1_800_000),
        (timedelta(microseconds=1999), 1),
    ],
)
def test_read(text: Any, millis: int) -> None:
    """S-32, S-34: text and timedelta are read to the millisecond."""
    assert to_millis(text) == millis


@pytest.mark.parametrize(
    "value",
    [
        *("", "30", "m", "30 m", "-5m", "1.5h", "30M", "5y", "1h,30m", "30m\n", "٣m", "1" * 13 + "s"),
        *(30, 1.5, None, True, b"30m"),
    ],
)
def test_refuse_what_is_no_length(value: Any) -> None:
    """Policy: what cannot be read is refused with the way to write it."""
    with pytest.raises(ValueError, match='write a timedelta or text such as "30m"'):
        to_millis(value)


def test_refuse_negative() -> None:
    """Policy: no length of time is negative."""
    with pytest.raises(ValueError, match="negative"):
        to_millis(timedelta(microseconds=-1))


@given(st.integers(0, 10**14))
def test_round_trip(millis: int) -> None:
    """Policy: what is shown can be written back."""
    assert to_millis(to_text(millis)) == millis


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=10_000)))
def test_timedelta_is_cut_to_whole_milliseconds(value: timedelta) -> None:
    """Policy: a timedelta is never lengthened, and loses less than a millisecond."""
    assert timedelta(0) <= value - timedelta(milliseconds=to_millis(value)) < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("millis", "words"),
    [
        (0, "less than a second"),
        (-5, "less than a second"),
        (999, "less than a second"),
        (1000, "1 second"),
        (5_400_000, "1 hour 30 minutes"),
        (90_061_000, "1 day 1 hour"),
        (86_460_000, "1 day 1 minute"),
        (1_209_600_000, "14 days"),
    ],
)
def test_words(millis: int, words: str) -> None:
    """S-100: lengths of time for people, in their two largest units."""
    assert in_words(millis) == words
