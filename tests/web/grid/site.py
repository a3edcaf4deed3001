"""An application that is set up for one scenario: its browsers, gates, clock, store and faults."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from typing import Any, Protocol

import httpx

from coatcheck import AsyncSessions, Policy, Sessions
from coatcheck.stores.contract import Store
from coatcheck.testing import FrozenClock
from coatcheck.tokens import mint
from coatcheck.web.settings import test_hosts
from tests.web.grid.gates import Gate
from tests.web.grid.grounds import Ground
from tests.web.grid.store import faulty
from tests.web.scenarios import LOCAL, Faults, Scenario


class Adapter(Protocol):
    """One framework with coatcheck: what its file has to give."""

    name: str
    """The framework's name for people."""
    blocks: bool
    """Whether its handlers block; it then has a `coatcheck.Sessions`, and its requests run in threads."""
    wsgi: bool
    """Whether what `build` returns is a WSGI application."""

    def build(self, site: OurSite, options: Mapping[str, Any]) -> Any:
        """Return the application with the routes of `tests.web.grid.deeds`; *options* are the middleware's."""
        ...


class Browsing:
    """Browsers and gates, for every site."""

    cookie = "session"
    public_cookie = "__Host-session"
    blocks = False
    wsgi = False
    app: Any
    refuse: Callable[[httpx.Response], Awaitable[None]] | None = None
    """Looks at every answer before the scenario does."""

    def __init__(self) -> None:
        """Begin with no gates and no faults."""
        self.gates: dict[str, Gate] = {}
        self.clock = FrozenClock()
        self.faults = Faults()

    def gate(self, name: str) -> Gate:
        """Return a gate, made when it is first asked for."""
        return self.gates.setdefault(name, Gate(blocking=self.blocks))

    @asynccontextmanager
    async def browser(self, base: str = LOCAL, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
        """Open a browser; it says that its forms are the site's own."""
        said = {"origin": base, "sec-fetch-site": "same-origin", **headers}
        inner = _InThreads(self.app) if self.wsgi else _InTasks(self.app)
        hooks = {"response": [self.refuse]} if self.refuse else {}
        async with httpx.AsyncClient(transport=inner, base_url=base, headers=said, event_hooks=hooks) as client:
            yield client

    def planted(self) -> str:
        """Return a ticket that nobody minted."""
        return mint(secrets.token_bytes).token


class OurSite(Browsing):
    """Coatcheck in one framework on one store."""

    def __init__(self, adapter: Adapter, ground: Ground, scenario: Scenario) -> None:
        """Build the application as the scenario wants it."""
        super().__init__()
        self.blocks, self.wsgi = adapter.blocks, adapter.wsgi
        self.cookie = getattr(adapter, "cookie", self.cookie)
        self.public_cookie = getattr(adapter, "public_cookie", self.public_cookie)
        self.at_the_end = ExitStack()
        store = ground.store(blocking=adapter.blocks)
        settings: dict[str, Any] = {
            "policy": Policy(**{"sweep_every": None, "count_every": None, **self.policy_of(scenario)}),
            "tenant": store.tenant,
            "clock": self.clock,
        }
        watched = self.store_of(store)
        self.manager: Any = Sessions(watched, **settings) if adapter.blocks else AsyncSessions(watched, **settings)
        self.app = adapter.build(self, self.options_of(scenario))

    def policy_of(self, scenario: Scenario) -> Mapping[str, Any]:
        """Return what the policy has beside the defaults."""
        return scenario.policy

    def options_of(self, scenario: Scenario) -> Mapping[str, Any]:
        """Return what the middleware has beside the defaults."""
        return scenario.options

    def store_of(self, store: Store) -> Store:
        """Return the store as the manager gets it."""
        return faulty(store, self.faults)

    async def close(self) -> None:
        """Let go of the store."""
        self.faults.down = False
        self.at_the_end.close()
        await (asyncio.to_thread(self.manager.close) if self.blocks else self.manager.aclose())


class _InTasks(httpx.ASGITransport):
    """Runs an ASGI application; what it raises is the server's 500."""

    def __init__(self, app: Any) -> None:
        super().__init__(app, raise_app_exceptions=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        return _as_a_server_sends(request, answer, await answer.aread())


class _InThreads(httpx.AsyncBaseTransport):
    """Runs a WSGI application in threads, as its servers do; what it raises is the server's 500."""

    def __init__(self, app: Any) -> None:
        self._inner = httpx.WSGITransport(app, raise_app_exceptions=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return await asyncio.to_thread(self._answer, request)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        try:
            answer = self._inner.handle_request(request)
            try:
                content = answer.read()
            finally:
                answer.close()
        except Exception:  # noqa: BLE001 - a server answers whatever is raised
            return httpx.Response(500)
        return _as_a_server_sends(request, answer, content)


def _as_a_server_sends(request: httpx.Request, answer: httpx.Response, content: bytes) -> httpx.Response:
    """Return what leaves a server: nothing follows the headers of an answer to HEAD, whatever the application gave."""
    left = b"" if request.method == "HEAD" else content
    return httpx.Response(answer.status_code, headers=answer.headers.raw, content=left)


async def outcome_on(site: Any, scenario: Scenario) -> str | None:
    """Run a scenario to its end, without what the pytest plugin allows to tests: real servers have nothing of it."""
    allowed = set(test_hosts)
    test_hosts.clear()
    try:
        return await asyncio.wait_for(scenario.check(site), 30)
    finally:
        test_hosts.update(allowed)
        await site.close()
