"""Conformance: the capabilities ``LIST`` and ``BROWSE``."""

from __future__ import annotations

import pytest

from coatcheck.model import Millis, Record, Tombstone, replace
from coatcheck.testing._make import ABSOLUTE, IDLE, MINUTE, NO_CHANGE, NOW, active
from coatcheck.testing.contract_bench import Bench, ContractBase, on_loop
from coatcheck.verbs import Replacing


class ListUser(ContractBase):
    """A user's sessions."""

    @on_loop
    async def test_live_sessions_are_listed_most_recent_first(self, bench: Bench) -> None:
        """The list is ordered by last activity and follows it (S-50)."""
        lists = bench.lists
        a, b, c = [await bench.add("alice", last_seen_at=NOW - 10 + at) for at in (5, 9, 1)]
        assert await lists.list_user("alice", now=NOW) == [b, a, c]
        await bench.store.touch(c.id, generation=1, seen=active(NOW + 1), now=NOW)
        moved = replace(c, last_seen_at=NOW + 1, idle_expires_at=NOW + 1 + IDLE)
        assert await lists.list_user("alice", now=NOW) == [moved, b, a]

    @on_loop
    async def test_only_live_sessions_are_listed(self, bench: Bench) -> None:
        """From its deadline on a session is not listed, nor once it ended or was replaced (S-31, S-50)."""
        lists = bench.lists
        idle = await bench.add("alice", idle_expires_at=NOW + 10)
        over = await bench.add("alice", expires_at=NOW + 10)
        replaced, ended = await bench.add("alice"), await bench.add("alice")
        await bench.store.end(ended.id, reason="revoked", now=NOW)
        live = await bench.sign_in(bench.make.record("alice"), replacing=Replacing(id=replaced.id, carry=False))
        before = await lists.list_user("alice", now=NOW + 9)
        assert {record.id for record in before} == {idle.id, over.id, live.id}
        assert await lists.list_user("alice", now=NOW + 10) == [live]

    @on_loop
    async def test_a_list_holds_one_users_sessions(self, bench: Bench) -> None:
        """Another user's never show, also when the ids of both begin alike; nobody's list is empty (S-50)."""
        lists = bench.lists
        alice, namesake = bench.make.namesakes()
        mine, theirs = await bench.add(alice), await bench.add(namesake)
        await bench.add()
        assert await lists.list_user(alice, now=NOW) == [mine]
        assert await lists.list_user(namesake, now=NOW) == [theirs]
        assert await lists.list_user("nobody", now=NOW) == []
        await bench.store.end(theirs.id, reason="revoked", now=NOW)
        assert await lists.list_ended(alice, limit=9) == []

    @on_loop
    async def test_a_rotated_session_is_listed_once(self, bench: Bench) -> None:
        """A new secret does not make a second entry (S-50)."""
        lists = bench.lists
        record = await bench.add("alice")
        rotation = bench.make.rotation(record, by_age=False)
        answer = await bench.store.rotate(record.id, generation=1, rotation=rotation, change=NO_CHANGE, now=NOW + 1)
        assert await lists.list_user("alice", now=NOW + 1) == [answer]

    @on_loop
    async def test_ended_sessions_are_listed_most_recent_first(self, bench: Bench) -> None:
        """The timeline shows the last ends first, and no more than were asked for (S-50)."""
        lists = bench.lists
        records = [await bench.add("alice", data={"a": b"1"}) for _ in range(4)]
        for record, minute in zip(records, (3, 1, 4, 2), strict=True):
            await bench.store.end(record.id, reason="revoked", now=NOW + minute * MINUTE)
        expected = await bench.store.find([records[number].id for number in (2, 0, 3, 1)])
        assert await lists.list_ended("alice", limit=9) == expected
        assert await lists.list_ended("alice", limit=2) == expected[:2]
        assert await lists.list_ended("nobody", limit=2) == []


