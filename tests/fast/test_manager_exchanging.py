"""Exchange tickets: what one gives, once, and what takes it away before."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from coatcheck import AsyncSessions, Policy, Sessions
from coatcheck.errors import TooLate
from coatcheck.manager import exchanging
from coatcheck.model import replace
from coatcheck.runtime import finish
from coatcheck.state import Phase
from coatcheck.stores.memory import MemoryStore
from coatcheck.testing import yielding
from tests.fast.conftest import Build
from tests.fast.test_manager_issuing import redeem, ticket_for


def test_a_ticket_is_used_once(build: Build) -> None:
    """S-12: the first use signs its user in with a new id; every later one is that of nobody."""
    world = build()
    made = ticket_for(world, roles=["editor"], amr=["otp"], remember=True)
    session = redeem(world, made.token)
    token = world.sent(session)
    found = world.load(token)
    assert (found.user_id, found.roles, found.amr, found.lifetime) == ("ada", ("editor",), ("otp",), "remember_me")
    assert token[:26] != made.session.id
    assert redeem(world, made.token) is None
    assert [event.details["by"] for event in world.events.only("session.created")] == ["exchange"]


def test_looking_uses_nothing(build: Build) -> None:
    """14.2.1: as many looks as one likes, and nothing is written."""
    world = build()
    made = ticket_for(world, next="/orders?page=2")
    world.store.calls.clear()
    offers = [world.run(exchanging.look_up(world.sessions._core, made.token)) for _ in range(3)]
    assert {(offer.pending.user_id, offer.next) for offer in offers} == {("ada", "/orders?page=2")}
    assert world.store.writes == []


def test_the_secret_and_the_carrier_are_both_asked_for(build: Build) -> None:
    """SM-4, 7.2.2: the public id with another secret is nobody's, and so is a record that is no exchange ticket's."""
    world = build()
    made, other = ticket_for(world), ticket_for(world, "eve")
    core = world.sessions._core
    assert world.run(exchanging.look_up(core, made.token[:27] + other.token[27:])) is None
    record = world.store.inner._rows.live[made.session.id]
    world.store.put(replace(record, origin=replace(record.origin, carrier="bearer")))
    assert world.run(exchanging.look_up(core, made.token)) is None
    assert world.run(exchanging.look_up(core, other.token)) is not None


def test_it_dies_in_time(build: Build) -> None:
    """10.1: the ticket is short-lived, and its time is the server's."""
    world = build()
    made = ticket_for(world, within="2m")
    world.clock.advance("119s")
    assert world.run(exchanging.look_up(world.sessions._core, made.token)) is not None
    world.clock.advance("1s")
    assert redeem(world, made.token) is None


def test_it_is_on_no_list_and_counts_towards_no_limit(build: Build) -> None:
    """E-9: a link in a mail is no session: it evicts nobody and nobody is shown it."""
    world = build(Policy(max_sessions=1))
    token = world.sign_in()
    ticket_for(world)
    assert [info.id for info in world.run(world.sessions.list("ada"))] == [token[:26]]
    assert world.user(token) == "ada"


@pytest.mark.parametrize("what", ["revoke_user", "set_roles"])
def test_what_ends_the_users_sessions_ends_it(build: Build, what: str) -> None:
    """Promise 2: signing out everywhere, and a change of roles, refuse a ticket that was made before."""
    world = build()
    made = ticket_for(world, roles=["admin"])
    world.run(world.sessions.revoke_user("ada") if what == "revoke_user" else world.sessions.set_roles("ada", []))
    assert redeem(world, made.token) is None
    assert world.events.only("exchange.refused")[-1].details["why"] == "stale"
    assert world.run(world.sessions.list("ada")) == []


def test_for_one_browser(build: Build) -> None:
    """CS-16: a ticket for the browser that asked is refused in another one, and not used up by that."""
    world = build()
    asking = world.visitor(cart=[1])
    made = ticket_for(world, for_browser=asking[:26])
    assert redeem(world, made.token) is None
    assert redeem(world, made.token, world.load(world.visitor(cart=[2]))) is None
    session = redeem(world, made.token, world.load(asking))
    assert (session.user_id, dict(session)) == ("ada", {"cart": [1]})


@pytest.mark.parametrize(
    ("options", "word"),
    [({"next": "https://evil.example"}, "next"), ({"next": "//evil.example"}, "next"), ({"next": ""}, "next"),
     ({"next": "/a b"}, "next"), ({"next": "/\\evil.example"}, "next"), ({"within": "25h"}, "within"),
     ({"within": "0s"}, "within"), ({"for_browser": "somebody"}, "for_browser")],
)  # fmt: skip
def test_arguments_are_checked(build: Build, options: Any, word: str) -> None:
    """10.4, W-9: what would lead to another site, live too long or bind to nothing is refused."""
    world = build()
    with pytest.raises(ValueError, match=word):
        ticket_for(world, **options)
    assert world.store.writes == []


@pytest.mark.parametrize("seed", range(6))
def test_of_twenty_at_once_one_signs_in(seed: int) -> None:
    """10.2: twenty clients with one ticket, interleaved in every store verb, make one session."""

    async def story() -> int:
        sessions = AsyncSessions(yielding(MemoryStore(), seed=seed))
        made = await sessions.issue_exchange("ada")
        core = sessions._core

        async def client() -> bool:
            offer = await exchanging.look_up(core, made.token)
            return offer is not None and await exchanging.redeem((await sessions.load(None))._state, offer)

        done = await asyncio.gather(*(client() for _ in range(20)))
        assert len(await sessions.list("ada")) == 1
        return sum(done)

    assert asyncio.run(story()) == 1


def test_of_twenty_threads_one_signs_in(tmp_path: Any) -> None:
    """10.2: the same with threads on one SQLite file."""
    with Sessions(f"sqlite:///{tmp_path}/s.db") as sessions, ThreadPoolExecutor(20) as pool:
        made = sessions.issue_exchange("ada")

        def client(_: int) -> bool:
            offer = finish(exchanging.look_up(sessions._core, made.token))
            return offer is not None and finish(exchanging.redeem(sessions.load(None)._state, offer))

        assert sum(pool.map(client, range(20))) == 1
        assert len(sessions.list("ada")) == 1


def test_nothing_is_used_where_no_cookie_can_be_sent(build: Build) -> None:
    """N-5: a request that cannot carry the new ticket home leaves the exchange ticket as it is."""
    world = build()
    made = ticket_for(world)
    session = world.load()
    world.save(session)
    session._state.phase = Phase.ANSWERED
    with pytest.raises(TooLate):
        redeem(world, made.token, session)
    assert redeem(world, made.token) is not None
