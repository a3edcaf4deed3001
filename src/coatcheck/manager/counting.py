"""Counting what happens in this process, and writing it to the store now and then (capability *counters*)."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Sequence
from typing import Final, cast
from weakref import WeakSet

from coatcheck import counting
from coatcheck.counting import KEPT, LENGTH, Counts, Every, Kind
from coatcheck.errors import ConfigurationError, StoreUnavailable, WrongEventLoop
from coatcheck.events import Event
from coatcheck.manager.core import Core
from coatcheck.model import Millis
from coatcheck.stores.contract import Browses, Capability, Counters
from coatcheck.verbs import Tally

MOST_MINUTES: Final = 1440
"""Minutes of counts that wait at most while the store does not answer: a day's."""

FOLD: Final = 4096
"""Times of the store that are kept at most before they are sorted into classes."""

AT_ONCE: Final = 60
"""Minutes that one step of the store adds, so that it stays short after an outage too."""

_log: Final = logging.getLogger("coatcheck")


class Counter:
    """What this process has counted and not yet written, by minute. Safe under threads."""

    def __init__(self, core: Core) -> None:
        """Begin with nothing."""
        self._core = core
        self._lock = threading.Lock()
        self._minutes: dict[Millis, dict[str, int]] = {}
        self._times: dict[Kind, deque[float]] = {"read": deque(), "write": deque()}
        self._due: Millis = 0
        _all.add(self)

    def __call__(self, event: Event, /) -> None:
        """Count *event*: this is a listener."""
        name = counting.name_of(event)
        if name is not None:
            self.add(name, event.at)

    def took(self, kind: Kind, seconds: float) -> None:
        """Count a time of the store's: kept as it is for now, because a request is waiting."""
        times = self._times[kind]
        times.append(seconds)
        if len(times) >= FOLD:
            self._fold()

    def _fold(self) -> None:
        """Sort the times that were kept into their classes, in the present minute."""
        now = self._core.now()
        for kind, times in self._times.items():
            for _ in range(len(times)):
                try:
                    seconds = times.popleft()
                except IndexError:  # another thread folds too
                    break
                self.add(counting.class_of(kind, seconds), now)

    def timing(self, kind: Kind) -> Timing:
        """Count how long the store takes in a block."""
        return Timing(self, self._core, kind)

    def add(self, name: str, at: Millis, count: int = 1) -> None:
        """Count something that happened at *at*."""
        minute = at - at % counting.LENGTH["minute"]
        with self._lock:
            counts = self._minutes.get(minute)
            if counts is None:
                counts = self._minutes[minute] = {}
                if len(self._minutes) > MOST_MINUTES:
                    del self._minutes[min(self._minutes)]
            counts[name] = counts.get(name, 0) + count

    def has_some(self) -> bool:
        """Whether there is something to write."""
        return bool(self._minutes or self._times["read"] or self._times["write"])

    def take(self) -> list[Tally]:
        """Return what was counted, oldest first, and begin anew."""
        self._fold()
        with self._lock:
            minutes, self._minutes = self._minutes, {}
        return [Tally(at, counts) for at, counts in sorted(minutes.items())]

    def give_back(self, tallies: Sequence[Tally]) -> None:
        """Take back what could not be written."""
        for tally in tallies:
            for name, count in tally.counts.items():
                self.add(name, tally.at, count)

    def begin_anew(self) -> None:
        """Count for a new process: what its parent counted is its parent's to write, and so is the lock."""
        self._lock = threading.Lock()
        self._minutes = {}
        self._times = {"read": deque(), "write": deque()}

    def is_due(self, now: Millis) -> bool:
        """Whether there is something to write and the policy's interval is over."""
        return now >= self._due and self.has_some()

    def wait(self, every: Millis) -> None:
        """Be due again after *every*."""
        self._due = self._core.now() + every


class Timing:
    """A block in which the store is asked; its length is counted, also when it ends in an error."""

    __slots__ = ("_began", "_core", "_counter", "_kind")

    def __init__(self, counter: Counter, core: Core, kind: Kind) -> None:
        """Count for *counter*."""
        self._counter, self._core = counter, core
        self._kind: Kind = kind

    def __enter__(self) -> None:
        """Begin."""
        self._began = self._core.runtime.elapsed()

    def __exit__(self, *_exc: object) -> None:
        """Count."""
        self._counter.took(self._kind, self._core.runtime.elapsed() - self._began)


