"""Conformance: the limit of a user's sessions, and the epochs that refuse a stale sign-in."""

from __future__ import annotations

from coatcheck.model import Millis, Record, Tombstone
from coatcheck.stores.contract import EPOCH_KEPT
from coatcheck.testing._make import ABSOLUTE, IDLE, NOW, active
from coatcheck.testing.contract_bench import Bench, ContractBase, all_at_once, on_loop
from coatcheck.verbs import AtLimit, Created, Limit, NotCreated, Refusal, Replacing


async def _three(bench: Bench, user_id: str = "alice") -> tuple[Record, Record, Record]:
    """Add three sessions: the oldest was seen last, the middle one first."""
    return (
        await bench.add(user_id, created_at=NOW - 3, last_seen_at=NOW),
        await bench.add(user_id, created_at=NOW - 2, last_seen_at=NOW - 2),
        await bench.add(user_id, created_at=NOW - 1, last_seen_at=NOW - 1),
    )


async def _pushed_out(bench: Bench, limit: Limit, now: Millis = NOW) -> list[str]:
    """Sign alice in once more and return whom that evicted, checking that each is dead."""
    answer = await bench.store.create(bench.make.record("alice"), now=now, limit=limit)
    assert isinstance(answer, Created), f"expected the session to be made, got {answer!r}"
    assert {tombstone.reason for tombstone in answer.ended} <= {"evicted"}
    ids = [tombstone.id for tombstone in answer.ended]
    assert await bench.store.find(ids) == list(answer.ended)
    return ids


