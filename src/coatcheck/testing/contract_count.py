"""Conformance: counters, which processes add up by minute, hour and day (ruling 12)."""

from __future__ import annotations

from typing import Final, cast

import pytest

from coatcheck.counting import KEPT, LENGTH, Every
from coatcheck.model import Millis
from coatcheck.stores.contract import Counters
from coatcheck.testing._make import MINUTE, NOW
from coatcheck.testing.contract_bench import Bench, ContractBase, all_at_once, on_loop
from coatcheck.verbs import Tally

DAY: Final[Millis] = LENGTH["day"]
TODAY: Final[Millis] = NOW - NOW % DAY
NOON: Final[Millis] = TODAY + DAY // 2


async def _all(counters: Counters, every: Every, around: Millis = NOON) -> dict[Millis, dict[str, int]]:
    """Return every bucket near *around*."""
    rows = await counters.read_counts(every, since=max(0, around - 2 * KEPT[every]), until=around + 2 * KEPT[every])
    return {row.at: dict(row.counts) for row in rows}


class Count(ContractBase):
    """Counters."""

    @on_loop
    async def test_counts_are_added_to_their_minute_hour_and_day(self, bench: Bench) -> None:
        """Each tally counts in all three; nobody has to roll minutes up (ruling 12)."""
        counters, hour = bench.counters, LENGTH["hour"]
        await counters.add_counts([Tally(NOON, {"created": 2}), Tally(NOON + MINUTE, {"created": 1})], now=NOON)
        await counters.add_counts([Tally(NOON + MINUTE + 1, {"created": 4, "read.3": 7})], now=NOON)
        await counters.add_counts([Tally(NOON + hour, {"read.3": 1})], now=NOON)
        one, two = {"created": 2}, {"created": 5, "read.3": 7}
        assert await _all(counters, "minute") == {NOON: one, NOON + MINUTE: two, NOON + hour: {"read.3": 1}}
        assert await _all(counters, "hour") == {NOON: {"created": 7, "read.3": 7}, NOON + hour: {"read.3": 1}}
        assert await _all(counters, "day") == {TODAY: {"created": 7, "read.3": 8}}

    @on_loop
    async def test_counts_are_read_in_order_and_within_bounds(self, bench: Bench) -> None:
        """Oldest first, from the first bucket that begins in the time asked for; empty ones are left out."""
        counters = bench.counters
        for minute in (30, 10, 20):
            await counters.add_counts([Tally(NOON + minute * MINUTE, {"created": minute})], now=NOON)
        rows = await counters.read_counts("minute", since=NOON + 10 * MINUTE, until=NOON + 30 * MINUTE)
        assert rows == [Tally(NOON + 10 * MINUTE, {"created": 10}), Tally(NOON + 20 * MINUTE, {"created": 20})]
        assert await counters.read_counts("minute", since=NOON + 11 * MINUTE, until=NOON + 20 * MINUTE) == []
        assert await counters.read_counts("hour", since=NOON + 1, until=NOON + DAY) == []

    @on_loop
    async def test_everybodys_counts_add_up(self, bench: Bench) -> None:
        """32 processes that write at once lose nothing, and neither does one call with many names."""
        counters = bench.counters
        clients: list[Counters] = bench.capable_clients(32)
        names = [f"name.{number}" for number in range(40)]
        await all_at_once([
            client.add_counts([Tally(NOON, dict.fromkeys(names, number + 1)), Tally(NOON + DAY, {"b": 1})], now=NOON)
            for number, client in enumerate(clients)
        ])  # fmt: skip
        total = 32 * 33 // 2
        assert await _all(counters, "minute") == {NOON: dict.fromkeys(names, total), NOON + DAY: {"b": 32}}
        assert await _all(counters, "day") == {TODAY: dict.fromkeys(names, total), TODAY + DAY: {"b": 32}}

    @on_loop
    async def test_large_counts_are_exact(self, bench: Bench) -> None:
        """Sums up to 2^53 stay whole numbers."""
        large = 2**52 + 1
        await bench.counters.add_counts([Tally(NOON, {"live.sum": large})], now=NOON)
        await bench.counters.add_counts([Tally(NOON, {"live.sum": large - 2})], now=NOON)
        assert (await _all(bench.counters, "hour"))[NOON] == {"live.sum": 2**53}

    @on_loop
    async def test_adding_nothing_is_no_error(self, bench: Bench) -> None:
        """No tallies, or one without counts, leave no bucket behind."""
        await bench.counters.add_counts([], now=NOON)
        await bench.counters.add_counts([Tally(NOON, {})], now=NOON)
        assert await _all(bench.counters, "minute") == {}

    @on_loop
    async def test_buckets_are_forgotten_when_their_time_is_over(self, bench: Bench) -> None:
        """Minutes after a day, hours after a month, days after a year; what came too late adds nothing."""
        for every in LENGTH:
            await _forget(bench.counters, every, f"{every}s")

    @on_loop
    async def test_a_tenant_counts_for_itself(self, bench: Bench) -> None:
        """Counts of one tenant are not in another's (SM-15)."""
        _ = bench.counters  # skips where the store has none
        if not bench.takes_tenants:
            pytest.skip("open_store takes no tenant")
        red, blue = (cast("Counters", bench.another(tenant=name)) for name in ("red", "blue"))
        await red.add_counts([Tally(NOON, {"created": 1})], now=NOON)
        await blue.add_counts([Tally(NOON, {"created": 2})], now=NOON + 2 * KEPT["day"])
        await blue.add_counts([Tally(NOON, {"created": 2})], now=NOON)
        assert await _all(red, "day") == {TODAY: {"created": 1}}
        assert await _all(blue, "day") == {TODAY: {"created": 2}}

    @on_loop
    async def test_counts_survive_a_restart(self, bench: Bench) -> None:
        """Another store object goes on counting where the first stopped."""
        counters = bench.counters
        if not bench.store.traits.persistent:
            pytest.skip("store does not declare persistent")
        await counters.add_counts([Tally(NOON, {"created": 1})], now=NOON)
        await bench.store.close()
        after = cast("Counters", bench.another())
        await after.add_counts([Tally(NOON, {"created": 1})], now=NOON)
        assert await _all(after, "minute") == {NOON: {"created": 2}}

    def test_a_blocking_store_counts_without_suspending(self, bench: Bench) -> None:
        """Both verbs finish in one step where the store declares ``blocking``."""
        counters = bench.counters
        if not bench.store.traits.blocking:
            pytest.skip("store does not declare blocking")
        for coroutine in (
            counters.add_counts([Tally(NOON, {"created": 1})], now=NOON),
            counters.read_counts("minute", since=NOON, until=NOON + 1),
        ):
            with pytest.raises(StopIteration):
                coroutine.send(None)


async def _forget(counters: Counters, every: Every, name: str) -> None:
    """Count at noon, then again at the last moment that remembers it, then at the first that does not."""
    at = NOON - NOON % LENGTH[every]
    last = at + KEPT[every] + LENGTH[every] - 1
    await counters.add_counts([Tally(NOON, {name: 1})], now=NOON)
    await counters.add_counts([Tally(last, {name: 5})], now=last)
    await counters.add_counts([Tally(NOON, {name: 1})], now=last)
    assert (await _all(counters, every))[at][name] == 2, f"a {every} is forgotten too early"
    for _ in range(2):
        await counters.add_counts([Tally(last, {name: 5}), Tally(NOON, {name: 1})], now=last + 1)
    assert at not in await _all(counters, every), f"a {every} is kept for ever"
    kept = await _all(counters, every, around=last)
    assert kept[last - last % LENGTH[every]][name] == 15
