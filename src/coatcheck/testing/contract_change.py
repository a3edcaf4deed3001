"""Conformance: committing data, recording activity, and rotating secrets."""

from __future__ import annotations

from coatcheck.model import Device, Record, replace
from coatcheck.testing._make import ABSOLUTE, IDLE, MINUTE, NO_CHANGE, NOW, active, put
from coatcheck.testing.contract_bench import Bench, ContractBase, all_at_once, on_loop, only
from coatcheck.verbs import Change, Grant, Refusal, Seen, TooLarge


class Commit(ContractBase):
    """No update is lost (promise 3)."""

    @on_loop
    async def test_named_keys_are_merged_and_nothing_else_changes(self, bench: Bench) -> None:
        """Set keys are set, unset keys go, all others stay, and the version grows by one (promise 3)."""
        record = await bench.add("alice", data={"a": b"1", "b": b"2", "c": b"3"})
        change = Change({"a": b"", "é\u2028": b"\x00\xff"}, frozenset({"b", "never-there"}))
        assert await bench.store.commit(record.id, generation=1, change=change, now=NOW) == 2
        expected = {"a": b"", "c": b"3", "é\u2028": b"\x00\xff"}
        assert await bench.live(record.id) == replace(record, data=expected, version=2)
        assert await bench.store.commit(record.id, generation=1, change=put(a=b"4"), now=NOW) == 3

    @on_loop
    async def test_a_commit_carries_the_activity(self, bench: Bench) -> None:
        """Activity that is due travels with the data, forward only (promise 6)."""
        record = await bench.add("alice")
        await bench.store.commit(record.id, generation=1, change=put(a=b"1"), now=NOW, seen=active(NOW + MINUTE))
        await bench.store.commit(record.id, generation=1, change=put(b=b"1"), now=NOW, seen=active(NOW + 1))
        stored = await bench.live(record.id)
        assert (stored.last_seen_at, stored.idle_expires_at) == (NOW + MINUTE, NOW + MINUTE + IDLE)
        assert stored.data == {"a": b"1", "b": b"1"}

    @on_loop
    async def test_many_writers_lose_nothing(self, bench: Bench) -> None:
        """32 simultaneous writers of different keys all win, each with a version of its own (promise 3)."""
        record = await bench.add("alice", data={"first": b"0"})
        keys = [f"key-{number}" for number in range(32)]
        answers = await all_at_once([
            client.commit(record.id, generation=1, change=Change({key: key.encode()}), now=NOW)
            for client, key in zip(bench.clients(32), keys, strict=True)
        ])  # fmt: skip
        assert {answer for answer in answers if isinstance(answer, int)} == set(range(2, 34))
        stored = await bench.live(record.id)
        assert stored.data == {"first": b"0"} | {key: key.encode() for key in keys}
        assert stored.version == 33

    @on_loop
    async def test_of_one_key_the_last_commit_wins(self, bench: Bench) -> None:
        """Of 16 writers of the same key, the one that was given the highest version is what remains (promise 3)."""
        record = await bench.add("alice")
        answers = await all_at_once([
            client.commit(record.id, generation=1, change=put(key=bytes([number])), now=NOW)
            for number, client in enumerate(bench.clients(16))
        ])  # fmt: skip
        versions = [answer for answer in answers if isinstance(answer, int)]
        assert sorted(versions) == list(range(2, 18))
        assert (await bench.live(record.id)).data == {"key": bytes([versions.index(17)])}

    @on_loop
    async def test_an_expected_version_is_compared_and_set(self, bench: Bench) -> None:
        """With ``expect_version`` one of 16 writers wins and the others conflict (promise 3, ruling 9)."""
        record = await bench.add("alice")
        answers = await all_at_once([
            client.commit(record.id, generation=1, change=put(key=bytes([number])), now=NOW, expect_version=1)
            for number, client in enumerate(bench.clients(16))
        ])  # fmt: skip
        assert answers.count(2) == 1
        assert answers.count(Refusal.CONFLICT) == 15
        assert (await bench.live(record.id)).data == {"key": bytes([answers.index(2)])}
        again = await bench.store.commit(record.id, generation=1, change=put(a=b"1"), now=NOW, expect_version=2)
        assert again == 3

    @on_loop
    async def test_another_generation_is_refused(self, bench: Bench) -> None:
        """A change read before or beyond the present privilege is refused and changes nothing (promise 3)."""
        record = await bench.add("alice", generation=4)
        for generation in (3, 5):
            commit = await bench.store.commit(record.id, generation=generation, change=put(a=b"1"), now=NOW)
            assert commit is Refusal.GENERATION
            touch = await bench.store.touch(record.id, generation=generation, seen=active(NOW + 1), now=NOW)
            assert touch is Refusal.GENERATION
            rotation = bench.make.rotation(record)
            rotate = await bench.store.rotate(
                record.id, generation=generation, rotation=rotation, change=NO_CHANGE, now=NOW
            )
            assert rotate is Refusal.GENERATION
        assert await bench.live(record.id) == record

    @on_loop
    async def test_data_has_a_limit_in_bytes(self, bench: Bench) -> None:
        """Keys and values together may reach ``max_bytes`` and not pass it; removing is always allowed (S-30)."""
        record = await bench.add("alice", data={"é": b"12"})
        size = 6  # two bytes of key and two of value, and one of each

        async def commit(change: Change, most: int) -> int | Refusal | TooLarge:
            return await bench.store.commit(record.id, generation=1, change=change, now=NOW, max_bytes=most)

        answer = await commit(put(k=b"3"), size - 1)
        assert answer == TooLarge(size=size, largest=(("é", 4), ("k", 2))), "the sizes are those of the merged data"
        assert await bench.live(record.id) == record
        assert await commit(put(k=b"3"), size) == 2
        assert await commit(Change({}, frozenset({"k"})), 1) == 3
        assert (await bench.live(record.id)).data == {"é": b"12"}

    @on_loop
    async def test_a_session_is_dead_at_its_idle_deadline(self, bench: Bench) -> None:
        """A millisecond before the idle deadline every change works; at it none does, nothing is removed (S-31)."""
        await _at_the_deadline(bench, "idle_expires_at")

    @on_loop
    async def test_a_session_is_dead_at_its_absolute_deadline(self, bench: Bench) -> None:
        """A millisecond before the absolute deadline every change works; at it none does, nothing is removed (S-31)."""
        await _at_the_deadline(bench, "expires_at")


