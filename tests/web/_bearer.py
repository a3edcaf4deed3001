"""A site with bearer tokens switched on, and what its clients send."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from coatcheck.web.starlette import session_of
from tests.web._site import LOCAL, World, cookie_header

OTHER_SITE = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}


async def fresh(request: Request) -> Response:
    """Ask for a fresh sign-in at level 2."""
    session_of(request).require_fresh("5m", aal=2)
    return PlainTextResponse("fresh")


async def form(request: Request) -> Response:
    """Give out a form's token."""
    return JSONResponse({"token": await session_of(request).csrf_token()})


def world_of(*, bearer: bool = True, **options: Any) -> World:
    """Build the site with tokens switched on."""
    return World(routes=[Route("/fresh", fresh), Route("/form", form)], bearer=bearer, **options)


def told(story: Callable[[World, httpx.AsyncClient], Awaitable[None]], *, base: str = LOCAL, **options: Any) -> World:
    """Run *story* with a site and a client, and return the site."""
    world = world_of(**options)

    async def run() -> None:
        async with world.browser(base) as client:
            await story(world, client)

    asyncio.run(run())
    return world


async def issue(world: World, user_id: str = "ada", **options: Any) -> str:
    """Issue a token."""
    return (await world.sessions.issue(user_id, **options)).token


async def cookie(world: World, user_id: str = "bob") -> dict[str, str]:
    """Sign in without a browser, and return the header with its cookie."""
    session = await world.sessions.load(None)
    await session.login(user_id)
    token = (await world.sessions.save(session)).token
    assert token is not None
    return cookie_header(token)


def bearing(token: str, scheme: str = "Bearer") -> dict[str, str]:
    """Return the header with a token."""
    return {"authorization": f"{scheme} {token}"}
