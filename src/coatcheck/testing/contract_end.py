"""Conformance: ending sessions, one, a user's, or everybody's; and dead stays dead."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, get_args

from coatcheck.model import Reason, Record, Tombstone, entomb, replace
from coatcheck.testing._make import ABSOLUTE, NO_CHANGE, NOW, active, put
from coatcheck.testing.contract_bench import Bench, ContractBase, all_at_once, on_loop, only
from coatcheck.verbs import NotCreated, Refusal


async def _refuses_everything(bench: Bench, record: Record) -> None:
    """Try every change on a session that has ended, and find its tombstone as it was."""
    before = await bench.found(record.id)
    assert isinstance(before, Tombstone)
    assert await bench.store.commit(record.id, generation=1, change=put(a=b"1"), now=NOW) is Refusal.GONE
    assert await bench.store.touch(record.id, generation=1, seen=active(NOW + 1), now=NOW) is Refusal.GONE
    rotation = bench.make.rotation(record)
    answer = await bench.store.rotate(record.id, generation=1, rotation=rotation, change=put(a=b"1"), now=NOW)
    assert answer is Refusal.GONE
    assert await bench.store.end(record.id, reason="evicted", now=NOW + 9) is None
    assert await bench.store.take(record.id, now=NOW) is None
    assert await bench.store.create(record, now=NOW) is NotCreated.EXISTS
    assert await bench.found(record.id) == before


class EndOne(ContractBase):
    """One session ends once and stays ended."""

    @on_loop
    async def test_an_ended_session_leaves_its_tombstone(self, bench: Bench) -> None:
        """Every reason is kept, with what the timeline shows and without data; a second end is none (promise 2)."""
        for reason in get_args(Reason):
            record = await bench.add("alice", data={"a": b"1"})
            tombstone = await bench.store.end(record.id, reason=reason, now=NOW + 5)
            assert tombstone == entomb(record, reason, NOW + 5) == await bench.found(record.id)
            assert await bench.store.end(record.id, reason="revoked", now=NOW + 6) is None

    @on_loop
    async def test_a_revoke_reaches_only_the_owners_session(self, bench: Bench) -> None:
        """With ``owner`` another user's or a visitor's session cannot be ended (cross-user revoke, S-53)."""
        alice, visitor = await bench.add("alice"), await bench.add()
        for record in (alice, visitor):
            assert await bench.store.end(record.id, reason="revoked", now=NOW, owner="bob") is None
            assert await bench.live(record.id) == record
        assert await bench.store.end(alice.id, reason="revoked", now=NOW, owner="alice") is not None

    @on_loop
    async def test_nothing_brings_an_ended_session_back(self, bench: Bench) -> None:
        """After `end`, `take` and `end_user` every later change is refused and inserts nothing (promise 2)."""
        ended, taken, revoked = await bench.add("alice"), await bench.add("bob"), await bench.add("carol")
        await bench.store.end(ended.id, reason="signed_out", now=NOW)
        await bench.store.take(taken.id, now=NOW)
        await bench.store.end_user("carol", reason="revoked", now=NOW)
        for record in (ended, taken, revoked):
            await _refuses_everything(bench, record)

    @on_loop
    async def test_no_request_in_flight_brings_a_session_back(self, bench: Bench) -> None:
        """Commits, touches and rotations race with an end: a tombstone remains (promise 2)."""
        for _ in range(5):
            record = await bench.add("alice")
            clients = iter(bench.clients(31))
            verbs: list[Awaitable[Any]] = []
            for _ in range(10):
                rotation = bench.make.rotation(record)
                verbs += [
                    next(clients).commit(record.id, generation=1, change=put(a=b"1"), now=NOW),
                    next(clients).touch(record.id, generation=1, seen=active(NOW + 1), now=NOW),
                    next(clients).rotate(record.id, generation=1, rotation=rotation, change=NO_CHANGE, now=NOW),
                ]
            verbs.insert(15, next(clients).end(record.id, reason="signed_out", now=NOW))
            await all_at_once(verbs)
            assert isinstance(await bench.found(record.id), Tombstone)

    @on_loop
    async def test_of_simultaneous_ends_one_is_acknowledged_as_the_end(self, bench: Bench) -> None:
        """16 ends of one session answer one tombstone, so that it is reported once (promise 2)."""
        record = await bench.add("alice")
        answers = await all_at_once([c.end(record.id, reason="revoked", now=NOW) for c in bench.clients(16)])
        assert [answer for answer in answers if answer] == [await bench.found(record.id)]

    @on_loop
    async def test_take_hands_the_data_to_one(self, bench: Bench) -> None:
        """`take` ends as ``superseded`` and answers the data as it is now, to one of many takers (promise 3)."""
        record = await bench.add("alice", data={"a": b"1"})
        await bench.store.commit(record.id, generation=1, change=put(b=b"2"), now=NOW)
        answers = await all_at_once([client.take(record.id, now=NOW + 1) for client in bench.clients(8)])
        tombstone, data = only(answer for answer in answers if answer is not None)
        assert data == {"a": b"1", "b": b"2"}
        assert tombstone == entomb(replace(record, data=data), "superseded", NOW + 1) == await bench.found(record.id)


class EndMany(ContractBase):
    """A user's sessions, or everybody's."""

    @on_loop
    async def test_end_user_ends_all_but_the_one_to_keep(self, bench: Bench) -> None:
        """Sign out everywhere else: the kept session, ended ones and other people's stay as they are (promise 2)."""
        alice, namesake = bench.make.namesakes()
        doomed = [await bench.add(alice) for _ in range(4)]
        kept, other, visitor = await bench.add(alice), await bench.add(namesake), await bench.add()
        gone = await bench.add(alice)
        tombstone = await bench.store.end(gone.id, reason="signed_out", now=NOW)
        answer = await bench.store.end_user(alice, reason="revoked", now=NOW + 1, keep=kept.id)
        assert {row.id: row for row in answer} == {r.id: entomb(r, "revoked", NOW + 1) for r in doomed}
        ids = [kept.id, other.id, visitor.id, gone.id]
        assert await bench.store.find(ids) == [kept, other, visitor, tombstone]
        assert [row.id for row in await bench.store.end_user(alice, reason="revoked", now=NOW + 1)] == [kept.id]
        assert await bench.store.end_user(alice, reason="revoked", now=NOW + 1) == ()

    @on_loop
    async def test_a_session_of_somebody_else_cannot_be_kept_in(self, bench: Bench) -> None:
        """A ``keep`` that is not the user's protects nothing of theirs (promise 2)."""
        mine, other = await bench.add("alice"), await bench.add("bob")
        answer = await bench.store.end_user("alice", reason="revoked", now=NOW, keep=other.id)
        assert [row.id for row in answer] == [mine.id]
        assert await bench.live(other.id) == other

    @on_loop
    async def test_set_roles_changes_every_session_of_the_user(self, bench: Bench) -> None:
        """Roles given elsewhere raise the generation and ask for a new secret; the ended do not count (promise 5)."""
        alice, namesake = bench.make.namesakes()
        live = [await bench.add(alice, roles=("user",), data={"a": b"1"}) for _ in range(2)]
        untouched = [await bench.add(namesake), await bench.add()]
        ended = await bench.add(alice)
        await bench.store.end(ended.id, reason="signed_out", now=NOW)
        changed_ids = await bench.store.set_roles(alice, ("admin", "user"), now=NOW + 5)
        assert sorted(changed_ids) == sorted(record.id for record in live)
        changed = [replace(r, roles=("admin", "user"), generation=2, rotate_due=True) for r in live]
        assert await bench.store.find([record.id for record in live]) == changed
        assert await bench.store.find([record.id for record in untouched]) == untouched
        refused = await bench.store.commit(live[0].id, generation=1, change=put(b=b"1"), now=NOW + 5)
        assert refused is Refusal.GENERATION

    @on_loop
    async def test_set_roles_changes_what_could_come_back(self, bench: Bench) -> None:
        """A slower worker's activity brings no session back with its old roles, nor a locked one (promise 5)."""
        clocks: list[dict[str, Any]] = [
            {"idle_expires_at": NOW + 5}, {"expires_at": NOW + 5}, {"idle_expires_at": NOW + 5, "locks": True},
        ]  # fmt: skip
        records = [await bench.add("alice", roles=("admin",), **clock) for clock in clocks]
        ids = [record.id for record in records]
        assert sorted(await bench.store.set_roles("alice", ("guest",), now=NOW + 5)) == sorted(ids)
        changed = [replace(record, roles=("guest",), generation=2, rotate_due=True) for record in records]
        assert await bench.store.find(ids) == changed
        for id_ in ids:
            late = await bench.store.touch(id_, generation=1, seen=active(NOW + 4), now=NOW + 4)
            assert late is Refusal.GENERATION

    @on_loop
    async def test_set_roles_refuses_sign_ins_under_way(self, bench: Bench) -> None:
        """A sign-in that read the old roles does not bring them back: its epoch is stale (promises 2 and 5)."""
        before = await bench.store.epoch("alice")
        await bench.store.set_roles("alice", ("guest",), now=NOW)
        answer = await bench.store.create(bench.make.record("alice", roles=("admin",)), now=NOW + 1, epoch=before)
        assert answer is NotCreated.STALE_EPOCH

    @on_loop
    async def test_what_has_expired_is_ended_too(self, bench: Bench) -> None:
        """A worker with a slower clock cannot renew what a revocation met after its deadline (promise 2)."""
        expired = [await bench.add("alice", idle_expires_at=NOW) for _ in range(4)]
        first = await bench.store.end(expired[0].id, reason="revoked", now=NOW)
        taken = await bench.store.take(expired[1].id, now=NOW)
        rest = await bench.store.end_user("alice", reason="revoked", now=NOW)
        assert first is not None
        assert taken is not None
        assert first.reason == "idle", "the clock had ended it before anybody did"
        assert {row.id for row in rest} == {expired[2].id, expired[3].id}
        for record in expired:
            refused = await bench.store.touch(record.id, generation=1, seen=active(NOW - 1), now=NOW - 1)
            assert refused is Refusal.GONE

    @on_loop
    async def test_end_all_ends_in_batches_until_nothing_older_lives(self, bench: Bench) -> None:
        """Everybody out: bounded batches, each session once, later sign-ins untouched (ruling 11)."""
        expired = await bench.add("dave", expires_at=NOW + 1)  # may be left to the sweeper, and must not be waited for
        old = [await bench.add(user_id) for user_id in ("alice", "alice", "bob", "carol", None, None, None)]
        below = await bench.store.raise_epoch(now=NOW)
        new = [await bench.add("alice"), await bench.add()]
        batches: list[tuple[Tombstone, ...]] = []
        while batch := await bench.store.end_all(below=below, reason="revoked", now=NOW + 1, limit=3):
            batches.append(batch)
            assert len(batches) < 20, "end_all never comes to an end"
        ended = [tombstone for batch in batches for tombstone in batch]
        assert max(len(batch) for batch in batches) <= 3
        ids = [tombstone.id for tombstone in ended if tombstone.id != expired.id]
        assert sorted(ids) == sorted(record.id for record in old)
        assert await bench.store.find([row.id for row in ended]) == ended
        assert await bench.store.find([record.id for record in new]) == new

    @on_loop
    async def test_the_store_wide_epoch_grows(self, bench: Bench) -> None:
        """Each raise answers a higher value, and a session bears that of its sign-in (ruling 11)."""
        before = await bench.add("alice")
        first = await bench.store.raise_epoch(now=NOW)
        between = await bench.add("alice")
        second = await bench.store.raise_epoch(now=NOW)
        assert before.epoch < first == between.epoch < second
        ended = await bench.store.end_all(below=first, reason="revoked", now=NOW, limit=10)
        assert [row.id for row in ended] == [before.id]

    @on_loop
    async def test_no_old_sign_in_survives_everybody_out(self, bench: Bench) -> None:
        """Sign-ins that read the epoch before race with raise and end: none lives afterwards (promise 2, ruling 11)."""
        epoch = await bench.store.epoch("alice")
        records = [bench.make.record("alice") for _ in range(40)]
        *clients, ender = bench.clients(41)

        async def everybody_out() -> None:
            below = await ender.raise_epoch(now=NOW)
            while await ender.end_all(below=below, reason="revoked", now=NOW, limit=5):
                pass

        verbs: list[Awaitable[object]] = [
            client.create(record, now=NOW, epoch=epoch) for client, record in zip(clients, records, strict=True)
        ]
        await all_at_once([*verbs[:20], everybody_out(), *verbs[20:]])
        rows = await bench.store.find([record.id for record in records])
        assert all(row is None or isinstance(row, Tombstone) for row in rows)
        late = await bench.store.create(bench.make.record("alice"), now=NOW + ABSOLUTE, epoch=epoch)
        assert late is NotCreated.STALE_EPOCH