async def _at_the_deadline(bench: Bench, clock: str) -> None:
    deadline = NOW + MINUTE
    record = await bench.add("alice", **{clock: deadline})
    late = active(deadline, idle_expires_at=deadline + IDLE)
    rotation = bench.make.rotation(record, at=deadline)

    async def try_all(now: int) -> list[object]:
        commit = await bench.store.commit(record.id, generation=1, change=put(a=b"1"), now=now)
        touch = await bench.store.touch(record.id, generation=1, seen=Seen(at=now), now=now)
        rotate = await bench.store.rotate(record.id, generation=1, rotation=rotation, change=NO_CHANGE, now=now)
        return [commit, touch, rotate]

    assert await try_all(deadline) == [Refusal.GONE, Refusal.GONE, Refusal.GONE]
    assert await bench.store.touch(record.id, generation=1, seen=late, now=deadline) is Refusal.GONE
    assert await bench.live(record.id) == record
    commit, touch, rotate = await try_all(deadline - 1)
    assert (commit, touch) == (2, None)
    assert isinstance(rotate, Record)
    assert await bench.store.end(record.id, reason="signed_out", now=deadline - 1) is not None


class Touch(ContractBase):
    """Activity moves forward only."""

    @on_loop
    async def test_activity_moves_forward_only(self, bench: Bench) -> None:
        """A late answer never moves the last activity or the idle deadline back, nor the version (S-37, S-38)."""
        record = await bench.add("alice")
        for at in (NOW + 2 * MINUTE, NOW + MINUTE):
            assert await bench.store.touch(record.id, generation=1, seen=active(at), now=NOW) is None
        moved = {"last_seen_at": NOW + 2 * MINUTE, "idle_expires_at": NOW + 2 * MINUTE + IDLE}
        assert await bench.live(record.id) == replace(record, **moved)
        await bench.store.touch(record.id, generation=1, seen=Seen(at=NOW + 3 * MINUTE), now=NOW)
        stored = await bench.live(record.id)
        assert (stored.last_seen_at, stored.idle_expires_at) == (NOW + 3 * MINUTE, moved["idle_expires_at"])

    @on_loop
    async def test_simultaneous_activity_ends_at_the_latest(self, bench: Bench) -> None:
        """24 touches in three shuffled orders leave the latest time of each (promise 6)."""
        for stride in (7, 11, 13):
            record = await bench.add("alice")
            minutes = [stride * number % 24 for number in range(24)]
            await all_at_once([
                client.touch(record.id, generation=1, seen=active(NOW + minute * MINUTE), now=NOW)
                for client, minute in zip(bench.clients(24), minutes, strict=True)
            ])  # fmt: skip
            stored = await bench.live(record.id)
            assert (stored.last_seen_at, stored.idle_expires_at) == (NOW + 23 * MINUTE, NOW + 23 * MINUTE + IDLE)

    @on_loop
    async def test_a_touch_sets_no_clock_that_was_not_there(self, bench: Bench) -> None:
        """A session without an idle deadline gets none, and the absolute one never moves (promise 8, S-33)."""
        record = await bench.add("alice", idle_expires_at=None)
        await bench.store.touch(record.id, generation=1, seen=active(NOW + MINUTE), now=NOW)
        stored = await bench.live(record.id)
        assert (stored.idle_expires_at, stored.expires_at) == (None, NOW + ABSOLUTE)

    @on_loop
    async def test_a_secret_is_confirmed_once_and_only_while_current(self, bench: Bench) -> None:
        """Only the current digest confirms, and the first time stands (ruling 3)."""
        record = await bench.add("alice", previous_digest=bench.make.digest())
        shown = (
            (record.previous_digest, NOW + 1, None),
            (None, NOW + 2, None),
            (record.secret_digest, NOW + 3, NOW + 3),
            (record.secret_digest, NOW + 4, NOW + 3),
        )
        for digest, at, confirmed_at in shown:
            await bench.store.touch(record.id, generation=1, seen=Seen(at=at, confirms=digest), now=NOW)
            assert (await bench.live(record.id)).confirmed_at == confirmed_at

    @on_loop
    async def test_the_address_follows_the_latest_activity(self, bench: Bench) -> None:
        """The last address is that of the latest request; the first one stays (S-53)."""
        device = Device(browser="Firefox 153", first_address="192.0.2.1", last_address="192.0.2.1")
        record = await bench.add("alice", device=device)
        for at, address in ((NOW + 2, "192.0.2.2"), (NOW + 1, "192.0.2.3"), (NOW + 3, None)):
            await bench.store.touch(record.id, generation=1, seen=Seen(at=at, address=address), now=NOW)
        assert (await bench.live(record.id)).device == replace(device, last_address="192.0.2.2")


