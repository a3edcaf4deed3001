"""Conformance: side records, leases, the key, the clock, and what outlives a store object."""

from __future__ import annotations

from typing import Final, cast

import pytest

from coatcheck.model import Millis, Tombstone
from coatcheck.stores.contract import Capability, Leases, Lists, Store
from coatcheck.testing._make import IDLE, MINUTE, NO_CHANGE, NOW, Maker, active, put
from coatcheck.testing.contract_bench import Bench, ContractBase, all_at_once, on_loop
from coatcheck.verbs import Created, Refusal

YEAR_2020: Final[Millis] = 1_577_836_800_000


class Side(ContractBase):
    """Side records live and die with their session."""

    @on_loop
    async def test_a_side_record_is_kept_beside_its_session(self, bench: Bench) -> None:
        """Names and sessions are apart, the last value stands, and a new secret takes nothing away."""
        sides = bench.sides
        one, two = await bench.add("alice"), await bench.add("alice")
        assert await sides.get_side(one.id, "binding") is None
        for value in (b"first", b"\x00\xff second"):
            assert await sides.put_side(one.id, "binding", value, now=NOW)
        assert await sides.put_side(one.id, "other", b"", now=NOW)
        rotation = bench.make.rotation(one)
        await bench.store.rotate(one.id, generation=1, rotation=rotation, change=NO_CHANGE, now=NOW)
        assert await sides.get_side(one.id, "binding") == b"\x00\xff second"
        assert await sides.get_side(one.id, "other") == b""
        assert await sides.get_side(two.id, "binding") is None

    @on_loop
    async def test_a_side_record_needs_a_live_session(self, bench: Bench) -> None:
        """Nothing is kept beside a session that is missing, ended or expired (promise 2)."""
        sides = bench.sides
        ended, expired = await bench.add(), await bench.add(idle_expires_at=NOW + 5)
        await bench.store.end(ended.id, reason="revoked", now=NOW)
        for dead in (ended.id, expired.id, bench.make.id()):
            assert not await sides.put_side(dead, "binding", b"x", now=NOW + 5)
            assert await sides.get_side(dead, "binding") is None

    @on_loop
    async def test_a_side_record_dies_with_its_session(self, bench: Bench) -> None:
        """However a session ends, its side records go with it (promise 2)."""
        sides = bench.sides
        ended, taken, revoked = [await bench.add(user_id) for user_id in ("alice", "bob", "carol")]
        for record in (ended, taken, revoked):
            assert await sides.put_side(record.id, "binding", b"x", now=NOW)
        await bench.store.end(ended.id, reason="signed_out", now=NOW)
        await bench.store.take(taken.id, now=NOW)
        await bench.store.end_user("carol", reason="revoked", now=NOW)
        for record in (ended, taken, revoked):
            assert await sides.get_side(record.id, "binding") is None

    @on_loop
    async def test_a_swept_session_takes_its_side_records_along(self, bench: Bench) -> None:
        """Sweeping ends a session as any end does (promise 2)."""
        sides, sweeps = bench.sides, bench.sweeps
        record = await bench.add()
        assert await sides.put_side(record.id, "binding", b"x", now=NOW)
        await sweeps.sweep(now=NOW + IDLE, limit=5, forget_before=0, max_ended=9)
        assert isinstance(await bench.found(record.id), Tombstone)
        assert await sides.get_side(record.id, "binding") is None


class Lease(ContractBase):
    """One holder at a time."""

    @on_loop
    async def test_a_lease_has_one_holder_until_it_runs_out(self, bench: Bench) -> None:
        """Its holder extends it, nobody else takes it before its end, and names are apart."""
        leases = bench.leases
        until = NOW + MINUTE
        assert await leases.lease("sweep", holder="a", now=NOW, until=until)
        assert not await leases.lease("sweep", holder="b", now=until - 1, until=until + MINUTE)
        assert await leases.lease("other", holder="b", now=NOW, until=until)
        assert await leases.lease("sweep", holder="a", now=until - 1, until=until + MINUTE)
        assert not await leases.lease("sweep", holder="b", now=until + MINUTE - 1, until=until + 9 * MINUTE)
        assert await leases.lease("sweep", holder="b", now=until + MINUTE, until=until + 9 * MINUTE)
        assert not await leases.lease("sweep", holder="a", now=until + MINUTE, until=until + 9 * MINUTE)

    @on_loop
    async def test_of_simultaneous_takers_one_holds(self, bench: Bench) -> None:
        """16 processes that ask at once: one sweeps."""
        assert bench.leases is not None
        clients: list[Leases] = bench.capable_clients(16)
        answers = await all_at_once([
            client.lease("sweep", holder=f"process-{number}", now=NOW, until=NOW + MINUTE)
            for number, client in enumerate(clients)
        ])  # fmt: skip
        assert answers.count(True) == 1