class Limits(ContractBase):
    """A limit is a limit (promise 4)."""

    @on_loop
    async def test_the_least_recently_seen_session_makes_room(self, bench: Bench) -> None:
        """``evict_least_recent`` goes by the last recorded activity (ruling 10, S-51)."""
        _, middle, _ = await _three(bench)
        assert await _pushed_out(bench, Limit(3, "evict_least_recent")) == [middle.id]

    @on_loop
    async def test_the_oldest_session_makes_room(self, bench: Bench) -> None:
        """``evict_oldest`` goes by the beginning (ruling 10, S-51)."""
        oldest, _, _ = await _three(bench)
        assert await _pushed_out(bench, Limit(3, "evict_oldest")) == [oldest.id]

    @on_loop
    async def test_a_lowered_limit_pushes_out_the_surplus(self, bench: Bench) -> None:
        """Whoever has more sessions than a new limit allows is brought down to it at once (S-51)."""
        oldest, middle, _ = await _three(bench)
        assert set(await _pushed_out(bench, Limit(2, "evict_oldest"))) == {oldest.id, middle.id}

    @on_loop
    async def test_reject_refuses_and_changes_nothing(self, bench: Bench) -> None:
        """At the limit ``reject`` makes no session, ends none, and keeps the one to be replaced (ruling 10)."""
        three = await _three(bench)
        visitor = await bench.add(data={"cart": b"apples"})
        late = bench.make.record("alice")
        answer = await bench.store.create(
            late, now=NOW, limit=Limit(3, "reject"), replacing=Replacing(id=visitor.id, carry=True)
        )
        assert answer is NotCreated.LIMIT
        assert await bench.store.find([late.id, visitor.id]) == [None, visitor]
        assert await bench.store.find([record.id for record in three]) == list(three)

    @on_loop
    async def test_the_replaced_session_does_not_count(self, bench: Bench) -> None:
        """Signing in again in the same browser needs no free place (promise 4)."""
        only = await bench.add("alice")
        replacing = Replacing(id=only.id, carry=True)
        answer = await bench.store.create(
            bench.make.record("alice"), now=NOW, limit=Limit(1, "reject"), replacing=replacing
        )
        assert isinstance(answer, Created)
        assert [(tombstone.id, tombstone.reason) for tombstone in answer.ended] == [(only.id, "superseded")]

    @on_loop
    async def test_expired_and_ended_sessions_do_not_count(self, bench: Bench) -> None:
        """A place is free from the deadline on, swept or not (promise 4, S-31)."""
        await bench.add("alice", idle_expires_at=NOW + 10)
        await bench.add("alice", expires_at=NOW + 10)
        ended = await bench.add("alice")
        await bench.store.end(ended.id, reason="signed_out", now=NOW)
        full = await bench.store.create(bench.make.record("alice"), now=NOW + 9, limit=Limit(2, "reject"))
        assert full is NotCreated.LIMIT
        answer = await bench.store.create(bench.make.record("alice"), now=NOW + 10, limit=Limit(1, "reject"))
        assert isinstance(answer, Created)

    @on_loop
    async def test_a_sign_in_under_a_limit_ends_what_is_over(self, bench: Bench) -> None:
        """What did not count cannot be brought back by activity that a slower worker records (promises 2 and 4)."""
        idle = await bench.add("alice", idle_expires_at=NOW + 10)
        old = await bench.add("alice", expires_at=NOW + 10)
        locked = await bench.add("alice", idle_expires_at=NOW + 10, locks=True)
        other = await bench.add("bob", idle_expires_at=NOW + 10)
        full = await bench.store.create(bench.make.record("alice"), now=NOW + 9, limit=Limit(1, "reject"))
        assert full is NotCreated.LIMIT
        answer = await bench.store.create(bench.make.record("alice"), now=NOW + 10, limit=Limit(1, "reject"))
        assert isinstance(answer, Created)
        assert {(each.id, each.reason) for each in answer.ended} == {(idle.id, "idle"), (old.id, "absolute")}
        assert set(await bench.store.find([idle.id, old.id])) == set(answer.ended)
        assert await bench.store.find([locked.id, other.id]) == [locked, other]
        for record in (idle, old):
            late = await bench.store.touch(record.id, generation=1, seen=active(NOW + 9), now=NOW + 9)
            assert late is Refusal.GONE

    @on_loop
    async def test_others_sessions_do_not_count(self, bench: Bench) -> None:
        """A user's limit counts that user's sessions alone, also beside one whose ids look alike (S-51)."""
        alice, namesake = bench.make.namesakes()
        theirs = await _three(bench, namesake)
        visitor = await bench.add()
        answer = await bench.store.create(bench.make.record(alice), now=NOW, limit=Limit(1, "reject"))
        assert isinstance(answer, Created)
        assert await bench.store.find([visitor.id]) == [visitor]
        assert await bench.store.find([record.id for record in theirs]) == list(theirs)

    @on_loop
    async def test_a_hundred_sign_ins_at_once_leave_five(self, bench: Bench) -> None:
        """100 simultaneous sign-ins with a limit of 5: five live and 95 evicted, each once (promise 4, S-51)."""
        for at_limit in ("evict_least_recent", "evict_oldest"):
            live, answers = await _rush(bench, at_limit)
            assert len(live) == 5
            ended = [tombstone.id for answer in answers if isinstance(answer, Created) for tombstone in answer.ended]
            assert len(ended) == len(set(ended)) == 95

    @on_loop
    async def test_a_hundred_sign_ins_at_once_are_rejected_past_five(self, bench: Bench) -> None:
        """100 simultaneous sign-ins with a limit of 5 that rejects: five are made, 95 refused (promise 4, S-51)."""
        live, answers = await _rush(bench, "reject")
        assert len(live) == 5
        assert answers.count(NotCreated.LIMIT) == 95


async def _rush(bench: Bench, at_limit: AtLimit) -> tuple[list[Record], list[Created | NotCreated]]:
    """Sign one user in 100 times at once and return who lives, with the answers."""
    records = [bench.make.record(at_limit) for _ in range(100)]
    limit = Limit(5, at_limit)
    clients = bench.clients(100)
    answers = await all_at_once([c.create(r, now=NOW, limit=limit) for c, r in zip(clients, records, strict=True)])
    rows = await bench.store.find([record.id for record in records])
    return [row for row in rows if isinstance(row, Record)], answers


