"""A console on a store, mounted in an application, and an operator's browser before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from httpx2 import Response
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from coatcheck import AsyncSessions, Policy
from coatcheck.state import Visit
from coatcheck.testing import FrozenClock
from coatcheck.web.console import Console

BASE = "http://localhost:8000"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"
CHROME = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36"


class Desk:
    """The application with the console, and who sits before it."""

    client: TestClient

    def __init__(self, store: str = "memory://", at: str = "/operator", **options: Any) -> None:
        """Build it, with more options of the console. ``operator`` is what the guard answers."""
        self.clock = FrozenClock()
        self.sessions = AsyncSessions(store, policy=Policy(), clock=self.clock)
        self.operator: Any = "Joan"
        self.asked: list[str] = []
        console = Console(self.sessions, guard=self._guard, **options)
        self.app = Starlette(routes=[Mount(at, console)]) if at else console
        self.at = at

    def _guard(self, request: Any) -> Any:
        self.asked.append(request.url.path)
        return self.operator

    @contextmanager
    def serving(self) -> Iterator[Desk]:
        """Serve, and close the store afterwards."""
        with TestClient(self.app, base_url=BASE, headers={"accept": "text/html"}) as self.client:
            self.do(self.sessions.open())
            yield self
            self.do(self.sessions.aclose())

    def do(self, work: Any) -> Any:
        """Run a coroutine on the application's event loop."""

        async def run() -> Any:
            return await work

        return self.client.portal.call(run)

    def get(self, path: str, **headers: str) -> Response:
        """Open a page of the console; redirects are not followed."""
        return self.client.get(self.at + path, headers=headers, follow_redirects=False)

    def post(self, path: str, fields: Mapping[str, str], **headers: str) -> Response:
        """Send a form from the console's own page."""
        said = {"origin": BASE, "sec-fetch-site": "same-origin", **headers}
        sent = {name: value for name, value in said.items() if value}
        return self.client.post(self.at + path, data=dict(fields), headers=sent, follow_redirects=False)

    def session(
        self,
        user: str | None = "ada",
        *,
        agent: str = AGENT,
        address: str = "192.0.2.7",
        roles: Sequence[str] = ("user",),
        remember: bool = False,
    ) -> str:
        """Make a session and return its id; its cookie's value is kept in ``last_ticket``."""

        async def make() -> str:
            session = await self.sessions.load(None, Visit(user_agent=agent, address=address))
            if user is None:
                session["cart"] = "SECRET-DATUM"
            else:
                await session.login(user, roles=roles, remember=remember)
            outcome = await self.sessions.save(session)
            self.last_ticket = outcome.token or ""
            return str(session.id)

        return str(self.do(make()))

    def live(self) -> int:
        """Return how many sessions live."""
        return int(self.do(self.sessions.count()))
