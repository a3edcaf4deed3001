"""Conformance: finding, making, and replacing sessions."""

from __future__ import annotations

from coatcheck.model import Device, Tombstone, replace
from coatcheck.testing._make import ABSOLUTE, IDLE, NOW, put
from coatcheck.testing.contract_bench import Bench, ContractBase, all_at_once, on_loop, only
from coatcheck.verbs import Created, Limit, NotCreated, Refusal, Replacing


class FindAndCreate(ContractBase):
    """`find` tells what is there; `create` overwrites nothing."""

    @on_loop
    async def test_an_unknown_id_answers_none_and_makes_no_row(self, bench: Bench) -> None:
        """A well-formed id that nobody minted finds nothing, changes nothing and leaves nothing (promise 1, S-52)."""
        unknown = bench.make.id()
        record = bench.make.record(id=unknown)
        assert await bench.store.find([unknown]) == [None]
        assert await bench.store.commit(unknown, generation=1, change=put(a=b"1"), now=NOW) is Refusal.GONE
        rotation = bench.make.rotation(record)
        refused = await bench.store.rotate(unknown, generation=1, rotation=rotation, change=put(), now=NOW)
        assert refused is Refusal.GONE
        assert await bench.store.end(unknown, reason="revoked", now=NOW) is None
        assert await bench.store.take(unknown, now=NOW) is None
        assert await bench.store.find([unknown, unknown]) == [None, None]

    @on_loop
    async def test_find_answers_in_the_order_of_the_question(self, bench: Bench) -> None:
        """Live, ended, unknown and repeated ids in one call are each answered in their place (S-52)."""
        one, two, three = [await bench.add("alice"), await bench.add(), await bench.add("bob")]
        tombstone = await bench.store.end(two.id, reason="signed_out", now=NOW + 1)
        ids = [three.id, bench.make.id(), two.id, one.id, three.id]
        assert await bench.store.find(ids) == [three, None, tombstone, one, three]
        assert await bench.store.find([]) == []

    @on_loop
    async def test_a_record_comes_back_as_it_went_in(self, bench: Bench) -> None:
        """Every field and any bytes survive the store, and only the epoch is filled in by it (promise 3)."""
        device = Device(
            browser="Firefox 153", system="Linux", agent_hash=b"\x00\xff" * 4,
            first_address="2001:db8::1", last_address="192.0.2.7", device_id="d{1}",
        )  # fmt: skip
        record = bench.make.record(
            "näme {x}:*\n'\"", roles=("admin", "editor"), auth_time=NOW - 5, amr=("hwk", "pwd"), aal=2,
            previous_digest=bench.make.digest(), successor_nonce=b"\x00" * 16, confirmed_at=NOW - 1, rotate_due=True,
            version=7, generation=3, locks=True, lifetime="remember_me", persistent=False, device=device,
            data={"empty": b"", "ключ 🗝": bytes(range(256)), "a.b:c": b"\xff\x00"},
        )  # fmt: skip
        stored = await bench.sign_in(record)
        assert stored == replace(record, epoch=stored.epoch)
        assert await bench.live(record.id) == stored

    @on_loop
    async def test_a_record_without_clocks_owner_or_device_comes_back_too(self, bench: Bench) -> None:
        """Absent values stay absent: no deadline becomes a deadline of zero (S-31)."""
        record = bench.make.record(idle_expires_at=None, expires_at=None)
        stored = await bench.sign_in(record)
        assert await bench.live(record.id) == stored == replace(record, epoch=stored.epoch)
        assert await bench.store.commit(record.id, generation=1, change=put(a=b"1"), now=NOW + 100 * ABSOLUTE) == 2

    @on_loop
    async def test_a_caller_cannot_reach_into_the_store(self, bench: Bench) -> None:
        """Changing the mapping that was handed in changes nothing in the store (promise 3)."""
        data = {"cart": b"apples"}
        record = await bench.sign_in(bench.make.record("alice", data=data))
        data["cart"] = b"pears"
        assert (await bench.live(record.id)).data == {"cart": b"apples"}
        changed = {"name": b"a"}
        await bench.store.commit(record.id, generation=1, change=put(**changed), now=NOW)
        changed["name"] = b"b"
        assert (await bench.live(record.id)).data == {"cart": b"apples", "name": b"a"}

    @on_loop
    async def test_create_never_overwrites_a_live_session(self, bench: Bench) -> None:
        """A live id is refused and nothing else of the sign-in happens (promise 1, SM-10)."""
        victim = await bench.add("alice", data={"a": b"1"})
        other = await bench.add("mallory")
        attack = bench.make.record("mallory", id=victim.id)
        answer = await bench.store.create(
            attack,
            now=NOW,
            limit=Limit(1, "evict_oldest"),
            replacing=Replacing(id=other.id, carry=True),
        )
        assert answer is NotCreated.EXISTS
        assert await bench.store.find([victim.id, other.id]) == [victim, other]

    @on_loop
    async def test_create_never_overwrites_an_expired_session(self, bench: Bench) -> None:
        """An expired id that nobody has swept is still taken (promise 1)."""
        expired = await bench.add("alice")
        answer = await bench.store.create(bench.make.record("mallory", id=expired.id), now=NOW + ABSOLUTE)
        assert answer is NotCreated.EXISTS
        assert await bench.found(expired.id) == expired

    @on_loop
    async def test_create_never_overwrites_a_tombstone(self, bench: Bench) -> None:
        """An id that has ended never lives again (promises 1 and 2)."""
        record = await bench.add("alice")
        tombstone = await bench.store.end(record.id, reason="revoked", now=NOW + 1)
        assert await bench.store.create(bench.make.record("alice", id=record.id), now=NOW + 2) is NotCreated.EXISTS
        assert await bench.store.create(record, now=NOW + 2) is NotCreated.EXISTS
        assert await bench.found(record.id) == tombstone

    @on_loop
    async def test_of_simultaneous_creates_of_one_id_one_wins(self, bench: Bench) -> None:
        """Sixteen sign-ins that drew the same id: one session, and it is the winner's (promise 1)."""
        record = bench.make.record("alice")
        rivals = [replace(record, secret_digest=bench.make.digest()) for _ in range(16)]
        clients = bench.clients(16)
        answers = await all_at_once([c.create(r, now=NOW) for c, r in zip(clients, rivals, strict=True)])
        won = only(answer for answer in answers if isinstance(answer, Created))
        assert answers.count(NotCreated.EXISTS) == 15
        assert await bench.live(record.id) == won.record


