"""Caches: Vary on every kind of look, no-store with any cookie, and silence where nobody looked (K-1 to K-6)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from coatcheck import AsyncSession, Policy
from coatcheck.web.starlette import session_of
from tests.web._site import World, cookies_of


@dataclass
class Basket:
    """A typed view of the data."""

    items: int = 0


LOOKS: dict[str, Callable[[AsyncSession], Any]] = {
    "getitem": lambda session: session["a"],
    "get": lambda session: session.get("absent"),
    "in": lambda session: "absent" in session,
    "len": len,
    "bool": bool,
    "iter": list,
    "keys": lambda session: list(session.keys()),
    "items": lambda session: list(session.items()),
    "values": lambda session: list(session.values()),
    "eq": lambda session: session == {},
    "repr": repr,
    "pop": lambda session: session.pop("absent", None),
    "setdefault": lambda session: session.setdefault("a", "1"),
    "typed": lambda session: session.typed(Basket),
    "id": lambda session: session.id,
    "user_id": lambda session: session.user_id,
    "roles": lambda session: session.roles,
    "signed_in": lambda session: session.signed_in,
    "reason": lambda session: session.reason,
    "locked": lambda session: session.locked,
    "created_at": lambda session: session.created_at,
    "last_seen_at": lambda session: session.last_seen_at,
    "idle_expires_at": lambda session: session.idle_expires_at,
    "expires_at": lambda session: session.expires_at,
    "auth_time": lambda session: session.auth_time,
    "amr": lambda session: session.amr,
    "aal": lambda session: session.aal,
    "pending_user_id": lambda session: session.pending_user_id,
    "actor_id": lambda session: session.actor_id,
    "persistent": lambda session: session.persistent,
    "lifetime": lambda session: session.lifetime,
    "device": lambda session: session.device,
}


def looking(look: Callable[[AsyncSession], Any]) -> Route:
    """Make a route that looks at the session in one way."""

    async def endpoint(request: Request) -> Response:
        look(session_of(request))
        return PlainTextResponse("seen", headers={"vary": "Accept"})

    return Route("/look", endpoint)


@pytest.mark.parametrize("name", LOOKS)
def test_every_look_varies_by_cookie(name: str) -> None:
    """Every way of looking adds Vary: Cookie to what the handler said, for a holder and for a stranger (K-2)."""
    world = World(routes=[looking(LOOKS[name])])

    async def story() -> None:
        async with world.browser() as client:
            await client.post("/set?a=1")
            for answer in (await client.get("/look"),):
                assert answer.headers["vary"] == "Accept, Cookie"
        async with world.browser() as stranger:
            if name != "getitem":
                assert (await stranger.get("/look")).headers["vary"] == "Accept, Cookie"

    asyncio.run(story())


def test_every_public_property_is_among_the_looks() -> None:
    """No property of a session can be added without joining the list above (K-2)."""
    properties = {name for name in dir(AsyncSession) if isinstance(getattr(AsyncSession, name), property)}
    assert properties - {"user"} <= LOOKS.keys()


def test_who_does_not_look_is_served_without_a_trace() -> None:
    """A request that never looks has neither Vary nor Set-Cookie nor no-store, with a cookie or without (K-5)."""
    world = World()

    async def story() -> None:
        async with world.browser() as client:
            for _ in range(2):
                answer = await client.get("/plain")
                assert "vary" not in answer.headers
                assert "cache-control" not in answer.headers
                assert not cookies_of(answer)
                await client.post("/login?user=u1")
                world.clock.advance("1h")

    asyncio.run(story())


def test_a_cookie_forbids_storing_whatever_the_handler_says() -> None:
    """An answer with a session cookie is no-store, also where the handler said public (K-1, K-3, SM-19)."""
    world = World()

    async def story() -> None:
        async with world.browser() as client:
            answer = await client.post("/set?a=1")
            assert answer.headers["cache-control"] == "no-store, private"
            assert answer.headers["vary"] == "Cookie"

    asyncio.run(story())


async def _status(request: Request) -> Response:
    session = session_of(request)
    session["n"] = 1
    code = int(request.query_params["code"])
    if code in (301, 308):
        return RedirectResponse("/plain", status_code=code)
    if code == 404:
        raise HTTPException(404)
    return Response(status_code=code)


@pytest.mark.parametrize("code", [200, 204, 301, 304, 308, 404, 422, 500])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_every_status_is_guarded(code: int, method: str) -> None:
    """Errors, redirects, 304 and HEAD carry Vary and no-store like any other answer, and keep changes (K-4)."""
    world = World(routes=[Route("/status", _status)])

    async def story() -> None:
        async with world.browser() as client:
            answer = await client.request(method, f"/status?code={code}")
            assert answer.status_code == code
            assert answer.headers["vary"] == "Cookie"
            assert answer.headers["cache-control"] == "no-store, private"
            assert (await client.get("/read")).json()["data"] == {"n": 1}

    asyncio.run(story())


def test_a_resent_cookie_is_guarded_too() -> None:
    """Without an absolute deadline the cookie is sent again with recorded activity, and guarded (K-3, promise 6)."""
    world = World(policy=Policy(idle_timeout="1h", absolute_timeout=None, rotate_every=None))

    async def story() -> None:
        async with world.browser() as client:
            await client.post("/login?user=u1")
            world.clock.advance("30s")
            assert not cookies_of(await client.get("/read"))
            world.clock.advance("31s")
            answer = await client.get("/read")
            assert "Max-Age=3600" in cookies_of(answer)[0]
            assert answer.headers["cache-control"] == "no-store, private"
            assert not cookies_of(await client.get("/read"))

    asyncio.run(story())