async def _walk(bench: Bench, limit: int, user_id: str | None = None) -> list[Record | Tombstone]:
    """Read all pages to the end."""
    items: list[Record | Tombstone] = []
    cursor: str | None = None
    for _ in range(100):
        page = await bench.browses.browse(limit=limit, after=cursor, user_id=user_id)
        assert len(page.items) <= limit
        items += page.items
        cursor = page.next
        if cursor is None:
            return items
        assert page.items, "an empty page must be the last"
    pytest.fail("browse never comes to an end")


class Browse(ContractBase):
    """Everything, page by page (ruling 12)."""

    @on_loop
    async def test_pages_hold_everything_once_newest_first(self, bench: Bench) -> None:
        """Live, ended and expired rows come once each, also where many began in the same moment (ruling 12)."""
        await bench.browses.browse(limit=1)
        rows: list[Record | Tombstone | None] = [
            await bench.add("alice" if number % 2 else None, created_at=NOW + number // 5) for number in range(23)
        ]
        rows.append(await bench.add("bob", expires_at=NOW - 1, created_at=NOW - 2))
        ended = await bench.add("bob", created_at=NOW - 3)
        rows.append(await bench.store.end(ended.id, reason="revoked", now=NOW))
        for limit in (1, 4, 5, 24, 25, 100):
            items = await _walk(bench, limit)
            assert len(items) == len({item.id for item in items}) == len(rows)
            assert all(item in rows for item in items)
            began = [item.created_at for item in items]
            assert began == sorted(began, reverse=True)

    @on_loop
    async def test_pages_stay_whole_while_sessions_come_and_go(self, bench: Bench) -> None:
        """What was there before the first page shows exactly once, whatever begins or ends meanwhile (ruling 12)."""
        browses = bench.browses
        rows = [await bench.add(created_at=NOW + number) for number in range(12)]
        items: list[str] = []
        cursor: str | None = None
        for number in range(12):
            page = await browses.browse(limit=2, after=cursor)
            items += [item.id for item in page.items]
            cursor = page.next
            if cursor is None:
                break
            await bench.add(created_at=NOW + 100 + number)
            await bench.store.end(rows[number].id, reason="revoked", now=NOW + 100)
            await bench.store.end(rows[11 - number].id, reason="revoked", now=NOW + 100)
        assert items == [row.id for row in reversed(rows)]

    @on_loop
    async def test_a_user_can_be_picked_out(self, bench: Bench) -> None:
        """With ``user_id`` the pages hold that user's rows alone (ruling 12)."""
        await bench.browses.browse(limit=1)
        alice, namesake = bench.make.namesakes()
        mine = [await bench.add(alice, created_at=NOW + number) for number in range(5)]
        tombstone = await bench.store.end(mine[2].id, reason="revoked", now=NOW)
        for user_id in (namesake, None):
            await bench.add(user_id)
        expected = [mine[4], mine[3], tombstone, mine[1], mine[0]]
        assert await _walk(bench, 2, user_id=alice) == expected
        assert await _walk(bench, 2, user_id="nobody") == []

    @on_loop
    async def test_a_made_up_cursor_is_refused(self, bench: Bench) -> None:
        """A cursor that no page gave is a `ValueError`, not a page (SM-11)."""
        browses = bench.browses
        await bench.add()
        for cursor in ("", "nonsense", "12", "1.2.3", "' OR 1=1 --", "\x00", "🗝" * 40, "-1." + bench.make.id()):
            with pytest.raises(ValueError):  # noqa: PT011  (the text is the store's own)
                await browses.browse(limit=1, after=cursor)

    @on_loop
    async def test_count_counts_the_living(self, bench: Bench) -> None:
        """Ended and expired sessions do not count, swept or not (S-31)."""
        browses = bench.browses
        assert await browses.count(now=NOW) == 0
        ended = await bench.add("alice")
        await bench.add("alice", idle_expires_at=NOW + 5)
        await bench.add()
        assert await browses.count(now=NOW) == 3
        await bench.store.end(ended.id, reason="revoked", now=NOW)
        counted: list[tuple[Millis, int]] = [(NOW + 4, 2), (NOW + 5, 1), (NOW + ABSOLUTE, 0)]
        for now, count in counted:
            assert await browses.count(now=now) == count
