"""What happened, counted: the numbers behind the operator's page and ``coatcheck stats``.

Every process counts what its events tell and how long the store took, and writes that every few seconds. A store adds
it to the minute, the hour and the day it belongs to, and keeps minutes for a day, hours for a month and days for a
year. Every number is a sum, so that processes, minutes and hours add up without a job that rolls them up. Days are
UTC's.

Counts are for looking, not for accounts: a process that is killed loses those it had not written, and where the store's
answer was lost they are written again.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct

from coatcheck.events import Event
from coatcheck.model import Millis
from coatcheck.verbs import Tally

Every: TypeAlias = Literal["minute", "hour", "day"]
"""How long a bucket is."""

Kind: TypeAlias = Literal["read", "write"]
"""What the store was asked for."""

LENGTH: Final[dict[Every, Millis]] = {"minute": 60_000, "hour": 3_600_000, "day": 86_400_000}
"""Milliseconds of a bucket."""

KEPT: Final[dict[Every, Millis]] = {
    "minute": LENGTH["day"],
    "hour": 31 * LENGTH["day"],
    "day": 366 * LENGTH["day"],
}
"""Milliseconds that buckets of a length are kept."""

_OF_EVENT: Final[dict[str, str]] = {
    "session.created": "created",
    "session.regenerated": "regenerated",
    "session.expired": "expired",
    "session.abandoned": "abandoned",
    "session.theft_suspected": "theft_suspected",
    "session.commit_refused": "commit_refused",
    "login.refused": "refused",
    "cookie.rejected": "rejected",
    "csrf.refused": "csrf_refused",
    "store.unavailable": "unavailable",
}
_OF_END: Final = frozenset({"signed_out", "revoked", "evicted", "superseded"})

NAMES: Final = (*_OF_EVENT.values(), *sorted(_OF_END))
"""What is counted, beside the live sessions and the times of the store."""

LIVE_SUM: Final = "live.sum"
LIVE_SAMPLES: Final = "live.samples"
"""Live sessions are counted when somebody sweeps; a bucket keeps the sum of those counts and how many there were."""

BOUNDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0)
"""Milliseconds that separate the classes a store's times are counted in; the last class is whatever took longer."""

_CLASSES: Final = {kind: tuple(f"{kind}.{number}" for number in range(len(BOUNDS) + 1)) for kind in ("read", "write")}
_QUANTILES: Final = (0.5, 0.99)


class Latency(Struct, frozen=True, kw_only=True):
    """How long the store took, as the requests waited for it.

    Attributes:
        count: how many times it was asked.
        p50: milliseconds within which half of the answers came, interpolated in classes; ``None`` without any.
        p99: the same for 99 of 100.
    """

    count: int = 0
    p50: float | None = None
    p99: float | None = None


class Counts(Struct, frozen=True, kw_only=True):
    """What happened in one minute, hour or day.

    Attributes:
        at: its beginning, in milliseconds since the Unix epoch.
        millis: its length in milliseconds.
        created: sessions made, by signing in or by a first write.
        expired: sessions that the absolute clock ended.
        abandoned: sessions that the idle clock ended.
        signed_out: sessions that their user ended.
        revoked: sessions that somebody else ended, or the user elsewhere.
        evicted: sessions that made room for a newer one under ``max_sessions``.
        superseded: sessions that a new sign-in in the same browser replaced.
        regenerated: new secrets for a session that goes on.
        rejected: cookies that opened nothing: malformed, duplicate or unknown.
        refused: sign-ins that were refused: a stale epoch or the limit.
        commit_refused: changes that were not saved.
        theft_suspected: replaced secrets that came back.
        csrf_refused: requests that did not show that they came from a page of ours, those only reported included.
        unavailable: times that the store did not answer.
        live: live sessions, the mean of the counts taken in this time; ``None`` when nobody counted.
        reads: how long the store took to look a session up for a request.
        writes: how long it took to write: data, activity, sign-ins, sign-outs, new secrets and revocations.
    """

    at: Millis
    millis: Millis
    created: int = 0
    expired: int = 0
    abandoned: int = 0
    signed_out: int = 0
    revoked: int = 0
    evicted: int = 0
    superseded: int = 0
    regenerated: int = 0
    rejected: int = 0
    refused: int = 0
    commit_refused: int = 0
    theft_suspected: int = 0
    csrf_refused: int = 0
    unavailable: int = 0
    live: float | None = None
    reads: Latency = Latency()
    writes: Latency = Latency()

    def as_json(self) -> dict[str, Any]:
        """Return plain values, for programs."""
        shown = {name: getattr(self, name) for name in self.__struct_fields__}
        for name in ("reads", "writes"):
            latency: Latency = shown[name]
            shown[name] = {"count": latency.count, "p50": latency.p50, "p99": latency.p99}
        return shown


