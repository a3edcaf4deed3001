"""Sessions of Starlette and of starsessions are taken over: nobody is signed out, nobody comes back from the dead."""

from __future__ import annotations

import asyncio
import logging
import string
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from coatcheck import Policy
from coatcheck.lifecycle import LATE_WINDOW
from coatcheck.moving import StarletteCookies
from tests.web._moving import DATA, DAY, EVERY, KINDS, LOCAL, SIGNED, SITE, TWO_WEEKS, Move, set_cookies, told

MonkeyPatch = pytest.MonkeyPatch
STORES = pytest.mark.parametrize("store", ["memory://", "sqlite"])


def url(store: str, folder: Path) -> str:
    """Return the URL of a store in a folder of its own."""
    return f"sqlite:///{folder}/sessions.db" if store == "sqlite" else store


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


# -- nobody comes back from the dead

Ending = Callable[[Move, str], Awaitable[object]]


async def _logout(move: Move, credential: str) -> None:
    async with move.browser(credential) as client:
        assert (await client.post("/act?do=logout")).status_code == 200


async def _revoke(move: Move, credential: str) -> None:
    assert await move.sessions.revoke(await move.moved(credential))


async def _revoke_user(move: Move, credential: str) -> None:
    await move.moved(credential)
    assert await move.sessions.revoke_user("ada") == 1


async def _revoke_all(move: Move, credential: str) -> None:
    await move.moved(credential)
    assert await move.sessions.revoke_all() >= 1


async def _expire(move: Move, credential: str) -> None:
    await move.moved(credential)
    move.clock.advance("8d")  # beyond the idle timeout, within the credential's own life


async def _evict(move: Move, credential: str) -> None:
    await move.moved(credential)
    async with move.browser() as client:
        move.clock.advance("1m")
        await client.post("/act?do=login&user=ada")


async def _replace(move: Move, credential: str) -> None:
    async with move.browser(credential) as client:
        await client.get("/")
        await client.post("/act?do=login&user=ada")
        await client.post("/act?do=logout")


async def _displace(move: Move, credential: str) -> None:
    async with move.browser(credential) as client:
        await client.get("/")
        await client.post("/act?do=login&user=bob")


ENDINGS: dict[str, Ending] = {
    "logout": _logout,
    "revoke": _revoke,
    "revoke_user": _revoke_user,
    "revoke_all": _revoke_all,
    "idle": _expire,
    "evicted": _evict,
    "signed in anew and out": _replace,
    "somebody else signed in": _displace,
}
FORGETFUL = Policy(keep_ended="1s", max_ended=1, max_sessions=1)


@EVERY
@STORES
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_replayed_credential_stays_dead(
    kind: str, store: str, ending: str, monkeypatch: MonkeyPatch, tmp_path: Path
) -> None:
    """Promise 2, issue 5.1: after each kind of end the credential opens nothing, also once its tombstone is gone."""
    move = Move(KINDS[kind](), monkeypatch, store=url(store, tmp_path), policy=FORGETFUL)

    async def story() -> None:
        credential = await move.credential()
        row = dict(getattr(getattr(move.before, "store", None), "data", {}))
        await ENDINGS[ending](move, credential)
        for later in ("1s", "30m", "3d"):
            if hasattr(getattr(move.before, "store", None), "data"):
                vars(move.before)["store"].data.update(row)  # as if it had not been ended there
            assert await move.whose(credential) is None
            move.clock.advance(later)
            await move.sessions.sweep()
        assert await move.whose(credential) is None
        await move.sessions.aclose()

    told(story)


@pytest.mark.parametrize("kind", sorted(SIGNED))
@pytest.mark.parametrize(
    "ending", ["logout", "revoke", "revoke_user", "signed in anew and out", "somebody else signed in"]
)
def test_an_older_copy_of_a_signed_cookie_stays_dead(kind: str, ending: str, monkeypatch: MonkeyPatch) -> None:
    """Issue 5.1: a per-user cutoff refuses signed cookies from before a sign-out, which no id connects with it."""
    move = Move(KINDS[kind](), monkeypatch, policy=FORGETFUL)

    async def story() -> None:
        older = await move.credential()
        move.clock.advance("1h")
        newer = await move.credential(cookie=older)
        assert newer != older
        await ENDINGS[ending](move, newer)
        for later in ("1s", "30m", "6d"):
            assert await move.whose(older) is None
            move.clock.advance(later)
            await move.sessions.sweep()
        assert await move.whose(older) is None

    told(story)
    assert "revoked" in move.refusals()


