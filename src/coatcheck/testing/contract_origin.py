"""Conformance: how a session came to be is written when it is made, and stays as it is until the session ends."""

from __future__ import annotations

from typing import Final

from coatcheck.model import Device, Record, Tombstone
from coatcheck.origin import PLAIN, Origin, Pending
from coatcheck.testing._make import MINUTE, NO_CHANGE, NOW, active, put
from coatcheck.testing.contract_bench import Bench, ContractBase, on_loop, only
from coatcheck.verbs import Grant, Replacing

FULL: Final = Origin(
    carrier="bearer",
    actor_id="carol",
    actor_session="0" * 26,
    pending=Pending(
        user_id="alice", epoch=2**53, amr=("otp", "pwd"), roles=("editor", "üser"), remember=False, aal=2
    ),
    label="büro 🗝",
)  # fmt: skip
ORIGINS: Final = (
    FULL,
    PLAIN,
    Origin(carrier="exchange"),
    Origin(actor_id="", label=""),
    Origin(pending=Pending(user_id="alice", epoch=0, roles=())),
)


class Origins(ContractBase):
    """What is set when a session is made and never changes while it lives."""

    @on_loop
    async def test_an_origin_comes_back_as_it_was(self, bench: Bench) -> None:
        """Each of its fields does, from `create`, `find` and another store object (S-11, S-12, 7.2.4)."""
        for origin in ORIGINS:
            record = await bench.add("alice", origin=origin, data={"a": b"1"})
            assert record.origin == origin
            assert await bench.live(record.id) == record
            if bench.store.traits.shared:
                assert await bench.another().find([record.id]) == [record]

    @on_loop
    async def test_an_origin_survives_a_commit_and_a_touch(self, bench: Bench) -> None:
        """Changed data and activity leave it as it is, also where the row gets longer by them (promise 3)."""
        record = await bench.add("alice", origin=FULL, data={"a": b"1"}, device=Device(last_address="::1"))
        assert await bench.store.commit(record.id, generation=1, change=put(a=b"22", b=b"x" * 900), now=NOW) == 2
        assert (await bench.live(record.id)).origin == FULL
        longer = active(NOW + MINUTE, address="2001:db8:85a3:1234:5678:8a2e:370:7334")
        assert await bench.store.touch(record.id, generation=1, seen=longer, now=NOW) is None
        stored = await bench.live(record.id)
        assert (stored.origin, stored.last_seen_at) == (FULL, NOW + MINUTE)

    @on_loop
    async def test_an_origin_survives_every_change_of_privilege(self, bench: Bench) -> None:
        """Rotations and new roles leave it as it is: no change of privilege ends an impersonation (7.2.4)."""
        record = await bench.add("alice", origin=FULL)
        for by_age, generation in ((True, 1), (False, 1)):
            grant = None if by_age else Grant(roles=("admin",))
            rotation = bench.make.rotation(record, by_age=by_age, grant=grant)
            answer = await bench.store.rotate(
                record.id, generation=generation, rotation=rotation, change=NO_CHANGE, now=NOW
            )
            assert isinstance(answer, Record)
            assert answer.origin == FULL
            record = await bench.live(record.id)
            assert record == answer
        assert await bench.store.set_roles("alice", ("user",), now=NOW) == (record.id,)
        stored = await bench.live(record.id)
        assert (stored.origin, stored.roles) == (FULL, ("user",))

    @on_loop
    async def test_an_origin_is_not_handed_on(self, bench: Bench) -> None:
        """What replaces a session brings its own and carries data alone, so no carrier or actor leaks (7.2.4)."""
        for origin, own in ((FULL, PLAIN), (PLAIN, FULL)):
            old = await bench.add("alice", origin=origin, data={"a": b"1"})
            made = await bench.sign_in(
                bench.make.record("alice", origin=own), replacing=Replacing(id=old.id, carry=True)
            )
            stored = await bench.live(made.id)
            assert (stored.origin, stored.data) == (own, {"a": b"1"})
            assert isinstance(await bench.found(old.id), Tombstone)

    @on_loop
    async def test_lists_show_the_origin(self, bench: Bench) -> None:
        """A user's list has it, so that tokens and impersonations can be told from browsers (S-50)."""
        lists = bench.lists
        record = await bench.add("alice", origin=FULL)
        found = await lists.list_user("alice", now=NOW)
        assert (found, only(found).origin) == ([record], FULL)

    @on_loop
    async def test_pages_show_the_origin(self, bench: Bench) -> None:
        """A page has it, of everybody and of one user (ruling 12)."""
        browses = bench.browses
        record = await bench.add("alice", origin=FULL)
        for user_id in (None, "alice"):
            row = only((await browses.browse(limit=9, user_id=user_id)).items)
            assert isinstance(row, Record)
            assert (row, row.origin) == (record, FULL)
