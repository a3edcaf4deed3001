"""Sign-ins that only one request may finish, on every engine, with requests that really overlap."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest

from coatcheck import AsyncSessions, CommitRefused, Policy
from coatcheck.testing import CapturedEvents, FrozenClock
from tests.stores._postgres import Place

AT_ONCE: Final = 8
POLICY: Final = Policy.from_profile("nist_aal2")


@pytest.fixture(params=["memory", "sqlite", "redis", "cluster", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of an empty store of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'sessions.db'}"
    if request.param == "postgresql":
        place = Place(request.getfixturevalue("postgres15"), "privilege_races")
        place.prepare()
        return str(place.url)
    if request.param == "memory":
        return "memory://"
    server = request.getfixturevalue("redis_server" if request.param == "redis" else "redis_cluster")
    return str(server.url)


class Site:
    """A manager on an engine, in a tenant of its own."""

    def __init__(self, url: str, tenant: str) -> None:
        """Build it; nothing is opened."""
        self.clock, self.events = FrozenClock(), CapturedEvents()
        self.sessions = AsyncSessions(url, policy=POLICY, tenant=tenant, clock=self.clock, listeners=[self.events])

    async def sent(self, session: Any) -> str:
        """Answer the request and return the cookie's value."""
        token = (await self.sessions.save(session)).token
        assert token is not None
        return token

    async def race(self, token: str, do: Callable[[Any], Awaitable[None]]) -> int:
        """Load *token* in several requests and do the same in all of them at once; count those who succeed."""
        loaded = [await self.sessions.load(token) for _ in range(AT_ONCE)]
        answers = await asyncio.gather(*(do(session) for session in loaded), return_exceptions=True)
        tokens = [(await self.sessions.save(session)).token for session in loaded]
        assert sum(token is not None for token in tokens) == 1
        assert all(answer is None or isinstance(answer, CommitRefused) for answer in answers), answers
        return sum(answer is None for answer in answers)


def test_of_many_that_finish_a_sign_in_one_is_signed_in(url: str) -> None:
    """10.2, GHSA-xg6x-h9c9-2m83: a half-finished sign-in is finished once, however many codes are right at once."""

    async def run() -> None:
        site = Site(url, "finishing")
        session = await site.sessions.load(None)
        session["cart"] = [1]
        await session.begin_login("ada", amr=["pwd"])
        token = await site.sent(session)
        assert await site.race(token, lambda each: each.finish_login(amr=["otp"])) == 1
        assert [info.amr for info in await site.sessions.list("ada")] == [("pwd", "otp")]
        await site.sessions.aclose()

    asyncio.run(run())


def test_of_many_that_resume_a_session_one_goes_on_with_its_data(url: str) -> None:
    """NIST 3.2, promise 2: one session is left, and it has the data; nobody else got a ticket."""

    async def run() -> None:
        site = Site(url, "resuming")
        session = await site.sessions.load(None)
        await session.login("ada", amr=["pwd", "otp"], aal=2)
        session["draft"] = "half a letter"
        token = await site.sent(session)
        site.clock.advance("1h")
        assert await site.race(token, lambda each: each.resume(amr=["pwd"])) == 1
        [info] = await site.sessions.list("ada")
        assert (info.aal, info.data_bytes > 0) == (2, True)
        await site.sessions.aclose()

    asyncio.run(run())


def test_of_many_ways_back_one_is_taken(url: str) -> None:
    """Promises 5, 11: one request gets the ticket of one's own session, and no other takes it away again."""

    async def run() -> None:
        site = Site(url, "returning")
        session = await site.sessions.load(None)
        await session.login("joan", roles=["operator"])
        await session.impersonate("ada")
        token = await site.sent(session)
        assert await site.race(token, lambda each: each.stop_impersonating()) == 1
        assert (len(await site.sessions.list("joan")), await site.sessions.list("ada")) == (1, [])
        await site.sessions.aclose()

    asyncio.run(run())