class Epochs(ContractBase):
    """A sign-in that began before "sign out everywhere" does not survive it (promise 2)."""

    @on_loop
    async def test_a_stale_epoch_is_refused(self, bench: Bench) -> None:
        """`end_user` raises the user's epoch, with or without a live session, and `create` obeys (ruling 1)."""
        for _ in range(2):
            before = await bench.store.epoch("alice")
            await bench.store.end_user("alice", reason="revoked", now=NOW)
            after = await bench.store.epoch("alice")
            assert after > before
            late = bench.make.record("alice")
            assert await bench.store.create(late, now=NOW + 1, epoch=before) is NotCreated.STALE_EPOCH
            assert await bench.found(late.id) is None
            assert isinstance(await bench.store.create(late, now=NOW + 1, epoch=after), Created)

    @on_loop
    async def test_a_refused_sign_in_keeps_what_it_would_replace(self, bench: Bench) -> None:
        """A stale sign-in ends nobody's session and frees no place (promise 2)."""
        visitor, other = await bench.add(data={"a": b"1"}), await bench.add("alice")
        before = await bench.store.epoch("alice")
        await bench.store.end_user("alice", reason="revoked", now=NOW, keep=other.id)
        answer = await bench.store.create(
            bench.make.record("alice"),
            now=NOW,
            epoch=before,
            limit=Limit(1, "evict_oldest"),
            replacing=Replacing(id=visitor.id, carry=True),
        )
        assert answer is NotCreated.STALE_EPOCH
        assert await bench.store.find([visitor.id, other.id]) == [visitor, other]

    @on_loop
    async def test_another_users_epoch_stands_still(self, bench: Bench) -> None:
        """`end_user` raises one user's epoch, not that of a user whose ids look alike (S-50)."""
        alice, namesake = bench.make.namesakes()
        before = await bench.store.epoch(namesake)
        await bench.store.end_user(alice, reason="revoked", now=NOW)
        assert await bench.store.epoch(namesake) == before
        assert isinstance(await bench.store.create(bench.make.record(namesake), now=NOW, epoch=before), Created)

    @on_loop
    async def test_the_store_wide_epoch_raises_everybodys(self, bench: Bench) -> None:
        """After `raise_epoch` a sign-in that read any user's epoch before it is refused (ruling 11)."""
        await bench.store.end_user("bob", reason="revoked", now=NOW)
        before = {user_id: await bench.store.epoch(user_id) for user_id in ("alice", "bob")}
        await bench.store.raise_epoch(now=NOW)
        for user_id, epoch in before.items():
            assert await bench.store.epoch(user_id) > epoch
            stale = await bench.store.create(bench.make.record(user_id), now=NOW, epoch=epoch)
            assert stale is NotCreated.STALE_EPOCH

    @on_loop
    async def test_an_epoch_is_never_used_twice(self, bench: Bench) -> None:
        """It is raised to the time at least, and grows also when a worker's clock stands or goes back (promise 2)."""
        values = [await bench.store.raise_epoch(now=now) for now in (NOW, NOW, NOW - ABSOLUTE)]
        assert values[0] >= NOW
        assert values == sorted(set(values))
        totals = [await bench.store.epoch("alice")]
        for now in (NOW, NOW, NOW - ABSOLUTE):
            await bench.store.end_user("alice", reason="revoked", now=now)
            totals.append(await bench.store.epoch("alice"))
        assert totals[1] - totals[0] >= NOW
        assert totals == sorted(set(totals))

    @on_loop
    async def test_a_forgotten_epoch_never_comes_back(self, bench: Bench) -> None:
        """A sweep may forget a user's epoch; no sign-in that read it is let in by a later raise (promise 2)."""
        sweeps = bench.sweeps
        await bench.store.raise_epoch(now=NOW)
        for user_id in ("alice", "bob"):
            await bench.store.end_user(user_id, reason="revoked", now=NOW)
        before = {user_id: await bench.store.epoch(user_id) for user_id in ("alice", "bob")}
        await sweeps.sweep(now=NOW + ABSOLUTE, limit=5, forget_before=NOW + EPOCH_KEPT + 1, max_ended=9)
        await bench.store.end_user("alice", reason="revoked", now=NOW + ABSOLUTE)
        await bench.store.raise_epoch(now=NOW + ABSOLUTE)
        for user_id, epoch in before.items():
            assert await bench.store.epoch(user_id) != epoch
            stale = await bench.store.create(bench.make.record(user_id), now=NOW + ABSOLUTE, epoch=epoch)
            assert stale is NotCreated.STALE_EPOCH, f"{user_id} signed in with an epoch read before everybody's raise"

    @on_loop
    async def test_a_young_epoch_is_not_forgotten(self, bench: Bench) -> None:
        """An epoch stays for a day whatever ``forget_before`` says: a sign-in under way is refused (promise 2)."""
        sweeps = bench.sweeps
        before = await bench.store.epoch("alice")
        await bench.store.end_user("alice", reason="revoked", now=NOW)
        raised = await bench.store.epoch("alice")
        for forget_before in (NOW, NOW + 9, NOW + EPOCH_KEPT):
            await sweeps.sweep(now=NOW + 9, limit=5, forget_before=forget_before, max_ended=9)
            assert await bench.store.epoch("alice") == raised > before
        stale = await bench.store.create(bench.make.record("alice"), now=NOW + 9, epoch=before)
        assert stale is NotCreated.STALE_EPOCH
        late = await bench.store.create(bench.make.record("alice"), now=NOW + 9, began_at=NOW)
        assert late is NotCreated.STALE_EPOCH

    @on_loop
    async def test_a_request_that_began_before_the_raise_is_refused(self, bench: Bench) -> None:
        """Without an epoch the request's beginning decides: at or before the last raise is too early (ruling 13)."""
        early = await bench.store.create(bench.make.record("alice"), now=NOW, began_at=NOW - ABSOLUTE)
        assert isinstance(early, Created)
        await bench.store.end_user("alice", reason="revoked", now=NOW)
        for began_at, refused in ((NOW - 1, True), (NOW, True), (NOW + 1, False)):
            answer = await bench.store.create(bench.make.record("alice"), now=NOW + 2, began_at=began_at)
            assert (answer is NotCreated.STALE_EPOCH) is refused, f"began at {began_at - NOW:+} ms"
        other = await bench.store.create(bench.make.record("bob"), now=NOW + 2, began_at=NOW - 1)
        assert isinstance(other, Created)

    @on_loop
    async def test_a_request_that_began_before_everybodys_raise_is_refused(self, bench: Bench) -> None:
        """The store-wide raise has its moment too, and a user's earlier one does not hide it (rulings 11 and 13)."""
        await bench.store.end_user("alice", reason="revoked", now=NOW)
        await bench.store.raise_epoch(now=NOW + IDLE)
        for user_id in ("alice", "bob"):
            for began_at, refused in ((NOW + IDLE, True), (NOW + IDLE + 1, False)):
                answer = await bench.store.create(bench.make.record(user_id), now=NOW + ABSOLUTE, began_at=began_at)
                assert (answer is NotCreated.STALE_EPOCH) is refused, f"{user_id} at {began_at - NOW - IDLE:+} ms"

    @on_loop
    async def test_no_sign_in_with_the_old_password_survives(self, bench: Bench) -> None:
        """50 sign-ins that read the epoch before `end_user` race with it: none lives afterwards (promise 2)."""
        epoch = await bench.store.epoch("alice")
        records = [bench.make.record("alice") for _ in range(50)]
        *clients, ender = bench.clients(51)
        verbs = [client.create(record, now=NOW, epoch=epoch) for client, record in zip(clients, records, strict=True)]
        ending = ender.end_user("alice", reason="revoked", now=NOW)
        await all_at_once([*verbs[:25], ending, *verbs[25:]])
        rows = await bench.store.find([record.id for record in records])
        assert all(row is None or isinstance(row, Tombstone) for row in rows)
