"""What was aimed at, and whether it was reached. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

from bench.scale.results import Lookup, StoreResult

REDIS_BYTES: Final = 700
"""Bytes a session on Redis, everything counted."""
LOOKUP_RATIO: Final = 1.5
"""How many times longer a look-up's p99 may be among `MANY` sessions than in the small store."""
MANY: Final = 5_000_000
SWEEP_RATIO: Final = 2.0
"""How many times longer readers' p99 may be beside a sweep: less than this."""

Row: TypeAlias = tuple[str, str, str]
"""The target, the value that was measured, met or missed."""


def targets(stores: dict[str, StoreResult]) -> list[Row]:
    """Return every target for which there is a number."""
    return [*_bytes(stores), *_lookups(stores), *_sweeps(stores)]


def pace(pause_ms: float) -> str:
    """Say how fast readers ask."""
    return f"pausing {pause_ms:.0f} ms" if pause_ms else "without a pause"


def _bytes(stores: dict[str, StoreResult]) -> Iterator[Row]:
    """Judge by what the server itself takes, which is the first way of asking."""
    if (redis := stores.get("redis")) and redis.space:
        space = redis.space[0]
        browse = space.parts.get("browse index", 0.0)
        for what, size in (("all in", space.total), ("without the index for browsing", space.total - browse)):
            value = f"{size:.0f} ({space.method}, among {space.sessions:,})"
            yield f"redis: at most {REDIS_BYTES} bytes a session, {what}", value, _verdict(size <= REDIS_BYTES)


def _lookups(stores: dict[str, StoreResult]) -> Iterator[Row]:
    """Judge the largest size of each store, which is smaller than `MANY` where that is too much for a run."""
    for name, store in stores.items():
        for in_flight in sorted({each.in_flight for each in store.lookups}):
            found = max((each for each in store.lookups if each.in_flight == in_flight), key=_size)
            target = (
                f"{name}: look-up p99 among {MANY:,} within {LOOKUP_RATIO} times that among {found.small_sessions:,}"
            )
            met = found.ratio.p99_us <= LOOKUP_RATIO
            verdict = _verdict(met) if not met or found.sessions >= MANY else "met so far"
            value = f"{found.ratio.p99_us:.2f} times among {found.sessions:,}"
            yield f"{target}, {in_flight} in flight", value, verdict


def _size(lookup: Lookup) -> int:
    return lookup.sessions


def _sweeps(stores: dict[str, StoreResult]) -> Iterator[Row]:
    for name, store in stores.items():
        for sweep in store.sweeps:
            target = f"{name}: readers' p99 beside a sweep under {SWEEP_RATIO:.0f} times that without"
            value = f"{sweep.ratio.p99_us:.2f} times ({sweep.expired:,} swept)"
            yield f"{target}, {pace(sweep.pause_ms)}", value, _verdict(sweep.ratio.p99_us < SWEEP_RATIO)


def _verdict(met: bool) -> str:  # noqa: FBT001 - one word for one fact
    return "met" if met else "**missed**"
