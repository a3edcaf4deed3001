"""Nobody comes back from the dead: whatever ended a moved session, its old credential opens nothing any more."""

from __future__ import annotations

import string
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from coatcheck import Policy
from coatcheck.lifecycle import LATE_WINDOW
from tests.web._moving import (
    EVERY,
    FORGETFUL,
    KINDS,
    SIGNED,
    Move,
    set_cookies,
    sign_out,
    told,
    url,
)

MonkeyPatch = pytest.MonkeyPatch
STORES = pytest.mark.parametrize("store", ["memory://", "sqlite"])


Ending = Callable[[Move, str], Awaitable[object]]


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
    "logout": sign_out,
    "revoke": _revoke,
    "revoke_user": _revoke_user,
    "revoke_all": _revoke_all,
    "idle": _expire,
    "evicted": _evict,
    "signed in anew and out": _replace,
    "somebody else signed in": _displace,
}


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
        await sign_out(move, laptop)
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
        await sign_out(move, credential)
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
