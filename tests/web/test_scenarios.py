"""The table of scenarios over coatcheck on each store, and over a rival whose defects are known."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from coatcheck.testing.giving_way import yielding
from coatcheck.tokens import mint
from tests.web import scenarios
from tests.web._site import LOCAL, Gate, World


class OurSite(World):
    """coatcheck as a site of the scenarios."""

    cookie = "session"

    def planted(self) -> str:
        """Return a ticket that nobody minted."""
        return mint(secrets.token_bytes).token


class StarsessionsSite:
    """starsessions 2.2, on its memory store, as its documentation says to use it."""

    cookie = "session"

    def __init__(self) -> None:
        """Build the same routes."""
        from starsessions import (
            InMemoryStore,
            SessionAutoloadMiddleware,
            SessionMiddleware,
            regenerate_session_id,
        )

        self.gates: dict[str, Gate] = {}
        self._regenerate: Any = regenerate_session_id
        routes = [
            Route("/read", self._read),
            Route("/set", self._set, methods=["POST"]),
            Route("/login", self._login, methods=["POST"]),
            Route("/logout", self._logout, methods=["POST"]),
            Route("/regenerate", self._rotate, methods=["POST"]),
            Route("/slow", self._slow, methods=["POST"]),
        ]
        self.app = Starlette(routes=routes)
        self.app.add_middleware(SessionAutoloadMiddleware)
        self.app.add_middleware(SessionMiddleware, store=InMemoryStore(), cookie_https_only=False, lifetime=3600)

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[httpx.AsyncClient]:
        """Open a browser."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=LOCAL) as client:
            yield client

    def planted(self) -> str:
        """Return an id of the rival's own shape that it never made."""
        return secrets.token_hex(16)

    async def _read(self, request: Request) -> Response:
        data = dict(request.session)
        return JSONResponse({"data": data, "user": data.get("user"), "reason": None})

    async def _set(self, request: Request) -> Response:
        request.session.update(dict(request.query_params))
        return PlainTextResponse("set")

    async def _login(self, request: Request) -> Response:
        self._regenerate(request)
        request.session["user"] = request.query_params["user"]
        return PlainTextResponse("in")

    async def _logout(self, request: Request) -> Response:
        request.session.clear()
        return PlainTextResponse("out")

    async def _rotate(self, request: Request) -> Response:
        self._regenerate(request)
        return PlainTextResponse("rotated")

    async def _slow(self, request: Request) -> Response:
        gate = self.gates[request.query_params["gate"]]
        await gate.wait()
        request.session.update({key: value for key, value in request.query_params.items() if key != "gate"})
        return PlainTextResponse("slow")


def memory(_folder: Path) -> OurSite:
    """Build the site on the memory store."""
    return OurSite()


def yielding_memory(_folder: Path) -> OurSite:
    """Build the site on a memory store that gives the loop a turn around each verb, as a networked one does."""
    from coatcheck.stores.memory import MemoryStore

    return OurSite(store=yielding(MemoryStore()))


def sqlite(folder: Path) -> OurSite:
    """Build the site on SQLite."""
    return OurSite(store=f"sqlite:///{folder / 'sessions.db'}")


def outcome_of(name: str, site: Any) -> str | None:
    """Run one scenario to its end."""

    async def run() -> str | None:
        try:
            return await scenarios.SCENARIOS[name](site)
        finally:
            if isinstance(site, World):
                await site.sessions.aclose()

    return asyncio.run(run())


@pytest.mark.parametrize("name", scenarios.SCENARIOS)
@pytest.mark.parametrize("build", [memory, yielding_memory, sqlite], ids=["memory", "yielding", "sqlite"])
def test_scenario(build: Any, name: str, tmp_path: Path) -> None:
    """Every scenario goes well on every store (promises 1, 2, 3, 5, 6)."""
    assert outcome_of(name, build(tmp_path)) is None


@pytest.mark.parametrize(
    "name",
    [
        "planted_id_is_never_adopted",
        "reading_writes_no_cookie",
        "the_old_id_dies_at_sign_in",
        "the_old_id_dies_at_regeneration",
        "a_late_write_does_not_resurrect",
    ],
)
def test_scenario_fails_on_a_rival(name: str) -> None:
    """The scenarios can fail: starsessions 2.2 shows the defects it is known for (SM-10, promises 2, 5 and 6)."""
    assert outcome_of(name, StarsessionsSite()) is not None


@pytest.mark.parametrize("name", ["data_survives_signing_in", "signing_out_is_idempotent", "garbage_is_a_stranger"])
def test_scenario_is_fair_to_a_rival(name: str) -> None:
    """The scenarios fail for defects alone: what starsessions does well goes well."""
    assert outcome_of(name, StarsessionsSite()) is None
