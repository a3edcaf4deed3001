"""One worker's clock is an hour off: it says so, and judges everybody by the store's clock (promise 8)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from coatcheck import Policy
from tests.baddays._shop import Shop, cookies_of, run, sign_in, user_of
from tests.baddays.conftest import Engine

HOUR = 3600
POLICY = Policy(idle_timeout="30m", absolute_timeout="50m", rotate_every=None)
TOLERANCE = 60_000
"""Milliseconds that a busy machine may put between two readings of one clock."""


class Clock:
    """This machine's clock, set wrong by some seconds."""

    def __init__(self, wrong: float = 0) -> None:
        """Be wrong by so many seconds."""
        self.wrong = wrong

    def __call__(self) -> float:
        """Return seconds since the Unix epoch."""
        return time.time() + self.wrong


def alarms(shop: Shop) -> list[int]:
    """Return by how many hours the store's clock was told to be ahead of the worker's."""
    told: list[Any] = [event.details["millis"] for event in shop.events.only("store.clock_drift")]
    assert all(abs(millis - round(millis / HOUR / 1000) * HOUR * 1000) < TOLERANCE for millis in told)
    return [round(millis / HOUR / 1000) for millis in told]


@pytest.mark.parametrize("wrong", [HOUR, -HOUR])
def test_a_worker_that_starts_with_a_wrong_clock_ends_nobody(engine: Engine, wrong: int) -> None:
    """An hour ahead would be past both timeouts, an hour behind before the sign-in: neither matters, and it is told."""
    right, off = Shop(engine.url, policy=POLICY), Shop(engine.url, policy=POLICY, clock=Clock(wrong))

    async def story() -> None:
        async with right.open(), off.open(), right.browser() as ada:
            token = await sign_in(ada)
            session_id = token.partition(".")[0]
            before = await right.sessions.get(session_id)
            async with off.browser(token) as elsewhere:
                answer = await elsewhere.get("/read")
                assert (answer.json()["user"], cookies_of(answer)) == ("ada", [])
                assert (await elsewhere.post("/set?cart=lamp")).status_code == 200
            assert (await off.sessions.sweep()).total == 0
            assert await user_of(ada) == "ada"
            after = await right.sessions.get(session_id)
            assert before is not None
            assert after is not None
            assert after.expires_at == before.expires_at
            assert abs((after.idle_expires_at or 0) - (before.idle_expires_at or 0)) < TOLERANCE
            assert (alarms(right), alarms(off)) == ([], [-wrong // HOUR])

    run(story)


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_clock_that_is_set_while_the_worker_runs(engine: Engine, jump: int) -> None:
    """The next request notices, tells it once and goes on by the store's clock, and so do later sign-ins."""
    clock = Clock()
    shop, right = Shop(engine.url, policy=POLICY, clock=clock), Shop(engine.url, policy=POLICY)

    async def story() -> None:
        async with shop.open(), right.open(), shop.browser() as ada, shop.browser() as grace:
            await sign_in(ada, cart="lamp")
            clock.wrong = jump
            assert await user_of(ada) == "ada"
            assert (await ada.post("/set?cart=pen")).status_code == 200
            await sign_in(grace, "grace")
            assert alarms(shop) == [-jump // HOUR]
            for browser, user in ((ada, "ada"), (grace, "grace")):
                async with right.browser(browser.cookies["session"]) as elsewhere:
                    assert await user_of(elsewhere) == user
            [info] = await right.sessions.list("grace")
            assert abs(info.created_at - time.time() * 1000) < TOLERANCE
            clock.wrong = 0
            assert await user_of(ada) == "ada"
            assert (await right.sessions.sweep()).total == 0

    run(story)


@pytest.mark.parametrize("wrong", [0, -HOUR])
def test_a_slow_clock_revives_nobody(engine: Engine, monkeypatch: pytest.MonkeyPatch, wrong: int) -> None:
    """A session that the store's clock has ended opens nothing on a worker an hour behind, and takes no write."""
    past = Shop(engine.url, policy=POLICY, clock=Clock(-HOUR))
    monkeypatch.setattr(past.sessions.store, "clock", stopped(-HOUR))
    late = Shop(engine.url, policy=POLICY, clock=Clock(wrong))

    async def story() -> None:
        async with past.open(), late.open(), past.browser() as ada:
            token = await sign_in(ada, cart="lamp")
            assert await user_of(ada) == "ada"
            async with late.browser(token) as browser:
                answer = await browser.get("/read")
                assert (answer.json()["user"], answer.json()["reason"]) == (None, "idle")
                assert (await late.sessions.list("ada"), await late.sessions.count()) == ([], 0)
                await browser.post("/set?cart=pen")
                assert (await browser.get("/read")).json() == {"user": None, "data": {"cart": "pen"}, "reason": None}
                assert browser.cookies["session"] != token
            await late.sessions.sweep()
            ended = await late.sessions.get(token.partition(".")[0])
            assert ended is not None
            assert ended.reason == "idle"

    run(story)


def stopped(wrong: float) -> Callable[[], Any]:
    """Return a store's clock that agrees with a wrong worker: how a session of an hour ago is made without waiting."""

    async def clock() -> int:
        return int((time.time() + wrong) * 1000)

    return clock