_all: Final[WeakSet[Counter]] = WeakSet()


def _in_child() -> None:
    for counter in _all:
        counter.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


def counter_for(core: Core) -> Counter | None:
    """Return what counts for *core*; nothing where the policy or the store does not want it."""
    wanted = core.policy.count_ms is not None and Capability.COUNTERS in core.store.traits.capabilities
    return Counter(core) if wanted else None


async def write(core: Core) -> None:
    """Write what was counted. What the store does not answer is kept and written with the next.

    Raises:
        StoreUnavailable: the store did not answer.
    """
    counter = core.counter
    if counter is None or not counter.has_some():
        return
    core.runtime.enter()
    tallies = counter.take()
    while tallies:
        try:
            await cast("Counters", core.store).add_counts(tallies[:AT_ONCE], now=core.now())
        except BaseException:
            counter.give_back(tallies)
            raise
        tallies = tallies[AT_ONCE:]


async def write_safely(core: Core) -> None:
    """Write what was counted; what goes wrong is logged and breaks nothing, because nobody asked for it."""
    try:
        await write(core)
    except (StoreUnavailable, WrongEventLoop) as fault:
        _log.debug("counts wait: %s", fault)
    except Exception:  # noqa: BLE001 - one failure must not end counting for ever
        _log.exception("counts could not be written")


def upkeep_due(core: Core) -> bool:
    """Whether this process should sweep or write its counts; asked after every answer where no lifespan runs."""
    now = core.now()
    if core.policy.sweep_ms is not None and now >= core.next_sweep:
        return True
    return core.counter is not None and core.counter.is_due(now)


async def write_if_due(core: Core) -> None:
    """Write if there is something to write and this process's interval is over."""
    counter, every = core.counter, core.policy.count_ms
    if counter is not None and every is not None and counter.is_due(core.now()):
        counter.wait(every)
        await write_safely(core)


async def write_for_ever(core: Core) -> None:
    """Write at the policy's interval until cancelled."""
    while core.counter is not None and core.policy.count_ms is not None:
        await core.runtime.pause(core.policy.count_ms / 1000)
        await write_safely(core)


async def sample_live(core: Core) -> None:
    """Count the live sessions, for their line in the plot; one worker does it, when it sweeps.

    On millions of sessions that may take longer than the store's time-out; then the line has a gap.
    """
    if core.counter is None or Capability.BROWSE not in core.store.traits.capabilities:
        return
    now = core.now()
    try:
        live = await cast("Browses", core.store).count(now=now)
    except Exception as fault:  # noqa: BLE001 - the sweep before it is done, whatever this ends in
        _log.debug("live sessions were not counted: %s", fault)
        return
    core.counter.add(counting.LIVE_SUM, now, live)
    core.counter.add(counting.LIVE_SAMPLES, now)


async def read(core: Core, every: Every, *, since: Millis | None, until: Millis | None) -> list[Counts]:
    """Return what every process has written, one entry for each minute, hour or day.

    Raises:
        ConfigurationError: the store keeps no counts.
        ValueError: *every* is none of these, or the times are not in order.
        StoreUnavailable: the store did not answer.
    """
    core.runtime.enter()
    if Capability.COUNTERS not in core.store.traits.capabilities:
        raise ConfigurationError(f"the {core.store.traits.name} store keeps no counts")
    if every not in LENGTH:
        raise ValueError(f"every={every!r} is not known; write one of {', '.join(map(repr, LENGTH))}")
    now = await core.moment()
    end = now + 1 if until is None else until
    begin = end - KEPT[every] if since is None else since
    if not 0 <= begin <= end:
        raise ValueError("since must lie before until, and both after 1970")
    if end - begin > 2 * KEPT[every]:
        kept = KEPT[every] // LENGTH["hour"]
        raise ValueError(f"{every}s are kept for {kept} hours; ask for at most twice as much at once")
    begin = counting.bucket(every, begin)
    await write(core)
    tallies = await cast("Counters", core.store).read_counts(every, since=begin, until=end)
    return counting.timeline(every, begin, end, tallies)
