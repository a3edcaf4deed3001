"""The routes that every ASGI contender has; what a library does in each is a `Site`'s method."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from torture.rivals.wire import Body

Endpoint = Callable[[Request], Awaitable[Response]]


def numbers(session: Mapping[str, Any]) -> dict[str, int]:
    """Return the keys that the torture put there."""
    return {key: value for key, value in session.items() if key.startswith("k")}


async def work(request: Request) -> None:
    """Take as long as the request says, as a handler does that asks a database."""
    await asyncio.sleep(int(request.query_params.get("work", "0")) / 1000)


def user_of(request: Request) -> str:
    """Return the user that the request names."""
    return request.query_params["user"]


class Site:
    """What a library does in each route. The defaults are for libraries whose session is a plain mapping.

    `request.state` has what a route knows beside: `answer`, the response that is on its way, and `known`, what `check`
    returned.
    """

    async def who(self, request: Request) -> tuple[str | None, dict[str, int]]:
        """Return the user and the data that the request's session has."""
        return request.session.get("user"), numbers(request.session)

    async def put(self, request: Request, key: str, value: int) -> int:
        """Set one key; return the status."""
        request.session[key] = value
        return 200

    async def check(self, request: Request) -> Any:
        """Check a password: return what the library wants to know of that moment."""

    async def sign_in(self, request: Request) -> None:
        """Sign in, as the library's documentation advises."""
        request.session["user"] = user_of(request)

    async def sign_out(self, request: Request) -> None:
        """Sign out."""
        request.session.clear()

    async def renew(self, request: Request) -> None:
        """Ask for a new ticket."""
        raise NotImplementedError

    async def end_user(self, request: Request) -> None:
        """End all sessions of a user at once."""
        raise NotImplementedError

    async def end_each(self, request: Request) -> None:
        """List a user's sessions and end each by its id."""
        raise NotImplementedError


def answer(body: Body | None = None, status: int = 200) -> Response:
    """Return a body as JSON."""
    return Response(msgspec.json.encode(body or Body()), status, media_type="application/json")


def _endpoints(site: Site) -> dict[str, Endpoint]:
    async def read(request: Request) -> Response:
        user, data = await site.who(request)
        await work(request)
        return answer(Body(user, data))

    async def put(request: Request) -> Response:
        user, data = await site.who(request)
        await work(request)
        status = await site.put(request, request.query_params["key"], int(request.query_params["value"]))
        return answer(Body(user, data), status)

    async def sign_out(request: Request) -> Response:
        response = request.state.answer = answer()
        await site.sign_out(request)
        return response

    async def renew(request: Request) -> Response:
        await site.renew(request)
        return answer()

    return {"/read": read, "/set": put, "/in": _sign_in(site), "/out": sign_out, "/renew": renew, **_ending(site)}


def _sign_in(site: Site) -> Endpoint:
    async def sign_in(request: Request) -> Response:
        request.state.known = await site.check(request)
        response = request.state.answer = answer(Body(user_of(request), checked=time.monotonic_ns()))
        await work(request)
        await site.sign_in(request)
        return response

    return sign_in


def _ending(site: Site) -> dict[str, Endpoint]:
    async def end_user(request: Request) -> Response:
        await site.end_user(request)
        return answer()

    async def end_each(request: Request) -> Response:
        await site.end_each(request)
        return answer()

    return {"/end": end_user, "/each": end_each}


def routes(site: Site) -> list[Route]:
    """Return the site's routes."""
    methods = {"/read": ["GET"]}
    return [Route(path, act, methods=methods.get(path, ["POST"])) for path, act in _endpoints(site).items()]


def application(site: Site) -> Starlette:
    """Return an application with the site's routes and no middleware yet."""
    return Starlette(routes=routes(site))