class Rotate(ContractBase):
    """A new secret, and what it changes with it (promise 5)."""

    @on_loop
    async def test_rotation_by_age_keeps_the_generation(self, bench: Bench) -> None:
        """The old digest is kept with the nonce, the new one is unconfirmed, and the clocks stand (ruling 3)."""
        record = await bench.add("alice", confirmed_at=NOW, roles=("editor",), aal=1)
        rotation = bench.make.rotation(record)
        answer = await bench.store.rotate(record.id, generation=1, rotation=rotation, change=NO_CHANGE, now=NOW)
        expected = replace(
            record,
            secret_digest=rotation.secret_digest,
            previous_digest=record.secret_digest,
            successor_nonce=rotation.nonce,
            rotated_at=rotation.at,
            confirmed_at=None,
        )
        assert answer == expected == await bench.live(record.id)

    @on_loop
    async def test_rotation_by_privilege_raises_the_generation(self, bench: Bench) -> None:
        """The granted fields change, the others stay, the request for rotation is met (promise 5, SM-12)."""
        record = await bench.add("alice", rotate_due=True, roles=("user",), amr=("pwd",), auth_time=NOW - 9, aal=1)
        grant = Grant(roles=("admin", "user"), auth_time=NOW)
        rotation = bench.make.rotation(record, by_age=False, grant=grant)
        answer = await bench.store.rotate(record.id, generation=1, rotation=rotation, change=NO_CHANGE, now=NOW)
        assert isinstance(answer, Record)
        assert (answer.generation, answer.successor_nonce, answer.rotate_due) == (2, None, False)
        assert (answer.roles, answer.auth_time, answer.amr, answer.aal) == (("admin", "user"), NOW, ("pwd",), 1)
        assert (answer.created_at, answer.expires_at) == (record.created_at, record.expires_at)
        assert await bench.live(record.id) == answer
        assert await bench.store.commit(record.id, generation=1, change=put(a=b"1"), now=NOW) is Refusal.GENERATION

    @on_loop
    async def test_data_and_activity_travel_with_the_secret(self, bench: Bench) -> None:
        """A rotation commits what the request changed in the same step (promise 5)."""
        record = await bench.add("alice", data={"a": b"1", "b": b"2"})
        change = Change({"c": b"3"}, frozenset({"a"}))
        answer = await bench.store.rotate(
            record.id,
            generation=1,
            rotation=bench.make.rotation(record),
            change=change,
            now=NOW,
            seen=active(NOW + MINUTE),
        )
        assert isinstance(answer, Record)
        assert (answer.data, answer.version) == ({"b": b"2", "c": b"3"}, 2)
        assert (answer.last_seen_at, answer.idle_expires_at) == (NOW + MINUTE, NOW + MINUTE + IDLE)
        assert await bench.live(record.id) == answer

    @on_loop
    async def test_a_refused_rotation_changes_nothing(self, bench: Bench) -> None:
        """Another current digest is a conflict and too much data is refused, each as a whole (promise 5)."""
        record = await bench.add("alice")
        outdated = bench.make.rotation(record, replaces=bench.make.digest())
        answer = await bench.store.rotate(record.id, generation=1, rotation=outdated, change=put(a=b"1"), now=NOW)
        assert answer is Refusal.CONFLICT
        answer = await bench.store.rotate(
            record.id,
            generation=1,
            rotation=bench.make.rotation(record),
            change=put(a=b"1"),
            now=NOW,
            max_bytes=1,
        )
        assert answer == TooLarge(size=2, largest=(("a", 2),))
        assert await bench.live(record.id) == record

    @on_loop
    async def test_simultaneous_rotations_by_age_follow_the_first(self, bench: Bench) -> None:
        """16 requests rotate one secret by age: one new secret, and what each of them changed is kept (ruling 3)."""
        record = await bench.add("alice")
        answers = await all_at_once([
            client.rotate(
                record.id,
                generation=1,
                rotation=bench.make.rotation(record),
                change=put(**{f"k{number}": b"1"}),
                now=NOW,
            )
            for number, client in enumerate(bench.clients(16))
        ])  # fmt: skip
        kept = await bench.live(record.id)
        assert {answer.secret_digest for answer in answers if isinstance(answer, Record)} == {kept.secret_digest}
        assert kept.previous_digest == record.secret_digest
        assert len(kept.data) == 16

    @on_loop
    async def test_of_simultaneous_rotations_by_privilege_one_wins(self, bench: Bench) -> None:
        """16 requests that rotate the same secret for a new privilege: one new secret, the winner's (promise 5)."""
        record = await bench.add("alice")
        rotations = [bench.make.rotation(record, by_age=False) for _ in range(16)]
        answers = await all_at_once([
            client.rotate(record.id, generation=1, rotation=rotation, change=NO_CHANGE, now=NOW)
            for client, rotation in zip(bench.clients(16), rotations, strict=True)
        ])  # fmt: skip
        won = only(answer for answer in answers if isinstance(answer, Record))
        assert answers.count(Refusal.GENERATION) == 15
        assert await bench.live(record.id) == won
