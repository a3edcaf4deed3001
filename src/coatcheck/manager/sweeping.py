"""Removing what is over, in small batches, by one worker at a time, without anybody asking."""

from __future__ import annotations

import logging
import random
from typing import cast

from msgspec import Struct

from coatcheck.errors import ConfigurationError, StoreUnavailable
from coatcheck.manager.core import Core
from coatcheck.manager.counting import sample_live
from coatcheck.manager.ending import retry_pending, tell
from coatcheck.model import Millis
from coatcheck.stores.contract import Capability, Leases, Sweeps

BATCH = 200
"""Sessions that one atomic step of the store sweeps, so that requests are never held up for long."""

BATCHES = 50
"""Batches that one unasked sweep does at most; what is left waits for the next."""

_log = logging.getLogger("coatcheck")

_JITTER = random.Random()  # noqa: S311 - spreads workers in time; nothing secret hangs on it


BACKLOG_PAUSE = 1.0
"""Seconds before a worker that left something over sweeps again."""

LONGEST_PAUSE = 0.1
"""Seconds that an unasked sweep leaves the store to others between two batches, at most."""


class Swept(Struct, frozen=True, kw_only=True):
    """What a sweep removed: sessions the absolute clock ended, and sessions the idle clock ended.

    ``more`` says that it stopped before everything was done, because it was bounded.
    """

    expired: int = 0
    abandoned: int = 0
    more: bool = False

    @property
    def total(self) -> int:
        """Both together."""
        return self.expired + self.abandoned


async def sweep(core: Core, *, batches: int | None = None, gently: bool = False) -> Swept:
    """Turn expired sessions into tombstones, until none is left or *batches* are done, and forget old tombstones.

    *gently* leaves the store to others for as long as each batch took.

    Raises:
        ConfigurationError: the store cannot sweep.
        StoreUnavailable: the store did not answer.
    """
    core.runtime.enter()
    if Capability.SWEEP not in core.store.traits.capabilities:
        raise ConfigurationError(f"the {core.store.traits.name} store cannot sweep; it expires sessions by itself")
    await core.sync_clock()
    return await _sweep(core, batches=batches, gently=gently)


async def _sweep(core: Core, *, batches: int | None, gently: bool) -> Swept:
    """Do as `sweep`, by a clock that was compared with the store's just now."""
    store = cast("Sweeps", core.store)
    expired = abandoned = 0
    while batches is None or batches > 0:
        now, began = core.now(), core.runtime.elapsed()
        buried = await store.sweep(
            now=now,
            limit=BATCH,
            forget_before=now - core.policy.keep_ended_ms,
            max_ended=core.policy.max_ended,
        )
        tell(core, buried.ended)
        by_clock = sum(1 for tombstone in buried.ended if tombstone.reason == "absolute")
        expired, abandoned = expired + by_clock, abandoned + len(buried.ended) - by_clock
        if not buried.more:
            return Swept(expired=expired, abandoned=abandoned)
        batches = None if batches is None else batches - 1
        took = core.runtime.elapsed() - began
        await core.runtime.pause(min(took, LONGEST_PAUSE) if gently else 0)
    return Swept(expired=expired, abandoned=abandoned, more=True)


async def sweep_if_due(core: Core, holder: str) -> Swept | None:
    """Sweep if this process's interval is over and no other worker holds the lease; bounded."""
    every, now = core.policy.sweep_ms, core.now()
    if every is None or now < core.next_sweep or Capability.SWEEP not in core.store.traits.capabilities:
        return None
    core.next_sweep = now + every
    return await _sweep_safely(core, holder, every, gently=False)


async def sweep_for_ever(core: Core, holder: str) -> None:
    """Sweep at jittered intervals, and try unanswered sign-outs again, until cancelled; outages are survived."""
    swept: Swept | None = None
    while core.policy.sweep_ms is not None:
        behind = swept is not None and swept.more
        await core.runtime.pause(BACKLOG_PAUSE if behind else pause_seconds(core.policy.sweep_ms))
        swept = await _sweep_safely(core, holder, core.policy.sweep_ms, gently=True)


async def _sweep_safely(core: Core, holder: str, every: Millis, *, gently: bool) -> Swept | None:
    """Sweep in turn; what goes wrong is told and breaks nothing, because nobody asked for it."""
    try:
        return await _sweep_in_turn(core, holder, every, gently=gently)
    except StoreUnavailable as fault:
        core.tell_outage(fault)
    except Exception:  # noqa: BLE001 - one failure must not end sweeping for ever
        _log.exception("a sweep failed; the next one is tried at its time")
    return None


def pause_seconds(every: Millis) -> float:
    """Return an interval in seconds, a tenth shorter or longer by chance, so that workers do not march in step."""
    return every / 1000 * _JITTER.uniform(0.9, 1.1)


async def _sweep_in_turn(core: Core, holder: str, every: Millis, *, gently: bool) -> Swept | None:
    """Try owed sign-outs again, then sweep, bounded; ``None`` when another worker holds the lease or none can sweep.

    Every worker compares its clock with the store's here, also the ones that are not to sweep: all of them judge by it.
    """
    core.runtime.enter()
    await core.sync_clock()
    await retry_pending(core, most=len(core.pending) + len(core.unjudged))
    if Capability.SWEEP not in core.store.traits.capabilities:
        return None
    if Capability.LEASE in core.store.traits.capabilities:
        store, now = cast("Leases", core.store), core.now()
        if not await store.lease("sweep", holder=holder, now=now, until=now + every * 9 // 10):
            return None
    swept = await _sweep(core, batches=BATCHES, gently=gently)
    await sample_live(core)
    return swept