class Life(ContractBase):
    """Opening, closing, and what stays."""

    @on_loop
    async def test_the_key_is_made_once(self, bench: Bench) -> None:
        """32 random bytes, the same for every simultaneous first caller and for ever (ASVS 11.5.1)."""
        keys = await all_at_once([client.key() for client in bench.clients(8)])
        assert len(set(keys)) == 1
        assert len(keys[0]) == 32
        assert len(set(keys[0])) > 8, "a key of so few different bytes is not random"

    @on_loop
    async def test_open_and_close_are_harmless_twice(self, bench: Bench) -> None:
        """Both may be called again, verbs open by themselves, and a verb after `close` opens again."""
        await bench.store.open()
        await bench.store.open()
        await bench.store.close()
        await bench.store.close()
        assert isinstance(await bench.store.create(bench.make.record(), now=NOW), Created)

    @on_loop
    async def test_the_clock_is_in_milliseconds(self, bench: Bench) -> None:
        """An engine's own time is milliseconds since 1970; a store on this machine's clock says none (promise 8)."""
        first, second = [await client.clock() for client in bench.clients(2)]
        if first is None or second is None:
            assert (first, second) == (None, None), "one store has one kind of clock"
            return
        assert (type(first), type(second)) == (int, int)
        assert YEAR_2020 < first < NOW
        assert abs(second - first) < 10 * MINUTE, "every client asks the same engine"

    def test_a_blocking_store_never_suspends(self, bench: Bench) -> None:
        """A store that declares ``blocking`` finishes every required verb in one step, without an event loop."""
        if not bench.store.traits.blocking:
            pytest.skip("store does not declare blocking")
        record, store = bench.make.record("alice"), bench.store
        coroutines = [
            store.open(), store.key(), store.clock(), store.epoch("alice"), store.create(record, now=NOW),
            store.find([record.id]), store.find([record.id, record.id]),
            store.commit(record.id, generation=1, change=put(a=b"1"), now=NOW),
            store.touch(record.id, generation=1, seen=active(NOW), now=NOW),
            store.rotate(record.id, generation=1, rotation=bench.make.rotation(record), change=NO_CHANGE, now=NOW),
            store.set_roles("alice", ("admin",), now=NOW), store.take(record.id, now=NOW),
            store.end(record.id, reason="revoked", now=NOW), store.end_user("alice", reason="revoked", now=NOW),
            store.raise_epoch(now=NOW), store.end_all(below=1, reason="revoked", now=NOW, limit=1), store.close(),
        ]  # fmt: skip
        for coroutine in coroutines:
            with pytest.raises(StopIteration):
                coroutine.send(None)

    @on_loop
    async def test_sessions_survive_a_restart(self, bench: Bench) -> None:
        """After `close` another store object finds sessions, tombstones, epochs and the key (S-31)."""
        if not bench.store.traits.persistent:
            pytest.skip("store does not declare persistent")
        record, ended = await bench.add("alice", data={"a": b"1"}), await bench.add("bob")
        tombstone = await bench.store.end(ended.id, reason="revoked", now=NOW)
        await bench.store.end_user("bob", reason="revoked", now=NOW)
        everybody = await bench.store.raise_epoch(now=NOW)
        key, epoch = await bench.store.key(), await bench.store.epoch("bob")
        await bench.store.close()
        after = bench.another()
        assert await after.find([record.id, ended.id]) == [record, tombstone]
        assert (await after.key(), await after.epoch("bob")) == (key, epoch)
        assert await after.raise_epoch(now=NOW) > everybody
        assert await after.commit(record.id, generation=1, change=put(b=b"2"), now=NOW) == 2

    @on_loop
    async def test_two_store_objects_see_the_same(self, bench: Bench) -> None:
        """What one process acknowledged, the next process's next question sees (promise 2)."""
        if not bench.store.traits.shared:
            pytest.skip("store does not declare shared")
        here, there = bench.store, bench.another()
        record = await bench.add("alice")
        assert await there.find([record.id]) == [record]
        assert await there.key() == await here.key()
        assert await there.commit(record.id, generation=1, change=put(a=b"1"), now=NOW) == 2
        assert (await bench.live(record.id)).data == {"a": b"1"}
        [tombstone] = await there.end_user("alice", reason="revoked", now=NOW)
        assert await here.find([record.id]) == [tombstone]
        assert await here.epoch("alice") == await there.epoch("alice")


class Tenants(ContractBase):
    """Tenants in one engine do not see each other."""

    @on_loop
    async def test_a_tenant_sees_nothing_of_another(self, bench: Bench) -> None:
        """The same user in two tenants: no row, list, end or epoch reaches across (SM-15)."""
        if not bench.takes_tenants:
            pytest.skip("open_store takes no tenant")
        red, blue = bench.another(tenant="red"), bench.another(tenant="blue")
        record = Maker(await red.key(), tenant="red", seed=2).record("alice", data={"a": b"1"})
        mine = Maker(await blue.key(), tenant="blue", seed=3).record("alice")
        for store, row in ((red, record), (blue, mine)):
            assert isinstance(await store.create(row, now=NOW), Created)
        [before] = await red.find([record.id])
        assert await blue.find([record.id, mine.id]) == [None, *await blue.find([mine.id])]
        await _reach_across(blue, record.id)
        assert await red.find([record.id]) == [before]
        if Capability.LIST in red.traits.capabilities:
            await _list_apart(red, blue, record.id, mine.id)
        epoch = await red.epoch("alice")
        await blue.end_user("alice", reason="revoked", now=NOW)
        assert await red.find([record.id]) == [before]
        assert await red.epoch("alice") == epoch


async def _reach_across(other: Store, id: str) -> None:
    """Try every change on a session of another tenant."""
    assert await other.commit(id, generation=1, change=put(a=b"2"), now=NOW) is Refusal.GONE
    assert await other.touch(id, generation=1, seen=active(NOW + 1), now=NOW) is Refusal.GONE
    assert await other.end(id, reason="revoked", now=NOW) is None
    assert await other.take(id, now=NOW) is None


async def _list_apart(red: Store, blue: Store, mine: str, theirs: str) -> None:
    """Find in each tenant's list its own session alone."""
    for store, own in ((red, mine), (blue, theirs)):
        rows = await cast("Lists", store).list_user("alice", now=NOW)
        assert [record.id for record in rows] == [own]
