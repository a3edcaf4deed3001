"""The named cases of the gate: the dead cookie on the sign-in page, prefetch, crawlers, caches, loading on demand."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from coatcheck.stores.memory import MemoryStore
from coatcheck.web.gate import Gate, Rule
from tests.web._gated import PAGE, PROGRAM, STRICT, ask, gated, sign_in
from tests.web._site import Outage, cookie_header, cookies_of


class Counting(MemoryStore):
    """A store that counts what it is asked."""

    def __init__(self) -> None:
        """Begin at nothing."""
        super().__init__()
        self.finds = self.touches = 0

    async def find(self, ids: Any) -> Any:
        """Find, and count."""
        self.finds += 1
        return await super().find(ids)

    async def touch(self, id: str, **facts: Any) -> Any:
        """Touch, and count."""
        self.touches += 1
        return await super().touch(id, **facts)


# --- a dead cookie on the sign-in page


@pytest.mark.parametrize("default", ["deny", "signed_in", "public"])
@pytest.mark.parametrize(
    ("death", "deleted"), [("idle", True), ("expired", True), ("revoked", True), ("unknown", False)]
)
def test_a_dead_cookie_does_not_loop(default: Any, death: str, deleted: bool) -> None:
    """S-57, promise 11: the sign-in page is 200 with a dead cookie, which it deletes if its secret was right."""
    world = gated(Gate([Rule("/:path*")] if default == "signed_in" else [], default=default))

    async def story() -> None:
        token = await sign_in(world)
        if death == "revoked":
            await world.sessions.revoke_user("ann")
        elif death == "unknown":
            token = ("A" if token[-2] != "A" else "B").join((token[:-2], token[-1]))
        else:
            world.clock.advance("8d" if death == "idle" else "31d")
        async with world.browser(**PAGE) as client:
            answer = await client.get("/login", headers=cookie_header(token))
            assert answer.status_code == 200
            assert any("Max-Age=0" in cookie for cookie in cookies_of(answer)) is deleted

    asyncio.run(story())


def test_a_browser_with_a_dead_cookie_arrives() -> None:
    """S-57: a browser that follows redirects comes to the sign-in page in one step, and its cookie is gone."""
    world = gated()

    async def story() -> None:
        token = await sign_in(world)
        await world.sessions.revoke_user("ann")
        async with world.browser(**PAGE) as client:
            client.cookies.set("session", token, domain="localhost.local")
            answer = await client.get("/account", follow_redirects=True)
            assert (answer.status_code, str(answer.url.path), len(answer.history)) == (200, "/login", 1)

    asyncio.run(story())


def test_a_superseded_cookie_is_kept() -> None:
    """Promise 11: a cookie that a newer one has replaced is answered 200 on the sign-in page and not deleted."""
    world = gated()

    async def story() -> None:
        token = await sign_in(world)
        async with world.browser() as client:
            assert (await client.post("/login?user=ann", headers=cookie_header(token))).status_code == 200
            answer = await client.get("/login", headers={**PAGE, **cookie_header(token)})
            assert answer.status_code == 200
            assert not cookies_of(answer)

    asyncio.run(story())


@pytest.mark.parametrize("signed_in", [False, True])
def test_the_sign_in_page_is_nobody_else_s(signed_in: bool) -> None:
    """S-61: the sign-in page is noindex and no-store, whatever its handler says and whoever asks."""
    world = gated()

    async def story() -> None:
        said = cookie_header(await sign_in(world)) if signed_in else {}
        async with world.browser() as client:
            answer = await client.get("/login", headers=said)
        assert answer.headers["x-robots-tag"] == "noindex"
        assert answer.headers["cache-control"] == "no-store, private"
        assert "Cookie" in answer.headers["vary"]

    asyncio.run(story())


# --- prefetch

PREFETCH = [{"sec-purpose": "prefetch"}, {"sec-purpose": "prefetch;prerender"}, {"purpose": "prefetch"}]


@pytest.mark.parametrize("purpose", PREFETCH, ids=str)
def test_a_prefetch_is_not_sent_to_sign_in(purpose: dict[str, str]) -> None:
    """A prefetch that needs a sign-in is 401 and no-store: a redirect would be kept and followed later."""
    world = gated()

    async def story() -> None:
        async with world.browser(**PAGE) as client:
            answer = await client.get("/account", headers=purpose)
            assert answer.status_code == 401
            assert "location" not in answer.headers
            assert answer.headers["cache-control"] == "no-store, private"
            assert (await client.get("/account")).status_code == 303

    asyncio.run(story())


@pytest.mark.parametrize("purpose", PREFETCH, ids=str)
def test_a_prefetch_renews_nothing(purpose: dict[str, str]) -> None:
    """A prefetch is answered as the user's, and neither counts as activity nor rotates; the visit after it does."""
    store = Counting()
    world = gated(store=store, policy=STRICT)

    async def story() -> None:
        token = await sign_in(world)
        world.clock.advance("2d")
        async with world.browser() as client:
            early = await client.get("/account", headers={**purpose, **cookie_header(token)})
            assert (early.status_code, cookies_of(early), store.touches) == (200, [], 0)
            world.clock.advance("2s")
            real = await client.get("/account", headers=cookie_header(token))
            assert real.status_code == 200
            assert cookies_of(real) or store.touches

    asyncio.run(story())


