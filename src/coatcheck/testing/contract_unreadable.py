"""Conformance: sessions that this release cannot read, because a newer one wrote them or because they are damaged.

How such a row comes to be is the engine's affair, so these tests need the fixture ``plant`` of the store's test file;
see `coatcheck.testing.contract`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, get_args

import pytest

from coatcheck.errors import UnreadableRecord
from coatcheck.model import Damaged, FromTheFuture, Record, Tombstone, replace
from coatcheck.testing._make import ABSOLUTE, MINUTE, NO_CHANGE, NOW, active, put
from coatcheck.testing.contract_bench import Bench, ContractBase, Kind, on_loop, sweep_all
from coatcheck.verbs import Created, Refusal, Replacing


async def _planted(bench: Bench, kind: Kind, user_id: str = "alice") -> Record:
    """Sign somebody in and make the session unreadable."""
    record = await bench.add(user_id, data={"a": b"1"})
    bench.plant(record.id, kind)
    return record


def _changes(bench: Bench, record: Record) -> list[Awaitable[object]]:
    """Return every verb that changes one session."""
    rotation = bench.make.rotation(record)
    return [
        bench.store.commit(record.id, generation=1, change=put(b=b"2"), now=NOW),
        bench.store.touch(record.id, generation=1, seen=active(NOW + 1), now=NOW),
        bench.store.rotate(record.id, generation=1, rotation=rotation, change=NO_CHANGE, now=NOW),
    ]


async def _replace(bench: Bench, record: Record) -> object:
    replacing = Replacing(id=record.id, carry=True)
    answer = await bench.store.create(bench.make.record("bob"), now=NOW + 1, replacing=replacing)
    assert isinstance(answer, Created)
    return answer.ended


async def _end_all(bench: Bench, _record: Record) -> object:
    below = await bench.store.raise_epoch(now=NOW + 1)
    ended: list[Tombstone] = []
    while batch := await bench.store.end_all(below=below, reason="revoked", now=NOW + 1, limit=5):
        ended += batch
    return ended


ENDS: Final[dict[str, Callable[[Bench, Record], Awaitable[object]]]] = {
    "end": lambda bench, record: bench.store.end(record.id, reason="revoked", now=NOW + 1),
    "take": lambda bench, record: bench.store.take(record.id, now=NOW + 1),
    "end_user": lambda bench, record: bench.store.end_user(record.user_id or "", reason="revoked", now=NOW + 1),
    "end_all": _end_all,
    "create": _replace,
}
"""Every verb that ends a session."""


class Unreadable(ContractBase):
    """A newer release's session is left alone and a damaged one is nobody's; both can be ended (promises 2 and 12)."""

    @on_loop
    async def test_a_newer_releases_session_is_changed_by_no_verb(self, bench: Bench) -> None:
        """Commit, touch and rotate raise, and the session is as the newer release wrote it (promise 12)."""
        record = await _planted(bench, "newer")
        before = await bench.found(record.id)
        assert isinstance(before, FromTheFuture)
        for change in _changes(bench, record):
            with pytest.raises(UnreadableRecord):
                await change
        assert await bench.found(record.id) == before

    @on_loop
    async def test_roles_that_miss_a_newer_releases_session_are_no_success(self, bench: Bench) -> None:
        """`set_roles` changes what it can read and raises the epoch, then raises for the rest (promises 5 and 12)."""
        first = await bench.add("alice", roles=("admin",))
        newer, damaged = await _planted(bench, "newer"), await _planted(bench, "damaged")
        last, other = await bench.add("alice", roles=("admin",)), await bench.add("bob", roles=("admin",))
        rows = await bench.store.find([newer.id, damaged.id, other.id])
        epoch = await bench.store.epoch("alice")
        with pytest.raises(UnreadableRecord, match=newer.id) as raised:
            await bench.store.set_roles("alice", ("guest",), now=NOW)
        assert isinstance(rows[0], FromTheFuture)
        assert raised.value.schema == rows[0].schema
        for record in (first, last):
            changed = replace(record, roles=("guest",), generation=2, rotate_due=True)
            assert await bench.live(record.id) == changed
        assert await bench.store.find([newer.id, damaged.id, other.id]) == rows
        assert await bench.store.epoch("alice") > epoch
        await bench.store.end(newer.id, reason="revoked", now=NOW)
        assert len(await bench.store.set_roles("alice", ("guest",), now=NOW)) == 2

    @on_loop
    async def test_a_damaged_session_is_gone_to_every_change(self, bench: Bench) -> None:
        """What cannot be decoded is signed out: a change finds it gone and no verb fails on it (promise 12)."""
        record = await _planted(bench, "damaged")
        before = await bench.found(record.id)
        assert isinstance(before, Damaged)
        assert [await change for change in _changes(bench, record)] == [Refusal.GONE] * 3
        assert await bench.store.set_roles("alice", ("admin",), now=NOW) == ()
        assert await bench.found(record.id) == before

    @on_loop
    async def test_what_cannot_be_read_can_be_ended(self, bench: Bench) -> None:
        """No release finds it alive after a verb that ends; of a newer one a tombstone is left (promise 2)."""
        for name, end in ENDS.items():
            for kind in get_args(Kind):
                record = await _planted(bench, kind)
                await end(bench, record)
                left = await bench.found(record.id)
                assert isinstance(left, Tombstone) or (kind == "damaged" and left is None), f"{kind}, {name}: {left!r}"
                assert left is None or (left.user_id, left.ended_at) == ("alice", NOW + 1), f"{kind}, {name}"
                for change in _changes(bench, record):
                    assert await change is Refusal.GONE, f"{kind}, {name}"
                assert await bench.store.end(record.id, reason="evicted", now=NOW + 2) is None, f"{kind}, {name}"

    @on_loop
    async def test_another_users_unreadable_session_cannot_be_ended(self, bench: Bench) -> None:
        """With ``owner`` a stranger ends nothing, whatever the row's format (cross-user revoke, S-53)."""
        record = await _planted(bench, "newer")
        before = await bench.found(record.id)
        assert await bench.store.end(record.id, reason="revoked", now=NOW, owner="bob") is None
        assert await bench.found(record.id) == before

    @on_loop
    async def test_lists_leave_out_what_cannot_be_read(self, bench: Bench) -> None:
        """A list of sessions shows those that can be shown, and does not fail for the others (promise 12, S-50)."""
        lists = bench.lists
        whole = await bench.add("alice")
        for kind in get_args(Kind):
            await _planted(bench, kind)
        assert await lists.list_user("alice", now=NOW) == [whole]

    @on_loop
    async def test_pages_leave_out_what_cannot_be_read(self, bench: Bench) -> None:
        """Browsing walks past unreadable sessions, also where they fill a page (promise 12, ruling 12)."""
        browses = bench.browses
        whole = await bench.add("alice")
        for kind in get_args(Kind) * 3:
            await _planted(bench, kind)
        items: list[Record | Tombstone] = []
        cursor: str | None = None
        for _ in range(20):
            page = await browses.browse(limit=2, after=cursor)
            items += page.items
            cursor = page.next
            if cursor is None:
                break
        assert (items, cursor) == ([whole], None)

    @on_loop
    async def test_the_sweeper_goes_past_what_cannot_be_read(self, bench: Bench) -> None:
        """Expired sessions behind unreadable ones are swept, a newer release's is left, and it ends (promise 12)."""
        sweeps = bench.sweeps
        newer = await _planted(bench, "newer")
        for _ in range(3):
            await _planted(bench, "damaged")
        expired = await bench.add("alice", expires_at=NOW + ABSOLUTE + MINUTE)
        swept = [tombstone.id for tombstone in await sweep_all(sweeps, NOW + 2 * ABSOLUTE, limit=2)]
        assert expired.id in swept
        assert newer.id not in swept
        assert isinstance(await bench.found(newer.id), FromTheFuture)
