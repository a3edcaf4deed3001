"""`revoke_where` and `count_where`: ending chosen sessions, on both managers (ASVS 7.4.5)."""

from __future__ import annotations

from typing import Any

import pytest

from coatcheck import ConfigurationError, Policy, Selection, StoreUnavailable, Unconfirmed
from coatcheck.manager import selecting
from coatcheck.model import replace
from coatcheck.stores.contract import Capability
from tests.fast._world import Mode, World

BOTH = pytest.mark.parametrize("mode", ["async", "blocking"])
DAY = 86_400_000


def people(world: World, *users: str | None, roles: tuple[str, ...] = ()) -> list[str]:
    """Make a session for each user, an anonymous one for ``None``; return their ids."""
    ids: list[str] = []
    for user in users:
        session = world.run(world.sessions.load(None))
        session["cart"] = 1
        if user is not None:
            world.run(session.login(user, roles=list(roles)))
        world.run(world.sessions.save(session))
        ids.append(session.id)
    return ids


def live(world: World) -> set[str]:
    """Return the ids of live sessions."""
    return {info.id for info in world.run(world.sessions.browse(limit=1000))[0] if info.live}


@BOTH
def test_what_matches_ends_and_nothing_else(mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    """7.4.5: across several pages exactly the matching sessions end, told as revoked and counted once."""
    monkeypatch.setattr(selecting, "PAGE", 3)
    world = World(mode)
    contractors = people(world, *(f"c{number}" for number in range(7)), roles=("contractor",))
    others = people(world, "ann", "bob", None)
    gone = people(world, "zoe", roles=("contractor",))
    world.run(world.sessions.revoke(gone[0]))
    told: list[tuple[int, int]] = []
    selection = Selection(role="contractor")

    assert world.run(world.sessions.count_where(selection)) == 7
    ended = world.run(world.sessions.revoke_where(selection, on_progress=lambda *step: told.append(step)))

    assert ended == 7
    assert live(world) == set(others)
    assert {world.run(world.sessions.get(one)).reason for one in contractors} == {"revoked"}
    assert told[-1] == (11, 7)
    assert told == sorted(told)
    ends = [event for event in world.events if event.name == "session.ended"]
    assert len([event for event in ends if event.details["reason"] == "revoked"]) == 8
    assert world.run(world.sessions.revoke_where(selection)) == 0


@BOTH
def test_a_users_sessions_are_asked_for_alone(mode: Mode) -> None:
    """A selection of one user walks that user's rows only, however many others there are."""
    world = World(mode)
    mine = people(world, "ann")
    people(world, "bob", "cat")
    looked: list[int] = []

    selection = Selection(user_id="ann", created_before=world.clock.now_ms + 1)
    assert world.run(world.sessions.revoke_where(selection, on_progress=lambda seen, _: looked.append(seen))) == 1
    assert max(looked) == 1
    assert mine[0] not in live(world)


@BOTH
def test_idle_sessions_by_their_age(mode: Mode) -> None:
    """Sessions not seen for a time end, those that a clock has ended already are not counted."""
    world = World(mode, Policy(idle_timeout="5d"))
    people(world, "gone")
    world.clock.advance("3d")
    people(world, "old")
    world.clock.advance("3d")
    (fresh,) = people(world, "new")
    selection = Selection(seen_before=world.clock.now_ms - 2 * DAY)

    assert world.run(world.sessions.count_where(selection)) == 1
    assert world.run(world.sessions.revoke_where(selection)) == 1
    assert live(world) == {fresh}
    assert {info.reason for info in world.run(world.sessions.browse())[0]} == {None, "revoked", "idle"}


@BOTH
def test_a_locked_session_ends_too(mode: Mode) -> None:
    """A session that the idle clock only locked is ended: showing a factor must not bring it back (table 3.2)."""
    world = World(mode, Policy.from_profile("nist_aal2"))
    (locked,) = people(world, "ann", roles=("contractor",))
    world.clock.advance("2h")
    selection = Selection(role="contractor", ended=False)

    assert world.run(world.sessions.count_where(selection)) == 0
    world.run(world.sessions.revoke_where(selection))
    assert world.run(world.sessions.get(locked)).ended_at is not None


@BOTH
def test_what_makes_no_sense_is_refused(mode: Mode) -> None:
    """Everybody is for `revoke_all`, ended sessions cannot end again, and a store that cannot browse says so."""
    world = World(mode)
    (one,) = people(world, "ann")
    for selection in (Selection(), Selection(ended=False)):
        with pytest.raises(ValueError, match="revoke_all"):
            world.run(world.sessions.revoke_where(selection))
    for selection in (Selection(ended=True), Selection(reason="idle")):
        for verb in (world.sessions.revoke_where, world.sessions.count_where):
            with pytest.raises(ValueError, match="cannot be ended again"):
                world.run(verb(selection))
    traits = world.store.inner.traits
    narrow = replace(traits, capabilities=traits.capabilities - {Capability.BROWSE})
    type(world.store.inner).traits, before = narrow, type(world.store.inner).traits
    try:
        with pytest.raises(ConfigurationError, match="cannot browse"):
            world.run(world.sessions.revoke_where(Selection(role="x")))
    finally:
        type(world.store.inner).traits = before
    assert live(world) == {one}


@BOTH
def test_too_few_replicas_stop_nothing(mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where replicas are missing all that match end, they are asked for once more, and then it is said once."""
    world = World(mode)
    people(world, "ann", "bob", roles=("contractor",))
    end, calls = world.store.inner.end, 0

    async def unconfirmed(*args: Any, **terms: Any) -> Any:
        nonlocal calls
        calls += 1
        stone = await end(*args, **terms)
        raise Unconfirmed("0 of 1 replicas have it", ended=[stone] if stone is not None and calls <= 2 else ())

    monkeypatch.setattr(world.store.inner, "end", unconfirmed)
    with pytest.raises(Unconfirmed, match="2 sessions were ended, and too few replicas confirmed 2 of them"):
        world.run(world.sessions.revoke_where(Selection(role="contractor")))
    assert live(world) == set()

    async def late(*args: Any, **terms: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise Unconfirmed("0 of 1 replicas have it", ended=[await end(*args, **terms)])
        return await end(*args, **terms)

    calls = 0
    people(world, "cat", roles=("contractor",))
    monkeypatch.setattr(world.store.inner, "end", late)
    assert world.run(world.sessions.revoke_where(Selection(role="contractor"))) == 1


@BOTH
def test_an_outage_is_raised(mode: Mode) -> None:
    """A store that stops answering in the middle is told (promise 9)."""
    world = World(mode)
    people(world, "ann", "bob", roles=("contractor",))
    world.store.down = {"end"}

    with pytest.raises(StoreUnavailable):
        world.run(world.sessions.revoke_where(Selection(role="contractor")))


@BOTH
def test_whoever_came_back_meanwhile_stays(mode: Mode) -> None:
    """Somebody not seen for a week who makes a request while the walk is under way is not signed out."""
    world = World(mode, Policy(touch_every="1s"))
    people(world, "ann", "bob")
    world.clock.advance("6d")
    selection = Selection(seen_before=world.clock.now_ms - DAY)
    seen: list[str] = []

    def come_back(looked: int, _ended: int) -> None:
        if looked == 1:
            record = world.store.row()
            world.store.put(replace(record, last_seen_at=world.clock.now_ms))
            seen.append(record.id)

    assert world.run(world.sessions.revoke_where(selection, on_progress=come_back)) == 1
    assert live(world) == set(seen)


@BOTH
def test_an_outage_says_how_far_it_came(mode: Mode) -> None:
    """What had ended stays ended, and the error says how many and that one may run it again."""
    world = World(mode)
    people(world, "ann", "bob", "cid", roles=("contractor",))

    def fail(_looked: int, ended: int) -> None:
        if ended == 2:
            world.store.down.add("end")

    with pytest.raises(StoreUnavailable) as raised:
        world.run(world.sessions.revoke_where(Selection(role="contractor"), on_progress=fail))
    assert any("2 sessions were ended and stay ended" in note for note in raised.value.__notes__)
    world.store.down.clear()
    assert world.run(world.sessions.revoke_where(Selection(role="contractor"))) == 1
