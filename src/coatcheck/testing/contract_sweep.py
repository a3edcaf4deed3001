"""Conformance: the capability ``SWEEP``."""

from __future__ import annotations

from collections.abc import Sequence

from coatcheck.model import replace
from coatcheck.stores.contract import Sweeps
from coatcheck.testing._make import ABSOLUTE, IDLE, MINUTE, NOW, active, put
from coatcheck.testing.contract_bench import PLENTY, Bench, ContractBase, all_at_once, on_loop, only, sweep_all
from coatcheck.verbs import Refusal


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
        reasons = {tombstone.id: tombstone.reason for tombstone in await sweep_all(sweeps, NOW + 9)}
        assert reasons == {both.id: "absolute"}
        swept = await sweep_all(sweeps, NOW + 10)
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
        assert await sweep_all(sweeps, NOW + 10 * MINUTE + IDLE - 1) == []
        assert [row.id for row in await sweep_all(sweeps, NOW + 10 * MINUTE + IDLE)] == [record.id]

    @on_loop
    async def test_a_session_that_locks_is_left_until_its_absolute_deadline(self, bench: Bench) -> None:
        """Idle locks it and does not end it (NIST SP 800-63B-4, AAL2)."""
        sweeps = bench.sweeps
        record = await bench.add("alice", locks=True)
        forever = await bench.add("alice", locks=True, expires_at=None)
        assert await sweep_all(sweeps, NOW + ABSOLUTE - 1) == []
        assert [row.id for row in await sweep_all(sweeps, NOW + ABSOLUTE)] == [record.id]
        assert await bench.found(forever.id) == forever

    @on_loop
    async def test_two_sweepers_share_the_work(self, bench: Bench) -> None:
        """Concurrent sweepers with small batches answer each expired session exactly once between them (S-31)."""
        assert bench.sweeps is not None
        records = [await bench.add("alice" if n % 3 else None, idle_expires_at=NOW + n) for n in range(60)]
        sweepers: list[Sweeps] = bench.capable_clients(2)
        both = await all_at_once([sweep_all(sweeper, NOW + 50) for sweeper in sweepers])
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
        *answers, swept = await all_at_once([*touches, sweep_all(sweeper, NOW + 5, limit=20)])
        dead = {row.id for row in swept or ()}
        assert [answer is Refusal.GONE for answer in answers] == [record.id in dead for record in records]

    @on_loop
    async def test_old_tombstones_are_forgotten(self, bench: Bench) -> None:
        """What ended before ``forget_before`` goes, what ended at it or later stays (S-31)."""
        sweeps = bench.sweeps
        records = [await bench.add("alice") for _ in range(12)]
        for minute, record in enumerate(records):
            await bench.store.end(record.id, reason="revoked", now=NOW + minute)
        await sweep_all(sweeps, NOW + 20, limit=3, forget_before=NOW + 8)
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
        await sweep_all(sweeps, NOW + 20, limit=3, max_ended=4)
        ids = [record.id for record in order]
        assert await _remaining(bench, ids) == ids[8:]
        assert await bench.found(live.id) == live

    @on_loop
    async def test_sweeping_while_there_is_more_forgets_everything_old(self, bench: Bench) -> None:
        """Far more sign-outs than expired sessions: all are forgotten, and then there is no more to do (S-31)."""
        sweeps = bench.sweeps
        ended = [await bench.add("alice" if number % 2 else None) for number in range(45)]
        expired = [await bench.add("alice", idle_expires_at=NOW + 1) for _ in range(2)]
        for record in ended:
            await bench.store.end(record.id, reason="signed_out", now=NOW)
        swept = await sweep_all(sweeps, NOW + 9, limit=1, forget_before=NOW + 9)
        assert {row.id for row in swept} == {record.id for record in expired}
        assert await _remaining(bench, [record.id for record in ended]) == []
        assert await bench.store.find([row.id for row in swept]) == swept
        assert await sweep_all(sweeps, NOW + 20, limit=1, forget_before=NOW + 10) == []
        assert await _remaining(bench, [record.id for record in expired]) == []
        again = await sweeps.sweep(now=NOW + 20, limit=1, forget_before=NOW + 10, max_ended=PLENTY)
        assert (again.ended, again.more) == ((), False)

    @on_loop
    async def test_sweeping_while_there_is_more_reaches_the_bound(self, bench: Bench) -> None:
        """However far beyond ``max_ended`` the ends are, the newest alone are left, and it comes to an end (S-31)."""
        sweeps = bench.sweeps
        records = [await bench.add("alice" if number % 2 else None) for number in range(35)]
        for minute, record in enumerate(records):
            await bench.store.end(record.id, reason="signed_out", now=NOW + minute)
        assert await sweep_all(sweeps, NOW + 40, limit=1, max_ended=4) == []
        ids = [record.id for record in records]
        assert await _remaining(bench, ids) == ids[-4:]

    @on_loop
    async def test_forgotten_sessions_leave_the_lists(self, bench: Bench) -> None:
        """A user's list of ended sessions shows no forgotten one (S-50)."""
        sweeps, lists = bench.sweeps, bench.lists
        record = await bench.add("alice", idle_expires_at=NOW + 1)
        tombstone = only(await sweep_all(sweeps, NOW + 1))
        assert tombstone == replace(tombstone, id=record.id, user_id="alice", reason="idle")
        assert await lists.list_ended("alice", limit=5) == [tombstone]
        await sweeps.sweep(now=NOW + 3, limit=5, forget_before=NOW + 2, max_ended=PLENTY)
        assert await lists.list_ended("alice", limit=5) == []
        assert await bench.found(record.id) is None