def name_of(event: Event) -> str | None:
    """Return what *event* counts as, ``None`` for what is not counted."""
    if event.name == "session.ended":
        reason = event.details.get("reason")
        return reason if isinstance(reason, str) and reason in _OF_END else None
    return _OF_EVENT.get(event.name)


def class_of(kind: Kind, seconds: float) -> str:
    """Return the class that a time of the store is counted in."""
    return _CLASSES[kind][bisect_left(BOUNDS, seconds * 1000)]


def bucket(every: Every, at: Millis) -> Millis:
    """Return the beginning of the minute, hour or day that *at* lies in."""
    return at - at % LENGTH[every]


def spread(tallies: Iterable[Tally]) -> dict[tuple[Every, Millis], dict[str, int]]:
    """Return what *tallies* add to each minute, hour and day: what a store adds, in order of length and time."""
    added: dict[tuple[Every, Millis], dict[str, int]] = {}
    for every in LENGTH:
        for tally in tallies:
            sums = added.setdefault((every, bucket(every, tally.at)), {}) if tally.counts else {}
            for name, count in tally.counts.items():
                sums[name] = sums.get(name, 0) + count
    return dict(sorted(added.items()))


def forgotten(now: Millis) -> dict[Every, Millis]:
    """Return, for each length, the time before which a store forgets buckets."""
    return {every: bucket(every, now - kept) for every, kept in KEPT.items()}


def timeline(every: Every, since: Millis, until: Millis, tallies: Iterable[Tally]) -> list[Counts]:
    """Return one `Counts` for each bucket from *since* to before *until*, oldest first, also for the empty ones."""
    known = {tally.at: tally.counts for tally in tallies}
    length = LENGTH[every]
    return [_counted(at, length, known.get(at, {})) for at in range(bucket(every, since), until, length)]


def _counted(at: Millis, length: Millis, counts: Mapping[str, int]) -> Counts:
    if not counts:
        return Counts(at=at, millis=length)
    samples = counts.get(LIVE_SAMPLES, 0)
    return Counts(
        at=at,
        millis=length,
        live=counts.get(LIVE_SUM, 0) / samples if samples else None,
        reads=_latency("read", counts),
        writes=_latency("write", counts),
        **{name: counts.get(name, 0) for name in NAMES},
    )


def _latency(kind: str, counts: Mapping[str, int]) -> Latency:
    """Return the quantiles of a kind's classes."""
    classes = [counts.get(name, 0) for name in _CLASSES[kind]]
    upto = list(accumulate(classes))
    if not upto[-1]:
        return Latency()
    p50, p99 = (_quantile(share, classes, upto) for share in _QUANTILES)
    return Latency(count=upto[-1], p50=p50, p99=p99)


def _quantile(share: float, classes: list[int], upto: list[int]) -> float:
    """Interpolate within the class that *share* of all falls into; the last class has no end and gives its begin."""
    wanted = share * upto[-1]
    place = next(number for number, count in enumerate(upto) if count >= wanted and classes[number])
    if place == len(BOUNDS):
        return BOUNDS[-1]
    begin = BOUNDS[place - 1] if place else 0.0
    inside = (wanted - (upto[place] - classes[place])) / classes[place]
    return begin + (BOUNDS[place] - begin) * inside
