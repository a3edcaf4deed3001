"""Sessions of Starlette and of starsessions are taken over: nobody is signed out, nobody comes back from the dead."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from coatcheck import Policy
from tests.web._moving import DATA, DAY, EVERY, KINDS, LOCAL, TWO_WEEKS, Move, set_cookies, told, url

MonkeyPatch = pytest.MonkeyPatch
STORES = pytest.mark.parametrize("store", ["memory://", "sqlite"])


# -- nobody is signed out


@EVERY
@STORES
def test_who_was_signed_in_still_is(kind: str, store: str, monkeypatch: MonkeyPatch, tmp_path: Path) -> None:
    """Issue 5.1: a session moves with its user, data and roles; the old cookie goes, the old row is ended."""
    move = Move(
        KINDS[kind](), monkeypatch, store=url(store, tmp_path), roles_of=lambda data: ["editor", data["user_id"]]
    )

    async def story() -> None:
        async with move.browser(await move.credential()) as client:
            answer = await client.get("/")
            assert (answer.json()["user"], answer.json()["data"]) == ("ada", DATA)
            assert answer.json()["roles"] == ["ada", "editor"]
            said = set_cookies(answer)
            assert said["session"] == "; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"
            assert set(said) == {"session", "__Host-session"}
            assert answer.headers["cache-control"] == "no-store, private"
            assert await move.before.holds() in {0, None}
            again = await client.get("/")
            assert (again.json(), set_cookies(again)) == (answer.json(), {})
        assert [info.id for info in await move.sessions.list("ada")] == [answer.json()["id"]]
        await move.sessions.aclose()

    told(story)
    (event,) = move.events.only("session.created")
    assert (event.user_id, str(event.details["by"]).startswith("moving from st")) == ("ada", True)


@EVERY
def test_a_visitors_data_moves(kind: str, monkeypatch: MonkeyPatch) -> None:
    """Issue 5.1: a session without a user becomes an anonymous one, with its data."""
    move = Move(KINDS[kind](), monkeypatch)

    async def story() -> None:
        async with move.browser(await move.credential("/visit")) as client:
            seen = (await client.get("/")).json()
            assert (seen["user"], seen["data"]) == (None, {"cart": ["apple"]})
            assert seen["id"] == (await client.get("/")).json()["id"]

    told(story)


@EVERY
@STORES
def test_tabs_at_once_get_one_session(kind: str, store: str, monkeypatch: MonkeyPatch, tmp_path: Path) -> None:
    """Issue 5.1: a credential maps atomically to one session: 20 tabs that come at once get the same ticket."""
    move = Move(KINDS[kind](), monkeypatch, store=url(store, tmp_path))

    async def story() -> None:
        credential = await move.credential()

        async def tab() -> tuple[str, str, str]:
            async with move.browser(credential) as client:
                answer = await client.get("/")
                return answer.json()["user"], answer.json()["id"], set_cookies(answer)["__Host-session"]

        assert len({await done for done in asyncio.as_completed([tab() for _ in range(20)])}) == 1
        assert len(await move.sessions.list("ada")) == 1
        await move.sessions.aclose()

    told(story)
    assert len(move.events.only("session.created")) == 1
    assert move.refusals() == []


@EVERY
def test_a_lost_answer_signs_nobody_out(kind: str, monkeypatch: MonkeyPatch) -> None:
    """Issue 5.1, promise 5: whose answer was lost brings the credential again, also days later, and gets the ticket."""
    move = Move(KINDS[kind](), monkeypatch)

    async def story() -> None:
        credential = await move.credential()
        first = await move.moved(credential)
        move.clock.advance("5d")
        async with move.browser(credential) as client:
            assert (await client.get("/")).json()["id"] == first
            assert (await client.get("/")).json()["user"] == "ada"

    told(story)


def test_a_request_that_looks_at_nothing_keeps_the_credential(monkeypatch: MonkeyPatch) -> None:
    """Promise 6, ruling 14: neither a request that never looks nor a prefetch takes the credential away."""
    move = Move(KINDS["starsessions"](), monkeypatch)

    async def story() -> None:
        async with move.browser(await move.credential()) as client:
            answer = await client.get("/plain")
            assert (set_cookies(answer), answer.headers.get("vary")) == ({}, None)
            assert set_cookies(await client.get("/", headers={"sec-purpose": "prefetch"})) == {}
            assert set(set_cookies(await client.get("/"))) == {"session", "__Host-session"}

    told(story)


def test_on_plain_http_both_cookies_have_one_name(monkeypatch: MonkeyPatch) -> None:
    """Ruling 6: where ours is called as theirs was, one answer replaces the one by the other."""
    move = Move(KINDS["starlette"](), monkeypatch)

    async def story() -> None:
        credential = await move.credential()
        async with move.browser(credential, base=LOCAL) as client:
            answer = await client.get("/")
            assert (answer.json()["user"], len(answer.headers.get_list("set-cookie"))) == ("ada", 1)
            assert client.cookies["session"] != credential
            assert (await client.get("/")).json()["user"] == "ada"
        assert move.events.only("cookie.rejected") == []
        assert await move.whose("no.session.at-all", base=LOCAL) is None

    told(story)


# -- the deadline is carried over


@EVERY
def test_the_deadline_is_not_restarted(kind: str, monkeypatch: MonkeyPatch) -> None:
    """Issue 5.1: a session lives as long as it would have lived, whatever the policy would give a new one."""
    move = Move(KINDS[kind](), monkeypatch, policy=Policy(idle_timeout="30d", absolute_timeout="30d"))

    async def story() -> None:
        began = move.clock.now_ms
        credential = await move.credential()
        move.clock.advance("10d")
        async with move.browser(credential) as client:
            answer = await client.get("/")
            (info,) = await move.sessions.list("ada")
            assert info.expires_at == began + TWO_WEEKS * 1000
            assert f"Max-Age={4 * 86_400};" in set_cookies(answer)["__Host-session"]
            move.clock.advance("3d")
            assert (await client.get("/")).json()["user"] == "ada"
            move.clock.advance("1d")
            assert (await client.get("/")).json()["user"] is None
        assert await move.whose(credential) is None

    told(story)


def test_the_policys_end_comes_first_where_it_is_nearer(monkeypatch: MonkeyPatch) -> None:
    """Issue 5.1, promise 8: the absolute clock runs from the beginning of the session, where that is known."""
    move = Move(KINDS["starsessions"](), monkeypatch, policy=Policy(idle_timeout="1d", absolute_timeout="12d"))

    async def story() -> None:
        began, credential = move.clock.now_ms, await move.credential()
        move.clock.advance("10d")
        await move.moved(credential)
        (info,) = await move.sessions.list("ada")
        assert (info.expires_at, info.idle_expires_at) == (began + 12 * DAY, move.clock.now_ms + DAY)

    told(story)


@EVERY
def test_what_was_over_stays_over(kind: str, monkeypatch: MonkeyPatch) -> None:
    """Promise 2: a credential that the library before would have refused for its age opens nothing."""
    move = Move(KINDS[kind](), monkeypatch)

    async def story() -> None:
        credential = await move.credential()
        move.clock.advance("14d")
        assert await move.whose(credential) is None

    told(story)
    assert (move.refusals(), move.events.only("session.created")) == (["unknown"], [])


def test_a_cookie_that_ended_with_the_browser_still_does(monkeypatch: MonkeyPatch) -> None:
    """Issue 5.1: who had a session cookie does not get one that survives the browser."""
    before = KINDS["starlette"]()
    vars(before)["max_age"] = None
    move = Move(before, monkeypatch)

    async def story() -> None:
        async with move.browser(await move.credential()) as client:
            assert "Max-Age" not in set_cookies(await client.get("/"))["__Host-session"]

    told(story)


def test_nobody_proved_anything_by_moving(monkeypatch: MonkeyPatch) -> None:
    """Promise 5, ASVS 7.5.3: a moved session is not fresh, and has no assurance level."""
    move = Move(KINDS["starlette"](), monkeypatch, policy=Policy(aal=2))

    async def story() -> None:
        await move.moved(await move.credential())
        (info,) = await move.sessions.list("ada")
        assert (info.auth_time, info.aal, info.amr) == (None, None, ())

    told(story)
