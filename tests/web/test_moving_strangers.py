"""What is moved and what is not: strangers' cookies, the window's end, other sites, outages, what cannot be kept."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from coatcheck import Policy
from coatcheck.moving import StarletteCookies
from tests.web._moving import (
    DATA,
    EVERY,
    FORGETFUL,
    KINDS,
    SITE,
    Move,
    set_cookies,
    sign_out,
    told,
)

MonkeyPatch = pytest.MonkeyPatch


@pytest.mark.parametrize("shown", ["", "null", "garbage", "a.b.c", "\u00e9", "x" * 4000, "0" * 70])
@EVERY
def test_what_nobody_made_costs_no_row(kind: str, shown: str, monkeypatch: MonkeyPatch) -> None:
    """Promise 1: a cookie that the library before did not make is nobody's, and neither a row nor an error."""
    move = Move(KINDS[kind](), monkeypatch)

    async def story() -> None:
        async with move.browser() as client:
            answer = await client.get("/", headers=[(b"cookie", b"session=" + shown.encode())])
            assert (answer.status_code, answer.json()["user"], set_cookies(answer)) == (200, None, {})
        # One row tells that a window is open, once for all.
        assert await move.sessions.count() <= 1

    told(story)
    assert move.events.only("session.created") == []


def test_a_wrong_key_is_nobody(monkeypatch: MonkeyPatch) -> None:
    """Issue 5.1: with another key nobody is signed in, the cookie stays for the right one, and it is told."""
    move = Move(KINDS["starlette"](), monkeypatch, source=StarletteCookies("another key"))

    async def story() -> None:
        async with move.browser(await move.credential()) as client:
            answer = await client.get("/")
            assert (answer.status_code, answer.json()["user"], set_cookies(answer)) == (200, None, {})

    told(story)
    assert move.refusals() == ["unverified"]


def test_a_ticket_of_ours_counts_alone(monkeypatch: MonkeyPatch) -> None:
    """Promise 1: beside a ticket of ours the old cookie is not looked at, and neither is one that is there twice."""
    move = Move(KINDS["starlette"](), monkeypatch)

    async def story() -> None:
        credential = await move.credential()
        async with move.browser(credential) as client:
            for ours in ("0" + "A" * 25 + "." + "A" * 43, "garbage"):
                client.cookies.set("__Host-session", ours, domain="shop.example")
                assert (await client.get("/")).json()["user"] is None
        async with move.browser() as client:
            twice = [(b"cookie", f"session={credential}; session={credential}".encode())]
            assert (await client.get("/", headers=twice)).json()["user"] is None

    told(story)


def test_after_the_window_nothing_is_moved(monkeypatch: MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Issue 5.1: after the last day the option does nothing and says so once."""
    move = Move(KINDS["starlette"](), monkeypatch, until="2026-01-05")

    async def story() -> None:
        move.clock.advance("3d")
        early, late = await move.credential(), await move.credential("/visit")
        move.clock.advance("1d11h")  # the last minute but one
        assert await move.whose(early) == "ada"
        move.clock.advance("1h")
        with caplog.at_level(logging.WARNING, "coatcheck"):
            assert await move.whose(late) is None
            assert await move.whose(early) is None
        assert [record.message for record in caplog.records if "is over" in record.message] == [
            "Moving(until='2026-01-05') is over: it does nothing any more, remove it"
        ]

    told(story)


def test_a_window_is_not_extended(monkeypatch: MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Promise 2: a later day written afterwards would bring back what was ended, so it does not count."""
    first = Move(KINDS["starlette"](), monkeypatch, until="2026-01-05", policy=FORGETFUL)
    later = Move(KINDS["starlette"](), monkeypatch, until="2026-02-05", store=first.sessions.store, policy=FORGETFUL)

    async def story() -> None:
        credential = await later.credential()
        await sign_out(first, credential)
        with caplog.at_level(logging.WARNING, "coatcheck"):
            assert await later.whose(credential) is None
        assert "was changed to a later day" in caplog.text
        for _ in range(4):
            later.clock.advance("2d")
            await later.sessions.sweep()
            assert await later.whose(credential) is None

    told(story)


def test_another_sites_form_is_refused(monkeypatch: MonkeyPatch) -> None:
    """CS-1: the old cookie identifies a browser as ours does, so a form of another site is refused."""
    move = Move(KINDS["starsessions"](), monkeypatch)

    async def story() -> None:
        async with move.browser(await move.credential()) as client:
            for said in ({"origin": "https://evil.example"}, {"origin": SITE, "sec-fetch-site": "cross-site"}):
                assert (await client.post("/act?do=set", headers=said)).status_code == 403
            assert await move.before.holds() == 1  # and nothing was moved
            del client.headers["origin"]
            for do in ("set", "reload"):
                assert (await client.post(f"/act?do={do}")).status_code == 403
            assert (await client.post("/act?do=set", headers={"origin": SITE})).status_code == 200

    told(story)


def test_a_value_that_cannot_be_kept_is_told(monkeypatch: MonkeyPatch) -> None:
    """Promise 12: what is too large for a session here is left out and named; the user stays signed in."""
    move = Move(KINDS["starsessions"](), monkeypatch, policy=Policy(data_limit=600, data_warning=500))
    monkeypatch.setitem(DATA, "history", "x" * 1000)

    async def story() -> None:
        assert await move.whose(await move.credential()) == "ada"

    told(story)
    (event,) = move.events.only("session.created")
    assert event.details["left_out"] == "history"


def test_a_silent_legacy_store_is_an_outage(monkeypatch: MonkeyPatch) -> None:
    """Promise 9: where the old store does not answer nobody is taken for a visitor; afterwards the session moves."""
    before: Any = KINDS["starsessions"]()
    move = Move(before, monkeypatch)

    async def story() -> None:
        credential = await move.credential()
        async with move.browser(credential) as client:
            for verb in ("read", "remove"):
                with monkeypatch.context() as patched:
                    patched.setattr(before.store, verb, _fail)
                    answer = await client.get("/")
                    assert (answer.status_code, set_cookies(answer)) == (503, {})
            assert (await client.get("/")).json()["user"] == "ada"
        assert await before.holds() == 0

    told(story)


async def _fail(*_: Any, **__: Any) -> Any:
    raise ConnectionError("redis://:secret@db.internal refused")


def test_on_demand_moves_when_it_is_asked(monkeypatch: MonkeyPatch) -> None:
    """Issue 5.1: load="on_demand" moves a session when a sign-out asks for it, and never before."""
    move = Move(KINDS["starlette"](), monkeypatch, middleware={"load": "on_demand"})

    async def story() -> None:
        credential = await move.credential()
        async with move.browser(credential) as client:
            await client.get("/plain")
            assert move.events.only("session.created") == []
            assert (await client.post("/act?do=logout")).status_code == 200
            assert (await client.post("/act?do=load")).status_code == 200
        assert [event.details["reason"] for event in move.events.only("session.ended")] == ["signed_out"]

    told(story)