class Replace(ContractBase):
    """A sign-in ends the session it replaces and takes its data along."""

    @on_loop
    async def test_the_replaced_sessions_data_lies_under_the_new_ones(self, bench: Bench) -> None:
        """The data is carried as it is now, without what the request removed, under what it set (ruling 1)."""
        old = await bench.add(data={"cart": b"old", "gone": b"x", "kept": b"k"})
        await bench.store.commit(old.id, generation=1, change=put(late=b"new"), now=NOW)
        new = bench.make.record("alice", data={"cart": b"mine"})
        replacing = Replacing(id=old.id, carry=True, unset=frozenset({"gone", "cart"}))
        answer = await bench.store.create(new, now=NOW + 1, replacing=replacing)
        assert isinstance(answer, Created)
        assert answer.record.data == {"cart": b"mine", "kept": b"k", "late": b"new"}
        assert await bench.live(new.id) == answer.record
        assert [(t.id, t.reason, t.ended_at) for t in answer.ended] == [(old.id, "superseded", NOW + 1)]
        assert await bench.store.find([old.id]) == list(answer.ended)

    @on_loop
    async def test_nothing_is_carried_unless_asked(self, bench: Bench) -> None:
        """Another user's session ends and leaves nothing behind (ruling 1)."""
        old = await bench.add("bob", data={"private": b"x"})
        new = await bench.sign_in(bench.make.record("alice"), replacing=Replacing(id=old.id, carry=False))
        assert new.data == {}
        assert isinstance(await bench.found(old.id), Tombstone)

    @on_loop
    async def test_a_replaced_session_that_is_gone_is_no_error(self, bench: Bench) -> None:
        """Missing, ended or expired: the sign-in succeeds and carries nothing, the tombstone stays (promises 2, 8)."""
        old = await bench.add(data={"a": b"1"})
        tombstone = await bench.store.end(old.id, reason="revoked", now=NOW)
        for gone in (old.id, bench.make.id()):
            record = bench.make.record("alice", data={"own": b"1"})
            answer = await bench.store.create(record, now=NOW + 1, replacing=Replacing(id=gone, carry=True))
            assert isinstance(answer, Created)
            assert (answer.record.data, answer.ended) == ({"own": b"1"}, ())
        assert await bench.found(old.id) == tombstone
        expired = await bench.add(data={"a": b"1"}, idle_expires_at=NOW)
        new = await bench.sign_in(bench.make.record("alice"), replacing=Replacing(id=expired.id, carry=True))
        assert new.data == {}
        left = await bench.found(expired.id)
        assert isinstance(left, Tombstone)
        assert left.reason == "superseded", "a late answer to it must not delete the new cookie (promise 11)"

    @on_loop
    async def test_a_session_whose_generation_changed_is_not_replaced(self, bench: Bench) -> None:
        """Privileges changed after it was read: its data stays with the newer ticket, and it lives on (promise 5)."""
        old = await bench.add("alice", data={"a": b"1"})
        rotation = bench.make.rotation(old, by_age=False)
        await bench.store.rotate(old.id, generation=1, rotation=rotation, change=put(), now=NOW)
        read = await bench.live(old.id)
        stale = Replacing(id=old.id, carry=True, generation=old.generation)
        answer = await bench.store.create(bench.make.record("alice"), now=NOW + 1, replacing=stale)
        assert isinstance(answer, Created)
        assert (answer.record.data, answer.ended) == ({}, ())
        assert await bench.live(old.id) == read
        right = Replacing(id=old.id, carry=True, generation=read.generation)
        answer = await bench.store.create(bench.make.record("alice"), now=NOW + 2, replacing=right)
        assert isinstance(answer, Created)
        assert (answer.record.data, [tombstone.id for tombstone in answer.ended]) == ({"a": b"1"}, [old.id])

    @on_loop
    async def test_a_locked_session_carries_its_data(self, bench: Bench) -> None:
        """Signing in again over a session that the idle clock locked keeps its data (NIST SP 800-63B-4, AAL2)."""
        locked = await bench.add("alice", data={"a": b"1"}, idle_expires_at=NOW, locks=True)
        new = await bench.sign_in(bench.make.record("alice"), replacing=Replacing(id=locked.id, carry=True))
        assert new.data == {"a": b"1"}

    @on_loop
    async def test_data_too_large_to_carry_stays_behind(self, bench: Bench) -> None:
        """A sign-in never fails for the size of what it would carry: it keeps its own data alone (ruling 1)."""
        own = {"öw": b"12345"}  # eight bytes
        fits, too_much = {"x": b"67"}, {"x": b"678"}  # three and four
        for carried, expected in ((fits, {**own, **fits}), (too_much, own)):
            old = await bench.add(data=carried)
            answer = await bench.store.create(
                bench.make.record("alice", data=own),
                now=NOW,
                replacing=Replacing(id=old.id, carry=True),
                max_bytes=11,
            )
            assert isinstance(answer, Created)
            assert answer.record.data == expected
            assert [tombstone.id for tombstone in answer.ended] == [old.id]

    @on_loop
    async def test_one_session_is_replaced_once(self, bench: Bench) -> None:
        """Of eight simultaneous sign-ins that replace one session, one ends it and carries its data (promise 3)."""
        old = await bench.add(data={"cart": b"apples"})
        replacing = Replacing(id=old.id, carry=True)
        answers = await all_at_once([
            client.create(bench.make.record("alice"), now=NOW, replacing=replacing) for client in bench.clients(8)
        ])  # fmt: skip
        made = [answer for answer in answers if isinstance(answer, Created)]
        assert len(made) == 8
        assert [len(answer.ended) for answer in made].count(1) == 1
        assert sum(answer.record.data == {"cart": b"apples"} for answer in made) == 1

    @on_loop
    async def test_the_clocks_of_the_new_session_are_its_own(self, bench: Bench) -> None:
        """Replacing carries data and nothing else: neither deadlines, roles nor version (promise 8)."""
        old = await bench.add("alice", roles=("admin",), expires_at=NOW + 9 * ABSOLUTE, version=8, data={"a": b"1"})
        record = bench.make.record("alice")
        new = await bench.sign_in(record, replacing=Replacing(id=old.id, carry=True))
        assert new == replace(record, epoch=new.epoch, data={"a": b"1"})
        assert new.idle_expires_at == NOW + IDLE
