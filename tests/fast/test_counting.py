"""Counting: what events count as, how sums become quantiles, and that a timeline has no holes (S-83, ruling 12)."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck import counting
from coatcheck.counting import BOUNDS, KEPT, LENGTH, Counts, Every, Latency
from coatcheck.events import EVENTS, Event
from coatcheck.verbs import Tally

DAY = LENGTH["day"]
NOON = 20_000 * DAY + DAY // 2

UNCOUNTED = {
    "session.changes_lost", "session.roles_changed", "session.data_large", "session.record_damaged",
    "session.record_unreadable", "logout.unconfirmed", "logout.confirmed", "store.clock_drift", "exchange.issued",
    "exchange.refused", "session.impersonated", "session.switched", "moving.refused",
}  # fmt: skip


def event(name: str, **details: str) -> Event:
    """Make an event at noon."""
    return Event(name=name, at=NOON, details=details)


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_every_event_is_counted_or_left_out_on_purpose(name: str) -> None:
    """S-83: an event is counted under a field of `Counts`, or it is on this test's list of those that are not."""
    reasons = ("signed_out", "revoked", "evicted", "superseded")
    told = [event(name, reason=reason) for reason in reasons] if name == "session.ended" else [event(name)]
    counted = [counting.name_of(each) for each in told]
    if name in UNCOUNTED:
        assert counted == [None]
    else:
        assert set(counted) <= set(Counts.__struct_fields__)


def test_an_end_without_a_known_reason_is_not_counted() -> None:
    """A reason that a newer release brings is no field of ours."""
    assert counting.name_of(event("session.ended", reason="teleported")) is None
    assert counting.name_of(event("session.ended")) is None


def test_what_is_counted_are_the_fields_of_counts() -> None:
    """No number is counted that nobody can read, and none is read that nobody counts."""
    assert set(counting.NAMES) | {"at", "millis", "live", "reads", "writes"} == set(Counts.__struct_fields__)
    assert set(Counts(at=0, millis=1).as_json()) == set(Counts.__struct_fields__)


@given(st.lists(st.tuples(st.integers(0, 3 * DAY), st.integers(1, 9)), max_size=20))
def test_spreading_loses_and_invents_nothing(given: list[tuple[int, int]]) -> None:
    """Minutes, hours and days each hold the whole sum, in buckets that begin where theirs begin."""
    tallies = [Tally(at, {"created": count}) for at, count in given]
    for every, length in LENGTH.items():
        mine = {at: counts for (kind, at), counts in counting.spread(tallies).items() if kind == every}
        assert all(at % length == 0 for at in mine)
        assert sum(counts["created"] for counts in mine.values()) == sum(count for _, count in given)


@pytest.mark.parametrize("every", ["minute", "hour", "day"])
def test_a_timeline_has_no_holes(every: Every) -> None:
    """A bucket in which nothing happened is there, with zeros and no latency."""
    length = LENGTH[every]
    begin = counting.bucket(every, NOON)
    line = counting.timeline(every, begin + 1, begin + 3 * length, [Tally(begin + length, {"revoked": 2})])
    assert [(each.at - begin, each.revoked) for each in line] == [(0, 0), (length, 2), (2 * length, 0)]
    assert {each.millis for each in line} == {length}
    assert [each.live for each in line] == [None] * 3


def test_live_sessions_are_a_mean() -> None:
    """Two samples in a minute, 10 and 20 live sessions: 15."""
    [one] = counting.timeline("minute", NOON, NOON + 1, [Tally(NOON, {"live.sum": 30, "live.samples": 2})])
    assert one.live == 15


def latency(*seconds: float) -> Latency:
    """Return what reads of these lengths come out as."""
    counts: dict[str, int] = {}
    for each in seconds:
        name = counting.class_of("read", each)
        counts[name] = counts.get(name, 0) + 1
    [one] = counting.timeline("minute", NOON, NOON + 1, [Tally(NOON, counts)])
    assert one.writes == Latency()
    return one.reads


def test_latency_lies_in_the_class_of_the_quantile() -> None:
    """98 quick answers and two slow ones: the median is quick, the 99th percentile slow."""
    found = latency(*[0.0002] * 98, 0.2, 0.2)
    assert found.count == 100
    assert found.p50 is not None
    assert found.p99 is not None
    assert 0.1 < found.p50 <= 0.25
    assert 100 < found.p99 <= 250


def test_an_answer_of_minutes_counts_as_the_last_bound() -> None:
    """The last class has no end, so its begin is what can be said."""
    assert latency(90.0).p50 == BOUNDS[-1]


@given(st.lists(st.floats(0, 2), min_size=1, max_size=50))
def test_quantiles_are_within_a_class_of_the_truth(seconds: list[float]) -> None:
    """Whatever was measured, the answer lies in the same class as the exact quantile."""
    found = latency(*seconds)
    ordered = sorted(seconds)
    for share, got in ((0.5, found.p50), (0.99, found.p99)):
        exact = ordered[math.ceil(share * len(ordered)) - 1] * 1000
        above = [bound for bound in BOUNDS if bound >= exact]
        below = [bound for bound in (0.0, *BOUNDS) if bound < exact]
        assert got is not None
        assert max(below, default=0.0) <= got <= (above[0] if above else BOUNDS[-1])


def test_a_time_at_a_bound_belongs_below_it() -> None:
    """Exactly 1 ms is within 1 ms."""
    assert counting.class_of("write", 0.001) == f"write.{BOUNDS.index(1.0)}"
    assert counting.class_of("write", 0.001001) == f"write.{BOUNDS.index(1.0) + 1}"


def test_minutes_are_kept_a_day_hours_a_month_days_a_year() -> None:
    """Ruling 12."""
    assert {every: kept // DAY for every, kept in KEPT.items()} == {"minute": 1, "hour": 31, "day": 366}
    assert counting.forgotten(NOON)["minute"] == NOON - DAY
