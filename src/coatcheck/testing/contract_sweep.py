"""Conformance: the capability ``SWEEP``."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from coatcheck.model import Millis, Tombstone, replace
from coatcheck.stores.contract import Sweeps
from coatcheck.testing._make import ABSOLUTE, IDLE, MINUTE, NOW, active, put
from coatcheck.testing.contract_bench import Bench, ContractBase, all_at_once, on_loop, only
from coatcheck.verbs import Refusal

PLENTY = 1_000_000


async def _sweep_all(sweeps: Sweeps, now: Millis, limit: int = 7) -> list[Tombstone]:
    """Sweep in batches until one is empty, forgetting nothing."""
    swept: list[Tombstone] = []
    for _ in range(100):
        batch = await sweeps.sweep(now=now, limit=limit, forget_before=0, max_ended=PLENTY)
        assert len(batch) <= limit
        if not batch:
            return swept
        swept += batch
    pytest.fail("sweep never comes to an end")


async def _remaining(bench: Bench, ids: Sequence[str]) -> list[str]:
    """Return those of *ids* that the store still knows."""
    return [known for known, row in zip(ids, await bench.store.find(ids), strict=True) if row is not None]


class Sweep(ContractBase):
    """What is over is buried once and forgotten in time."""

    @on_loop
    async def test_expired_sessions_become_tombstones_with_their_reason(self, bench: Bench) -> None:
        """From its deadline on a session is swept, by the clock that ran out first; a live one never is (S-31)."""
        sweeps = bench.sweeps
        idle = await bench.add("alice", idle_expires_at=NOW + 10)
        over = await bench.add("alice", expires_at=NOW + 10)
        both = await bench.add(idle_expires_at=NOW + 9, expires_at=NOW + 8)
        live, eternal = await bench.add("alice"), await bench.add(idle_expires_at=None, expires_at=None)
        reasons = {tombstone.id: tombstone.reason for tombstone in await _sweep_all(sweeps, NOW + 9)}
        assert reasons == {both.id: "absolute"}
        swept = await _sweep_all(sweeps, NOW + 10)
        assert {tombstone.id: tombstone.reason for tombstone in swept} == {idle.id: "idle", over.id: "absolute"}
        assert await bench.store.find([tombstone.id for tombstone in swept]) == swept
        assert await bench.store.find([live.id, eternal.id]) == [live, eternal]
        commit = await bench.store.commit(idle.id, generation=1, change=put(a=b"1"), now=NOW + 9)
        assert commit is Refusal.GONE

    @on_loop
    async def test_a_renewed_session_is_swept_at_its_new_deadline(self, bench: Bench) -> None:
        """Sweeping goes by the deadline of now, not by that of the beginning (S-37)."""
        sweeps = bench.sweeps
        record = await bench.add("alice")
        await bench.store.touch(record.id, generation=1, seen=active(NOW + 5 * MINUTE), now=NOW)
        await bench.store.commit(record.id, generation=1, change=put(a=b"1"), now=NOW, seen=active(NOW + 10 * MINUTE))
        assert await _sweep_all(sweeps, NOW + 10 * MINUTE + IDLE - 1) == []
        assert [row.id for row in await _sweep_all(sweeps, NOW + 10 * MINUTE + IDLE)] == [record.id]

    @on_loop
    async def test_a_session_that_locks_is_left_until_its_absolute_deadline(self, bench: Bench) -> None:
        """Idle locks it and does not end it (NIST SP 800-63B-4, AAL2)."""
        sweeps = bench.sweeps
        record = await bench.add("alice", locks=True)
        forever = await bench.add("alice", locks=True, expires_at=None)
        assert await _sweep_all(sweeps, NOW + ABSOLUTE - 1) == []
        assert [row.id for row in await _sweep_all(sweeps, NOW + ABSOLUTE)] == [record.id]
        assert await bench.found(forever.id) == forever

    @on_loop
    async def test_two_sweepers_share_the_work(self, bench: Bench) -> None:
        """Concurrent sweepers with small batches answer each expired session exactly once between them (S-31)."""
        assert bench.sweeps is not None
        records = [await bench.add("alice" if n % 3 else None, idle_expires_at=NOW + n) for n in range(60)]
        sweepers: list[Sweeps] = bench.capable_clients(2)
        both = await all_at_once([_sweep_all(sweeper, NOW + 50) for sweeper in sweepers])
        swept = [row.id for rows in both for row in rows]
        assert sorted(swept) == sorted(record.id for record in records[:51])
        assert await bench.store.find([r.id for r in records[51:]]) == records[51:]

    @on_loop
    async def test_a_sweep_and_a_renewal_never_both_win(self, bench: Bench) -> None:
        """A touch that was acknowledged keeps its session from the sweep, and a swept one is gone (promise 2)."""
        assert bench.sweeps is not None
        records = [await bench.add(idle_expires_at=NOW + 5) for _ in range(20)]
        *clients, sweeper = bench.capable_clients(21)
        touches = [
            client.touch(record.id, generation=1, seen=active(NOW + 4), now=NOW + 4)
            for client, record in zip(clients, records, strict=True)
        ]
        *answers, swept = await all_at_once([
            *touches, sweeper.sweep(now=NOW + 5, limit=20, forget_before=0, max_ended=PLENTY)
        ])  # fmt: skip
        dead = {row.id for row in swept or ()}
        assert [answer is Refusal.GONE for answer in answers] == [record.id in dead for record in records]

    @on_loop
    async def test_old_tombstones_are_forgotten(self, bench: Bench) -> None:
        """What ended before ``forget_before`` goes, what ended at it or later stays (S-31)."""
        sweeps = bench.sweeps
        records = [await bench.add("alice") for _ in range(12)]
        for minute, record in enumerate(records):
            await bench.store.end(record.id, reason="revoked", now=NOW + minute)
        for _ in range(10):
            await sweeps.sweep(now=NOW + 20, limit=3, forget_before=NOW + 8, max_ended=PLENTY)
        ids = [record.id for record in records]
        assert await _remaining(bench, ids) == ids[8:]
        assert await bench.store.end(ids[0], reason="revoked", now=NOW) is None

    @on_loop
    async def test_tombstones_are_bounded_in_number(self, bench: Bench) -> None:
        """Beyond ``max_ended`` the oldest ends go, whoever's they are, and no live session with them (S-31)."""
        sweeps = bench.sweeps
        live = await bench.add("alice")
        records = [await bench.add("alice" if number % 2 else None) for number in range(12)]
        order = [*records[6:], *records[:6]]
        for minute, record in enumerate(order):
            await bench.store.end(record.id, reason="revoked", now=NOW + minute)
        for _ in range(10):
            await sweeps.sweep(now=NOW + 20, limit=3, forget_before=0, max_ended=4)
        ids = [record.id for record in order]
        assert await _remaining(bench, ids) == ids[8:]
        assert await bench.found(live.id) == live

    @on_loop
    async def test_forgotten_sessions_leave_the_lists(self, bench: Bench) -> None:
        """A user's list of ended sessions shows no forgotten one (S-50)."""
        sweeps, lists = bench.sweeps, bench.lists
        record = await bench.add("alice", idle_expires_at=NOW + 1)
        tombstone = only(await _sweep_all(sweeps, NOW + 1))
        assert tombstone == replace(tombstone, id=record.id, user_id="alice", reason="idle")
        assert await lists.list_ended("alice", limit=5) == [tombstone]
        await sweeps.sweep(now=NOW + 3, limit=5, forget_before=NOW + 2, max_ended=PLENTY)
        assert await lists.list_ended("alice", limit=5) == []
        assert await bench.found(record.id) is None
