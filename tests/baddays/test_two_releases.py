"""Two releases on one store: old sessions are read, new ones are neither misread nor harmed (promise 12)."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

import pytest

from coatcheck import UnreadableRecord, codec, tokens
from coatcheck.verbs import Seen
from tests.baddays._shop import PAGE, Shop, deleted, run, sign_in, unavailable, user_of
from tests.baddays._stored import NEWER, stored
from tests.baddays.conftest import Engine


def test_a_newer_releases_session_is_left_untouched(engine: Engine) -> None:
    """It is 503 with its cookie kept, for reading and writing, told once each; its own release serves it afterwards."""
    shop, rows = Shop(engine.url), stored(engine)

    async def story() -> None:
        async with shop.open(), shop.browser() as ada, shop.browser() as eve:
            token = await sign_in(ada, cart="lamp")
            session_id = token.partition(".")[0]
            rows.set_schema(session_id, NEWER)
            before = rows.raw(session_id)
            for method, path in (("GET", "/read"), ("POST", "/set?cart=pen"), ("POST", "/rotate")):
                for headers in ({}, PAGE):
                    assert unavailable(await ada.request(method, path, headers=headers)), path
            assert unavailable(await ada.post("/login?user=eve"))
            assert (await ada.get("/plain")).status_code == 200
            with pytest.raises(UnreadableRecord):
                await shop.sessions.set_roles("ada", ["admin"])
            assert (await shop.sessions.sweep()).total == 0
            assert rows.raw(session_id) == before
            told = shop.events.only("session.record_unreadable")
            assert {(event.session_id, event.details["schema"]) for event in told} == {(session_id, NEWER)}
            await sign_in(eve, "eve")
            rows.set_schema(session_id, NEWER - 1)
            assert (await ada.get("/read")).json() == {"user": "ada", "data": {"cart": "lamp"}, "reason": None}
            assert ada.cookies["session"] == token

    run(story)


def test_a_newer_releases_session_can_be_ended(engine: Engine) -> None:
    """Revoking works across releases: when the newer one serves the session again, it is over (promise 2)."""
    shop, rows = Shop(engine.url), stored(engine)

    async def story() -> None:
        async with shop.open(), shop.browser() as ada, shop.browser() as grace:
            for browser, user in ((ada, "ada"), (grace, "grace")):
                rows.set_schema((await sign_in(browser, user)).partition(".")[0], NEWER)
            assert await shop.sessions.revoke_user("ada") == 1
            assert await shop.sessions.revoke(grace.cookies["session"].partition(".")[0])
            for browser in (ada, grace):
                answer = await browser.get("/read")
                assert (answer.status_code, answer.json()["user"], deleted(answer)) == (200, None, True)

    run(story)


def test_signing_out_of_a_newer_releases_session(engine: Engine) -> None:
    """The cookie goes, and the answer says that the session itself was not ended (ruling 8)."""
    shop, rows = Shop(engine.url), stored(engine)

    async def story() -> None:
        async with shop.open(), shop.browser() as ada:
            rows.set_schema((await sign_in(ada)).partition(".")[0], NEWER)
            answer = await ada.post("/logout")
            assert (answer.status_code, deleted(answer)) == (503, True)

    run(story)


def test_a_session_of_the_first_release_is_read(engine: Engine) -> None:
    """A record with the fewest fields, written by hand, opens, changes, changes its ticket and ends as any other."""
    shop, rows = Shop(engine.url), stored(engine)

    async def story() -> None:
        async with shop.open():
            tag = tokens.user_tag(await shop.sessions.store.key(), "ada", tenant="")
            ticket = tokens.mint(secrets.token_bytes, tag=tag)
            digest = tokens.digest(ticket, tenant="")
            rows.write_first(ticket.id, digest, "ada", "cart", codec.encode("lamp"), int(time.time() * 1000))
            async with shop.browser(ticket.token) as ada:
                answer = await ada.get("/read")
                assert answer.json() == {"user": "ada", "data": {"cart": "lamp"}, "reason": None}
                assert (await ada.post("/set?size=large")).status_code == 200
                assert (await ada.post("/rotate")).status_code == 200
                assert (await ada.get("/read")).json()["data"] == {"cart": "lamp", "size": "large"}
                assert ada.cookies["session"] != ticket.token
                assert [info.id for info in await shop.sessions.list("ada")] == [ticket.id]
                assert (await ada.post("/logout")).status_code == 200
            ended = await shop.sessions.get(ticket.id)
            assert ended is not None
            assert ended.reason == "signed_out"

    run(story)


async def touch(shop: Shop, ada: Any) -> None:
    """Record activity, from another address than before."""
    session_id = ada.cookies["session"].partition(".")[0]
    [record] = await shop.sessions.store.find((session_id,))
    now = record.last_seen_at + 60_000
    seen = Seen(at=now, idle_expires_at=now + 600_000, address="2001:db8::1")
    done = await shop.sessions.store.touch(session_id, generation=record.generation, seen=seen, now=now)
    assert not isinstance(done, str), done


async def post(ada: Any, path: str) -> None:
    """Send a form."""
    assert (await ada.post(path)).status_code == 200


CHANGES: dict[str, Callable[[Shop, Any], Any]] = {
    "commit": lambda _shop, ada: post(ada, "/set?cart=pen&size=large"),
    "touch": touch,
    "rotate": lambda _shop, ada: post(ada, "/rotate"),
    "set_roles": lambda shop, _ada: shop.sessions.set_roles("ada", ["admin", "editor"]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_newer_release_added_is_kept(engine: Engine, change: str) -> None:
    """A later release may add fields without a new format: they survive every verb of this one, and harm none."""
    shop, rows = Shop(engine.url), stored(engine)

    async def story() -> None:
        async with shop.open(), shop.browser() as ada:
            session_id = (await sign_in(ada, cart="lamp")).partition(".")[0]
            rows.add_news(session_id)
            before = rows.raw(session_id)
            assert await user_of(ada) == "ada"
            await CHANGES[change](shop, ada)
            assert rows.raw(session_id) != before
            assert rows.has_news(session_id)
            assert await user_of(ada) == "ada"
            assert rows.has_news(session_id)

    run(story)
