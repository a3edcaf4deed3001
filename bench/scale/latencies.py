"""What many timings come to. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from msgspec import Struct


class Latency(Struct, frozen=True):
    """Microseconds: half of all took no longer than ``p50_us``, 99 of 100 no longer than ``p99_us``."""

    p50_us: float
    p99_us: float

    def over(self, other: Latency) -> Latency:
        """Return how many times longer than *other* this is, field by field."""
        return Latency(round(self.p50_us / other.p50_us, 2), round(self.p99_us / other.p99_us, 2))


def percentile(sorted_values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least *share* (over 0, up to 1) of all do not exceed: no interpolation.

    Raises:
        ValueError: there are no values, or *share* is none.
    """
    if not sorted_values or not 0 < share <= 1:
        raise ValueError("a percentile needs values and a share over 0 and up to 1")
    return sorted_values[max(math.ceil(share * len(sorted_values)) - 1, 0)]


def latency(seconds: Sequence[float]) -> Latency:
    """Sum up timings in seconds."""
    in_order = sorted(seconds)
    return Latency(round(percentile(in_order, 0.5) * 1e6, 1), round(percentile(in_order, 0.99) * 1e6, 1))


def median(latencies: Sequence[Latency]) -> Latency:
    """Return the medians, field by field: of many turns, so that a slow one moves them little."""
    return Latency(
        round(statistics.median(each.p50_us for each in latencies), 2),
        round(statistics.median(each.p99_us for each in latencies), 2),
    )


def paired_ratio(with_load: Sequence[Latency], without: Sequence[Latency]) -> Latency:
    """Return the median ratio over pairs that were measured next to each other, so that slow moments cancel out."""
    return median([busy.over(quiet) for busy, quiet in zip(with_load, without, strict=True)])