def test_prefetches_keep_nobody_signed_in() -> None:
    """A session that only prefetches ends with its idle timeout."""
    world = gated()

    async def story() -> None:
        token = await sign_in(world)
        async with world.browser(**PROGRAM) as client:
            said = {"sec-purpose": "prefetch", **cookie_header(token)}
            for status in (200, 200, 401):
                world.clock.advance("3d")
                assert (await client.get("/account", headers=said)).status_code == status

    asyncio.run(story())


# --- crawlers and caches


@pytest.mark.parametrize("headers", [PAGE, PROGRAM])
def test_a_path_that_is_no_text_is_refused_and_not_a_fault(headers: dict[str, str]) -> None:
    """S-54: what a server makes of octets that are not UTF-8 is 400, also where it leaves surrogates of them."""
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert asyncio.run(ask(gated(), "/x", headers=raw, scope={"path": "/\udcff"})).status == 400


def test_a_refused_path_loads_nothing() -> None:
    """Ruling 7: what is refused whoever asks is refused before the store is asked, also with load="always"."""
    store = Counting()
    world = gated(store=store)

    async def story() -> None:
        token = await sign_in(world)
        store.finds = 0
        for path in ("/unlisted", "//admin", "/blog/../admin"):
            assert (await ask(world, path, token=token)).status in (400, 403)
        assert store.finds == 0

    asyncio.run(story())


@pytest.mark.parametrize("load", ["always", "on_demand"])
@pytest.mark.parametrize("path", ["/", "/blog/a", "/plain"])
def test_a_crawler_gets_public_pages(path: str, load: Any) -> None:
    """S-61: without cookies a public page is 200 and cacheable, with no Set-Cookie, no Vary: Cookie and no id in it."""
    world = gated(load=load)

    async def story() -> None:
        transport = httpx.ASGITransport(world.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as crawler:
            answer = await crawler.get(path)
        assert answer.status_code == 200
        assert not cookies_of(answer)
        assert "vary" not in answer.headers
        assert "no-store" not in answer.headers.get("cache-control", "")
        if path == "/blog/a":
            assert answer.headers["cache-control"] == "public, max-age=600"

    asyncio.run(story())


@pytest.mark.parametrize("path", ["/hello", "/read"])
def test_a_public_page_that_looks_varies(path: str) -> None:
    """S-61: where the rule or the handler looks at the session, the answer says Vary: Cookie, for a crawler too."""
    world = gated()

    async def story() -> None:
        async with world.browser() as client:
            answer = await client.get(path)
        assert (answer.status_code, answer.headers["vary"]) == (200, "Cookie")
        assert "no-store" not in answer.headers.get("cache-control", "")

    asyncio.run(story())


def test_a_public_page_loads_nothing_on_demand() -> None:
    """S-55: with load="on_demand" public and refused paths ask the store nothing, a guarded one asks once."""
    store = Counting()
    world = gated(store=store, load="on_demand")

    async def story() -> None:
        token = await sign_in(world)
        store.finds = 0
        for path in ("/blog/a", "/unlisted", "//admin"):
            await ask(world, path, token=token)
        assert store.finds == 0
        assert (await ask(world, "/account", token=token)).status == 200
        assert store.finds == 1

    asyncio.run(story())


@pytest.mark.parametrize(
    ("path", "signed_in", "caching"),
    [
        ("/account", True, "no-store, private"),
        ("/account/feed", True, "public, max-age=600"),
        ("/hello", True, "no-store, private"),
        ("/hello", False, None),
        ("/blog/a", True, "public, max-age=600"),
    ],
)
def test_what_is_judged_for_a_user_is_private(path: str, signed_in: bool, caching: str | None) -> None:
    """K-3: an answer judged for a signed-in session is private, no-store unless its rule says may_store."""
    world = gated()

    async def story() -> None:
        said = cookie_header(await sign_in(world)) if signed_in else {}
        async with world.browser() as client:
            answer = await client.get(path, headers=said)
        assert answer.status_code == 200
        assert answer.headers.get("cache-control") == caching

    asyncio.run(story())


def test_a_renewed_cookie_is_never_stored() -> None:
    """K-1: may_store is about the handler's answer; with a new cookie in it, it is no-store all the same."""
    world = gated()

    async def story() -> None:
        token = await sign_in(world)
        world.clock.advance("25h")
        async with world.browser() as client:
            answer = await client.get("/account/feed", headers=cookie_header(token))
        assert cookies_of(answer)
        assert answer.headers["cache-control"] == "no-store, private"

    asyncio.run(story())


# --- outages


def test_an_outage_is_never_a_visitor() -> None:
    """Promise 9: a guarded path is 503 while the store is silent, and a public one is served."""
    store = Outage()
    world = gated(store=store)

    async def story() -> None:
        token = await sign_in(world)
        store.down = True
        for path, status in (("/account", 503), ("/hello", 503), ("/blog/a", 200), ("/unlisted", 403)):
            got = await ask(world, path, token=token)
            assert (path, got.status) == (path, status)

    asyncio.run(story())
