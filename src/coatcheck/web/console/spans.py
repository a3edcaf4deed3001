"""The spans that the overview shows: which counts are read for one, and how they are put together. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

from msgspec import Struct

from coatcheck.counting import LENGTH, NAMES, Counts, Every, Latency
from coatcheck.model import Millis


class Span(Struct, frozen=True, kw_only=True):
    """A span of time.

    Attributes:
        name: the word in addresses.
        title: the word for people.
        every: the counts it is made of.
        bucket: milliseconds that one bar or one point of a line stands for.
        buckets: how many there are.
        refresh: seconds after which the page asks again.
        grain: what a bucket is, for people.
    """

    name: str
    title: str
    every: Every
    bucket: Millis
    buckets: int
    refresh: int
    grain: str

    def begin(self, now: Millis) -> Millis:
        """Return the first bucket's beginning, so that the last is the one that *now* lies in."""
        return bucket_begin(now, self.bucket) - (self.buckets - 1) * self.bucket

    @property
    def reach(self) -> int:
        """Buckets over which a line joins two samples: sweeps count live sessions only every few minutes."""
        return max(REACH, self.bucket * self.buckets // 12) // self.bucket


REACH: Final[Millis] = 15 * LENGTH["minute"]
"""Milliseconds between two samples that a line joins at least; in longer spans it is a twelfth of the span."""

WEEK: Final[Millis] = 7 * LENGTH["day"]
_MONDAY: Final[Millis] = 4 * LENGTH["day"]
"""The first Monday after the beginning of the Unix epoch, which was a Thursday."""


def bucket_begin(at: Millis, bucket: Millis) -> Millis:
    """Return the beginning of the bucket that *at* lies in, in UTC. Weeks begin on Monday."""
    return at - (at - (_MONDAY if bucket == WEEK else 0)) % bucket


SPANS: Final[dict[str, Span]] = {
    span.name: span
    for span in (
        Span(name="hour", title="Hour", every="minute", bucket=LENGTH["minute"], buckets=60, refresh=2, grain="minute"),
        Span(
            name="day",
            title="Day",
            every="minute",
            bucket=10 * LENGTH["minute"],
            buckets=144,
            refresh=10,
            grain="10 minutes",
        ),
        Span(name="month", title="Month", every="hour", bucket=LENGTH["day"], buckets=31, refresh=60, grain="day"),
        Span(name="year", title="Year", every="day", bucket=WEEK, buckets=52, refresh=300, grain="week"),
    )
}
"""Every span, by its name. A bucket's bars are so many that each can still be seen and pointed at."""


def put_together(counts: Sequence[Counts], bucket: Millis) -> list[Counts]:
    """Return one `Counts` for each *bucket* milliseconds: numbers are added up, live sessions averaged.

    Of the store's times the middle one is the weighted mean of the middles, and the longest the longest: sums of
    classes are not at hand here, and a slow minute must not vanish in its hour.
    """
    return [
        _sum(at, bucket, tuple(group))
        for at, group in groupby(counts, key=lambda count: bucket_begin(count.at, bucket))
    ]


def _sum(at: Millis, bucket: Millis, group: tuple[Counts, ...]) -> Counts:
    live = [count.live for count in group if count.live is not None]
    sums: dict[str, Any] = {name: sum(getattr(count, name) for count in group) for name in NAMES}
    return Counts(
        at=at,
        millis=bucket,
        live=sum(live) / len(live) if live else None,
        reads=_slowest([count.reads for count in group]),
        writes=_slowest([count.writes for count in group]),
        **sums,
    )


def _slowest(times: Sequence[Latency]) -> Latency:
    middles = [(time.count, time.p50) for time in times if time.p50 is not None]
    longest = [time.p99 for time in times if time.p99 is not None]
    asked = sum(count for count, _ in middles)
    if not asked or not longest:
        return Latency()
    return Latency(count=asked, p50=sum(count * p50 for count, p50 in middles) / asked, p99=max(longest))
