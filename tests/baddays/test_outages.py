"""The store fails while the application runs: 503 and nothing else changes, until it is back (promise 9, ruling 8)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.baddays._shop import PAGE, Shop, cookies_of, deleted, run, said, served, sign_in, unavailable, until, user_of
from tests.baddays.conftest import PASSWORD, Engine
from tests.servers.proxy import Direction

FAULTS: dict[str, Callable[[Engine], None]] = {
    "cut": lambda engine: engine.proxy.cut(),
    "half-open": lambda engine: engine.proxy.stall(),
    "slow": lambda engine: engine.proxy.delay(60_000),
    "frozen": lambda engine: engine.server.freeze(),
    "killed": lambda engine: engine.server.kill(),
}
"""Ways in which a store does not answer; `Engine.mend` ends each."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_silent_store_is_an_outage(engine: Engine, fault: str, caplog: pytest.LogCaptureFixture) -> None:
    """Promise 9: who needs a session gets 503 while the fault lasts, others their page; then all is as it was.

    The answers come although the fault does not end, so it is the store's timeout that bounds the wait.
    """
    shop = Shop(engine.url)

    async def story() -> None:
        async with shop.open(), shop.browser() as ada, shop.browser() as stranger:
            token = await sign_in(ada, cart="lamp")
            FAULTS[fault](engine)
            refused = await asyncio.gather(
                ada.get("/read"),
                ada.get("/read", headers=PAGE),
                ada.post("/set?cart=pen"),
                ada.post("/rotate"),
                stranger.post("/login?user=eve"),
                stranger.post("/set?cart=pen"),
            )
            assert all(unavailable(answer) for answer in refused)
            kinds = [answer.headers["content-type"].partition(";")[0] for answer in refused[:2]]
            assert kinds == ["application/problem+json", "text/html"]
            assert (await ada.get("/plain")).status_code == 200
            assert (await stranger.get("/read")).json() == {"user": None, "data": {}, "reason": None}
            engine.mend()
            await served(ada)
            answer = await ada.get("/read")
            assert answer.json() == {"user": "ada", "data": {"cart": "lamp"}, "reason": None}
            assert (cookies_of(answer), ada.cookies["session"]) == ([], token)

    run(story)
    assert PASSWORD not in said(caplog.records)


@pytest.mark.parametrize("fault", ["cut", "frozen"])
def test_many_wait_no_longer_than_one(engine: Engine, fault: str) -> None:
    """Promise 9: a crowd of requests is answered while the store is still silent, and no connection is lost by it."""
    shop = Shop(engine.url)

    async def story() -> None:
        async with shop.open(), shop.browser() as ada:
            await sign_in(ada)
            FAULTS[fault](engine)
            answers = await asyncio.gather(*(ada.get("/read") for _ in range(60)))
            answers += await asyncio.gather(*(ada.post(f"/set?n={number}") for number in range(40)))
            assert all(unavailable(answer) for answer in answers)
            engine.mend()
            await served(ada)
            again = await asyncio.gather(*(ada.get("/read") for _ in range(60)))
            assert [answer.status_code for answer in again] == [200] * 60

    run(story)


def test_a_store_that_is_a_little_slow_is_no_outage(engine: Engine) -> None:
    """An answer within the store's timeout counts, however busy the network."""
    shop = Shop(engine.url)

    async def story() -> None:
        async with shop.open(), shop.browser() as ada:
            await sign_in(ada)
            engine.proxy.delay(60)
            assert await user_of(ada) == "ada"
            assert (await ada.post("/set?n=1")).status_code == 200

    run(story)


def test_a_lost_answer_is_not_a_lost_session(engine: Engine) -> None:
    """Promises 3 and 9: a write whose answer was lost is told as 503; it was made wholly or not at all."""
    shop = Shop(engine.url)

    async def story() -> None:
        async with shop.open(), shop.browser() as ada:
            await sign_in(ada, a="old", b="old")
            assert await user_of(ada) == "ada"
            load = shop.sessions.store.find

            async def load_and_stall(ids: list[str]) -> object:
                found = await load(ids)
                engine.proxy.stall(Direction.ANSWERS)
                return found

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(shop.sessions.store, "find", load_and_stall)
                assert unavailable(await ada.post("/set?a=new&b=new"))
            engine.mend()
            await served(ada)
            answer = (await ada.get("/read")).json()
            assert answer["user"] == "ada"
            assert answer["data"] in ({"a": "old", "b": "old"}, {"a": "new", "b": "new"})

    run(story)


SIGN_OUT_FAULTS = {name: FAULTS[name] for name in ("cut", "frozen", "killed")}


@pytest.mark.parametrize("fault", SIGN_OUT_FAULTS)
def test_signing_out_in_an_outage(engine: Engine, fault: str) -> None:
    """Ruling 8: 503 "not confirmed", and the cookie deleted; the session ends by itself once the store is back."""
    shop, other = Shop(engine.url), Shop(engine.url)

    async def story() -> None:
        async with shop.open(), other.open(), shop.browser() as ada, shop.browser() as somebody:
            token = await sign_in(ada)
            await sign_in(somebody, "grace")
            session_id = token.partition(".")[0]
            SIGN_OUT_FAULTS[fault](engine)
            answer = await ada.post("/logout")
            assert (answer.status_code, deleted(answer)) == (503, True), answer.text
            assert "session" not in ada.cookies
            assert shop.events.only("logout.unconfirmed")
            engine.mend()
            await served(somebody)
            async with shop.browser(token) as thief:
                assert await user_of(thief) is None

            async def ended() -> bool:
                await somebody.get("/read")  # any request of this worker may be the one that tries again
                info = await other.sessions.get(session_id)
                assert info is not None
                return info.reason == "signed_out"

            await until(ended)
            async with other.browser(token) as thief:
                assert await user_of(thief) is None
            assert [event.session_id for event in shop.events.only("session.ended")] == [session_id]

    run(story)
