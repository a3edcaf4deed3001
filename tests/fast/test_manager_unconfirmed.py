"""Revocations that were written and that too few replicas confirmed: never taken for done (promises 2 and 9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from coatcheck import Policy, StoreUnavailable, Unconfirmed
from coatcheck.lifecycle import Cookie
from coatcheck.manager import ending
from coatcheck.model import Record, Tombstone, replace
from tests.fast._world import World
from tests.fast.conftest import Build

VERBS = ("end", "end_user", "end_all", "set_roles", "raise_epoch", "rotate")


class Replicas:
    """Makes the verbs of death do their work and then miss their confirmation, while ``missing``.

    What was done is said in the error, unless the store is not one that ``says`` it.
    """

    def __init__(self, world: World, *, says: bool = True) -> None:
        """Stand before the world's store."""
        self.missing, self.says = True, says
        self.calls: list[str] = []
        inner: Any = world.store.inner
        for name in VERBS:
            setattr(inner, name, self._wrapped(name, getattr(inner, name)))

    def _wrapped(self, name: str, verb: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **terms: Any) -> Any:
            answer = await verb(*args, **terms)
            self.calls.append(name)
            if self.missing:
                raise Unconfirmed("0 of 1 replicas confirmed it", **(done(answer) if self.says else {}))
            return answer

        return call


def done(answer: Any) -> dict[str, Any]:
    """Return what the error says of what would have been answered."""
    if isinstance(answer, int):
        return {"epoch": answer}
    if isinstance(answer, Record):
        return {"record": answer}
    listed = answer if isinstance(answer, tuple) else (answer,)
    return {"ended": [each for each in listed if isinstance(each, Tombstone)]}


ACTS: dict[str, Callable[[World, Any], Any]] = {
    "revoke": lambda world, session: world.sessions.revoke(session.id),
    "revoke_user": lambda world, session: world.sessions.revoke_user("ada"),
    "revoke_all": lambda world, session: world.sessions.revoke_all(),
    "set_roles": lambda world, session: world.sessions.set_roles("ada", ["editor"]),
}


@pytest.mark.parametrize("says", [True, False])
@pytest.mark.parametrize("act", ACTS)
def test_an_operators_revocation_says_that_it_is_not_confirmed(build: Build, act: str, *, says: bool) -> None:
    """Promise 9: the caller gets `Unconfirmed`, which is a `StoreUnavailable` of 503, and may ask again."""
    world = build()
    session = world.load(world.sign_in())
    replicas = Replicas(world, says=says)
    with pytest.raises(Unconfirmed) as caught:
        world.run(ACTS[act](world, session))
    assert isinstance(caught.value, StoreUnavailable)
    assert (caught.value.code, caught.value.status) == ("unconfirmed", 503)
    replicas.missing = False
    world.run(ACTS[act](world, session))


@pytest.mark.parametrize("act", ["revoke", "revoke_user", "revoke_all"])
def test_what_ended_is_told_though_it_is_not_confirmed(build: Build, act: str) -> None:
    """S-83: the session is over, and asking again finds nothing left to tell of: so it is told at once, and once."""
    world = build()
    session = world.load(world.sign_in())
    replicas = Replicas(world)
    with pytest.raises(Unconfirmed):
        world.run(ACTS[act](world, session))
    (told,) = world.events.only("session.ended")
    assert (told.session_id, told.details["reason"]) == (session.id, "revoked")
    replicas.missing = False
    world.run(ACTS[act](world, session))
    assert world.events.only("session.ended") == [told]