def test_another_device_survives_a_sign_out(monkeypatch: MonkeyPatch) -> None:
    """Issue 5.1: where credentials have an id, a sign-out ends one; a legacy session elsewhere moves as ever."""
    move = Move(KINDS["starsessions"](), monkeypatch)

    async def story() -> None:
        laptop, phone = await move.credential(), await move.credential()
        await _logout(move, laptop)
        assert await move.whose(phone) == "ada"
        assert await move.whose(laptop) is None

    told(story)


@EVERY
@pytest.mark.parametrize("where", ["by the application", "by another process"])
@pytest.mark.parametrize("act", ["revoke_user", "set_roles"])
def test_what_was_not_moved_yet_is_revoked_too(kind: str, where: str, act: str, monkeypatch: MonkeyPatch) -> None:
    """Promise 2: revoke_user and set_roles reach legacy sessions nobody has brought yet, until the window ends."""
    store = Move(KINDS[kind](), monkeypatch).sessions.store
    move = Move(KINDS[kind](), monkeypatch, store=store, policy=Policy(keep_ended="1s", absolute_timeout="13d"))

    async def story() -> None:
        await move.whose(await move.credential("/visit"))  # the window is open
        credential = await move.credential()
        sessions = move.sessions if where == "by the application" else move.manager(store)
        await (sessions.revoke_user("ada") if act == "revoke_user" else sessions.set_roles("ada", ["guest"]))
        for _ in range(5):  # the epoch is forgotten after a day and a second
            move.clock.advance("1d")
            await move.sessions.sweep()
        assert await move.sessions.epoch("ada") == 0
        assert await move.whose(credential) is None
        move.clock.advance("1s")
        assert await move.whose(await move.credential()) == (
            "ada" if kind in SIGNED or kind == "starsessions" else None
        )

    told(story)
    assert move.refusals() == ["revoked"]


def test_everybody_out_reaches_what_was_not_moved(monkeypatch: MonkeyPatch) -> None:
    """Ruling 11: what was issued before revoke_all is refused for ever, and what came later is not."""
    move = Move(KINDS["starlette"](), monkeypatch, policy=FORGETFUL)

    async def story() -> None:
        before = await move.credential()
        move.clock.advance("1s")
        await move.sessions.revoke_all()
        for _ in range(4):
            move.clock.advance("1d")
            await move.sessions.sweep()
            assert await move.whose(before) is None
        after = await move.credential()
        assert await move.whose(after) == "ada"
        await move.sessions.revoke_user("ada")  # the cutoffs begin again with the new epoch
        move.clock.advance("5d")
        await move.sessions.sweep()
        assert await move.whose(await move.credential(cookie=after)) == "ada"
        assert await move.whose(after) is None

    told(story)


def test_a_signature_has_several_spellings(monkeypatch: MonkeyPatch) -> None:
    """Issue 5.1: a credential is known by what its signature covers, so another spelling of it is the same one."""
    move = Move(KINDS["starlette"](), monkeypatch)

    async def story() -> None:
        credential = await move.credential()
        twins = [credential[:-1] + letter for letter in (*string.ascii_letters, *string.digits, "-", "_")]
        source = move.moving.source
        twins = [twin for twin in (*twins, credential + "=", credential + "==") if source.identify(twin)]
        assert len(twins) > 1
        assert len({await move.moved(twin) for twin in twins}) == 1
        await _logout(move, credential)
        for twin in twins:
            assert await move.whose(twin) is None

    told(story)


def test_a_copy_of_the_credential_is_an_old_secret(monkeypatch: MonkeyPatch) -> None:
    """Ruling 3: once the new ticket was seen, the credential is refused after the grace, and that is told."""
    move = Move(KINDS["starlette"](), monkeypatch)

    async def story() -> None:
        credential = await move.credential()
        async with move.browser(credential) as client:
            await client.get("/")
            await client.get("/")
            assert await move.whose(credential) == "ada"  # a tab that was slower
            move.clock.advance("31s")
            assert await move.whose(credential) is None
            assert (await client.get("/")).json()["user"] == "ada"
        move.clock.advance(f"{LATE_WINDOW}ms")
        assert await move.whose(credential) is None

    told(story)
    assert len(move.events.only("session.theft_suspected")) == 2


def test_a_sign_out_takes_the_credential_along(monkeypatch: MonkeyPatch) -> None:
    """C-21: a sign-out deletes both cookies, also where the browser had kept the old one."""
    move = Move(KINDS["starlette"](), monkeypatch)

    async def story() -> None:
        credential = await move.credential()
        async with move.browser(credential) as client:
            await client.get("/")
            client.cookies.set("session", credential, domain="shop.example")
            answer = await client.post("/act?do=logout")
            assert set(set_cookies(answer)) == {"session", "__Host-session"}
            assert len(client.cookies) == 0

    told(story)


# -- what is none of ours


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
        await _logout(first, credential)
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
