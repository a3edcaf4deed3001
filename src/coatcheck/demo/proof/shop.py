"""A small shop, the same for every library; what a library does its own way is a method to override."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

THINGS: Final = ("coffee", "bread", "milk", "tea")
"""What the shop sells: each is a key of its own in the session."""

Act = Callable[[Request], Awaitable[None]]


class Gate:
    """Holds requests inside their handlers until a number of them is there and the experiment lets them go."""

    def __init__(self, requests: int) -> None:
        """Wait for so many *requests*."""
        self._expected = requests
        self._full = asyncio.Event()
        self._open = asyncio.Event()

    async def hold(self) -> None:
        """Stay until the gate opens. Called by the handler, after its session was read."""
        self._expected -= 1
        if self._expected <= 0:
            self._full.set()
        await self._open.wait()

    async def full(self) -> None:
        """Wait until all requests are inside."""
        await self._full.wait()

    def open(self) -> None:
        """Let them go."""
        self._open.set()


class Shop(ABC):
    """The shop on a library whose session is a plain mapping. One is made for each run and thrown away after it."""

    key: str
    cookie: str = "session"
    limited: bool = False
    """Whether the library can limit how many sessions a user has."""

    def __init__(self) -> None:
        """Begin without gates and with nobody known."""
        self.gates: dict[str, Gate] = {}
        self.app: ASGIApp = self.around(Starlette(routes=self.routes()))

    @abstractmethod
    def around(self, app: Starlette) -> ASGIApp:
        """Put the library's middleware around *app*."""

    @abstractmethod
    def planted(self) -> str:
        """Return a cookie value of the library's own shape that it never made."""

    @abstractmethod
    async def sign_in(self, request: Request, user: str) -> None:
        """Sign *user* in, as the library's documentation advises."""

    async def sign_out(self, request: Request) -> None:
        """Sign out, as the library's documentation advises."""
        request.session.clear()

    async def add(self, request: Request, thing: str) -> None:
        """Put one thing into the cart."""
        request.session[thing] = 1

    def user_of(self, request: Request) -> str | None:
        """Return who is signed in."""
        user: str | None = request.session.get("user")
        return user

    async def close(self) -> None:
        """Let every request go that is still held."""
        for gate in self.gates.values():
            gate.open()

    def routes(self) -> list[Route]:
        """Return the shop's addresses."""

        async def nothing(_request: Request) -> None: ...

        async def add(request: Request) -> None:
            await self.add(request, _thing(request))

        async def sign_in(request: Request) -> None:
            await self.sign_in(request, request.query_params.get("user", "vera"))

        return [
            self.route("/", nothing, "GET"),
            self.route("/add", add, "POST"),
            self.route("/sign-in", sign_in, "POST"),
            self.route("/sign-out", self.sign_out, "POST"),
        ]

    def route(self, path: str, act: Act, method: str) -> Route:
        """Return an address: it waits at its gate, acts, and says who is signed in and what is in the cart."""

        async def endpoint(request: Request) -> Response:
            gate = self.gates.get(request.query_params.get("gate", ""))
            if gate is not None:
                await gate.hold()
            await act(request)
            cart = [thing for thing in THINGS if thing in request.session]
            return JSONResponse({"user": self.user_of(request), "cart": cart})

        return Route(path, endpoint, methods=[method])


def _thing(request: Request) -> str:
    thing = request.query_params.get("thing", "")
    if thing not in THINGS:
        raise HTTPException(400)
    return thing