def test_everybody_out_goes_on_to_the_end(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ruling 11: with replicas missing all sessions end in one call all the same, and one error says so afterwards."""
    monkeypatch.setattr(ending, "BATCH", 2)
    world = build()
    tokens = [world.sign_in(f"user-{number}") for number in range(5)]
    replicas = Replicas(world)
    with pytest.raises(Unconfirmed, match="0 of 1 replicas"):
        world.run(world.sessions.revoke_all())
    assert [world.load(token).reason for token in tokens] == ["revoked"] * 5
    assert replicas.calls == ["raise_epoch", *["end_all"] * 4]
    assert len(world.events.only("session.ended")) == 5


def test_a_stolen_secrets_session_that_ended_is_told(build: Build) -> None:
    """Ruling 3, S-83: ending it for theft is told with what ended, and that it is not confirmed with the outages."""
    world = build(Policy(on_theft="end"))
    token = world.sign_in()
    world.clock.advance("24h")
    world.visit(world.visit(token)[1].token)
    world.clock.advance("1m")
    Replicas(world)
    assert world.load(token).user_id is None
    told = world.events.only("store.unavailable", "session.theft_suspected", "session.ended")
    assert [event.name for event in told] == ["store.unavailable", "session.theft_suspected", "session.ended"]
    assert (told[0].details["error"], told[1].details["ended"]) == ("Unconfirmed", True)


def test_a_rotation_that_was_written_sends_its_ticket(build: Build) -> None:
    """Promise 5: the old ticket is dead, so the new one leaves with the answer; the caller still learns of it."""
    world = build()
    old = world.sign_in(data={"n": 1})
    session = world.load(old)
    session["n"] = 2
    Replicas(world)
    with pytest.raises(Unconfirmed):
        world.run(session.rotate())
    assert (session.user_id, session["n"]) == ("ada", 2)
    new = world.sent(session)
    assert new != old
    assert (world.user(new), world.data(new), world.user(old)) == ("ada", {"n": 2}, None)
    assert [event.details["by"] for event in world.events.only("session.regenerated")] == ["privilege"]
    assert world.store.calls.count("commit") == 1, "what the rotation has written is not written again"


def test_a_rotation_that_says_what_it_wrote_needs_no_second_answer(build: Build) -> None:
    """Promise 5: the new ticket leaves also when the store goes silent right after the rotation."""
    world = build()
    session = world.load(world.sign_in())
    Replicas(world)
    world.store.down = {"find"}
    with pytest.raises(Unconfirmed):
        world.run(session.rotate())
    new = world.sent(session)
    world.store.down = set()
    assert world.user(new) == "ada"


@pytest.mark.parametrize("meanwhile", ["lost", "overtaken", "ended", "silent"])
def test_a_rotation_that_does_not_stand_sends_nothing(build: Build, meanwhile: str) -> None:
    """Promise 11: a ticket is sent only if it opens the session as it is now; a silent store is told of as well."""
    world = build()
    old = world.sign_in()
    session = world.load(old)
    before = world.store.row()
    Replicas(world, says=False)
    acts: dict[str, Callable[[], object]] = {
        "lost": lambda: world.store.put(before),
        "overtaken": lambda: world.store.put(replace(world.store.row(), secret_digest=b"\x01" * 33)),
        "ended": lambda: world.store.inner._bury(world.store.row(), "revoked", world.clock.now_ms),
    }
    if meanwhile == "silent":
        world.store.down = {"find"}
    else:
        world.store.before["find"] = acts[meanwhile]
    with pytest.raises(Unconfirmed):
        world.run(session.rotate())
    assert (session._state.cookie, session._state.held.token) == (Cookie.KEEP, old)
    assert not world.events.only("session.regenerated")
    assert len(world.events.only("store.unavailable")) == (meanwhile == "silent")


def test_a_rotation_by_age_signs_nobody_out(build: Build) -> None:
    """Ruling 3: whatever becomes of its answer, the old ticket opens the session and is given its successor."""
    world = build()
    old = world.sign_in()
    world.clock.advance("24h")
    replicas = Replicas(world)
    session, outcome = world.visit(old)
    assert (session.user_id, outcome.cookie) == ("ada", Cookie.KEEP)
    assert [event.details["error"] for event in world.events.only("store.unavailable")] == ["Unconfirmed"]
    replicas.missing = False
    session, outcome = world.visit(old)
    assert (session.user_id, outcome.cookie) == ("ada", Cookie.SEND)
    assert world.user(outcome.token) == "ada"


def test_a_sign_out_deletes_the_cookie_and_is_confirmed_later(build: Build) -> None:
    """Ruling 8: the browser is signed out at once, is told that it is not confirmed, and the same end is sent again."""
    world = build()
    token = world.sign_in()
    session = world.load(token)
    replicas = Replicas(world)
    with pytest.raises(Unconfirmed, match="not confirmed: too few replicas"):
        world.run(session.logout())
    assert world.save(session).cookie is Cookie.DELETE
    for _ in range(2):
        world.clock.advance("2s")
        assert world.load(token).reason == "signed_out"
        assert not world.events.only("logout.confirmed"), "the tombstone alone is no confirmation"
    replicas.missing = False
    world.clock.advance("2s")
    assert world.load(token).reason == "signed_out"
    assert replicas.calls == ["end"] * 4
    names = [event.name for event in world.events.only("logout.unconfirmed", "logout.confirmed", "session.ended")]
    assert names == ["session.ended", "logout.unconfirmed", "logout.confirmed"]
    assert not world.sessions._core.pending
