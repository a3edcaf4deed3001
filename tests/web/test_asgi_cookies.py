"""What the ASGI adapter does with cookies: names by transport, one Set-Cookie, deletions, strange input."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from coatcheck import ConfigurationError, Policy
from coatcheck.stores.memory import MemoryStore
from coatcheck.tokens import mint
from coatcheck.web.starlette import SessionMiddleware, session_of
from tests.web._site import LOCAL, PUBLIC, World, cookie_header, cookies_of


def drive(world: World, story: Callable[[World], Awaitable[None]]) -> None:
    """Run a story in an event loop of its own."""
    asyncio.run(story(world))  # type: ignore[arg-type]  # an async function gives a coroutine


class CountingStore(MemoryStore):
    """Counts how often it is asked."""

    asked = 0

    async def find(self, ids: Any) -> Any:
        """Count, then find."""
        self.asked += 1
        return await super().find(ids)


def test_https_cookie_has_every_safe_attribute() -> None:
    """On https the cookie is __Host-, Secure, HttpOnly, Lax, Path=/ and lives as long as the record (S-22 to S-26)."""

    async def story(world: World) -> None:
        async with world.browser(PUBLIC) as client:
            (cookie,) = cookies_of(await client.post("/login?user=u1"))
        name, _, attributes = cookie.partition(";")
        assert name.startswith("__Host-session=")
        parts = {part.strip() for part in attributes.split(";")}
        assert parts == {"Max-Age=2592000", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"}

    drive(World(), story)


def test_plain_http_on_localhost_uses_another_name() -> None:
    """On local plain http the cookie is `session` without Secure; each name is read on its scheme (ruling 6, S-23)."""

    async def story(world: World) -> None:
        async with world.browser(LOCAL) as client:
            (cookie,) = cookies_of(await client.post("/login?user=u1"))
        token = cookie.partition("=")[2].partition(";")[0]
        assert cookie.startswith("session=")
        assert "Secure" not in cookie
        for base, name, known in (
            (LOCAL, "session", True),
            (LOCAL, "__Host-session", False),
            (PUBLIC, "__Host-session", True),
            (PUBLIC, "session", False),
        ):
            async with world.browser(base) as client:
                seen = (await client.get("/read", headers=cookie_header(token, name))).json()
            assert (seen["user"] == "u1") is known, (base, name)

    drive(World(), story)


@pytest.mark.parametrize("path", ["/set?a=1", "/login?user=u1"])
def test_plain_http_elsewhere_is_refused_with_the_remedy(path: str) -> None:
    """Writing or signing in over plain http off localhost is a 500 that says what to write (ruling 6, S-76, N-5)."""

    async def story(world: World) -> None:
        async with world.browser("http://shop.example") as client:
            answer = await client.post(path)
            assert answer.status_code == 500
            assert not cookies_of(answer)
            assert "trusted_proxies" in answer.json()["detail"]
            assert (await client.get("/read")).json()["user"] is None

    drive(World(), story)


def test_allowed_http_host_works_and_is_the_one_loud_word() -> None:
    """`allow_http_hosts` lets a named host use plain http (ruling 6)."""

    async def story(world: World) -> None:
        async with world.browser("http://shop.example") as client:
            await client.post("/login?user=u1")
            assert (await client.get("/me")).json() == {"id": "u1"}

    drive(World(allow_http_hosts=["shop.example"]), story)


def test_scheme_behind_a_proxy_counts_only_from_trusted_hops() -> None:
    """X-Forwarded-Proto decides the cookie only where the proxy is named (S-76, 4.1.3)."""
    forwarded = {"x-forwarded-proto": "https", "origin": "https://shop.example"}

    async def names(world: World) -> str:
        async with world.browser("http://shop.example") as client:
            answer = await client.post("/login?user=u1", headers=forwarded)
            return cookies_of(answer)[0].partition("=")[0] if cookies_of(answer) else ""

    assert asyncio.run(names(World())) == ""
    assert asyncio.run(names(World(trusted_proxies=["127.0.0.1"]))) == "__Host-session"


def test_the_name_is_the_applications_choice() -> None:
    """`cookie_name="next.sid"` works end to end (S-27)."""

    async def story(world: World) -> None:
        async with world.browser(PUBLIC) as client:
            (cookie,) = cookies_of(await client.post("/login?user=u1"))
            assert cookie.startswith("next.sid=")
            assert (await client.get("/me")).status_code == 200

    drive(World(cookie_name="next.sid"), story)


def test_every_fault_of_the_options_is_named_at_once() -> None:
    """Wrong options are refused when the middleware is built, all of them together, with remedies (C-20, S-27)."""
    with pytest.raises(ConfigurationError) as caught:
        SessionMiddleware(
            lambda *_: None,  # type: ignore[arg-type,return-value]  # never called
            sessions=World().sessions,
            domain="shop.example",
            trusted_proxies=["not an address"],
            sign_in_url="javascript:x",
        )
    assert len(caught.value.faults) >= 3


def test_one_set_cookie_for_sign_in_change_and_rotation_in_one_request() -> None:
    """Whatever one request does, its answer has exactly one Set-Cookie of the name, and the last word wins (C-3)."""

    async def everything(request: Request) -> Response:
        session = session_of(request)
        await session.login("u1")
        session["a"] = 1
        await session.rotate()
        await session.logout()
        session["b"] = 2
        answer = PlainTextResponse("done")
        answer.set_cookie("session", "forged by the handler")
        answer.set_cookie("theme", "dark")
        return answer

    async def story(world: World) -> None:
        async with world.browser() as client:
            answer = await client.post("/everything")
            ours = [cookie for cookie in cookies_of(answer) if cookie.startswith("session=")]
            assert len(ours) == 1
            assert "forged" not in ours[0]
            assert len(cookies_of(answer)) == 2
            assert (await client.get("/read")).json() == {"data": {"b": 2}, "user": None, "reason": None}

    drive(World(routes=[Route("/everything", everything, methods=["POST"])]), story)


def test_signing_out_deletes_with_matching_attributes() -> None:
    """The deletion cookie has the cookie's own attributes, or a browser would ignore it (C-21, S-28)."""

    async def story(world: World) -> None:
        async with world.browser(PUBLIC) as client:
            await client.post("/login?user=u1")
            (cookie,) = cookies_of(await client.post("/logout"))
            assert cookie == "__Host-session=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"
            assert "__Host-session" not in client.cookies

    drive(World(), story)


@pytest.mark.parametrize(
    ("remember", "policy", "persistent"),
    [
        ("yes", Policy.web(), True),
        ("no", Policy.web(), False),
        ("", Policy.web(), True),
        ("", Policy.sensitive(), False),
    ],
)
def test_remember_chooses_whether_the_cookie_survives(remember: str, policy: Policy, persistent: bool) -> None:
    """`remember=` decides whether the cookie survives the browser; without it the policy does (ruling 2, S-09)."""

    async def story(world: World) -> None:
        async with world.browser() as client:
            (cookie,) = cookies_of(await client.post(f"/login?user=u1&remember={remember}"))
            assert ("Max-Age" in cookie) is persistent

    drive(World(policy=policy), story)


def test_max_age_is_never_less_than_the_record_has_left() -> None:
    """Max-Age is what is left of the absolute deadline, rounded up, also for a ticket sent later (ruling 17, S-25)."""

    async def story(world: World) -> None:
        async with world.browser() as client:
            await client.post("/login?user=u1")
            world.clock.advance("10d")
            await client.get("/read")
            world.clock.advance("1h")
            world.clock.advance("300ms")
            (cookie,) = cookies_of(await client.post("/regenerate"))
            age = int(re.search(r"Max-Age=(\d+)", cookie)[1])  # type: ignore[index]  # asserted by the match
            assert age == 20 * 86400 - 3600

    drive(World(policy=Policy(idle_timeout="20d")), story)


STRANGE = [
    "",
    "x" * 70,
    "a" * 1_000_000,
    mint(secrets.token_bytes).token + "A",
    mint(secrets.token_bytes).token.replace("0", "1", 1),
    "0AAA../../etc/passwd",
    "0AAA*{}:'; DROP TABLE",
]


@pytest.mark.parametrize("value", STRANGE, ids=range(len(STRANGE)))
def test_malformed_cookies_cost_no_store_call(value: str) -> None:
    """What cannot be a ticket is turned away before the store (SM-11)."""

    async def story(world: World) -> None:
        async with world.browser() as client:
            answer = await client.get("/read", headers=cookie_header(value))
        assert answer.status_code == 200
        assert not cookies_of(answer)
        assert world.sessions.store.asked == 0  # type: ignore[attr-defined]  # the counting store

    drive(World(store=CountingStore()), story)


@pytest.mark.parametrize(
    "spell",
    [
        lambda token: [f"session={token}; session={token}"],
        lambda token: [f"session={token}", f"session={token}"],
        lambda token: [f"\xa0session={token}"],
        lambda token: [f"\x85session={token}"],
        lambda token: [f"=session={token}"],
        lambda token: [f"SESSION={token}"],
        lambda token: [f'$Version=1; session="{token}"'],
        lambda token: [f"__Host-session={token}"],
    ],
    ids=["twice", "two headers", "nbsp", "nel", "nameless", "case", "quoted", "other name"],
)
def test_repeated_or_disguised_cookies_open_nothing(spell: Callable[[str], list[str]]) -> None:
    """A cookie that is repeated or under a disguised name opens nothing and costs no store call (C-10, C-22)."""

    async def story(world: World) -> None:
        async with world.browser() as client:
            await client.post("/login?user=u1")
            token = client.cookies["session"]
        store: Any = world.sessions.store
        store.asked = 0
        headers = [(b"host", b"localhost"), *((b"cookie", line.encode("latin-1")) for line in spell(token))]
        transport = httpx.ASGITransport(world.app)
        async with httpx.AsyncClient(transport=transport, base_url=LOCAL) as client:
            request = httpx.Request("GET", f"{LOCAL}/read", headers=headers)
            answer = await client.send(request)
        assert answer.json()["user"] is None
        assert store.asked == 0

    drive(World(store=CountingStore()), story)


def test_ids_offered_elsewhere_are_ignored() -> None:
    """A ticket in the query, a header or the body is ignored (SM-4, 14.2.1, S-12)."""

    async def story(world: World) -> None:
        async with world.browser() as client:
            await client.post("/login?user=u1")
            token = client.cookies["session"]
        async with world.browser() as client:
            answer = await client.get(
                f"/read?sid={token}&session={token}",
                headers={"authorization": f"Bearer {token}", "x-session": token},
            )
            assert answer.json()["user"] is None

    drive(World(), story)


def test_the_cookie_tells_nothing() -> None:
    """The cookie's bytes contain no user, role or datum, raw or decoded (S-01, S-30, SM-3, N-12)."""

    async def story(world: World) -> None:
        async with world.browser() as client:
            await client.post("/set?colour=turquoise")
            await client.post("/login?user=somebody")
            token = client.cookies["session"]
        assert re.fullmatch(r"0[\w-]{25}\.[\w-]{43}", token)
        for word in ("somebody", "user", "turquoise", "colour"):
            assert word not in token

    drive(World(), story)
