"""The page: a question and a button for each experiment, and what came back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, ExceptionHandler, Receive, Scope, Send

from coatcheck.demo.forms import Form, post
from coatcheck.demo.limiter import Limiter
from coatcheck.demo.pages import Pages
from coatcheck.demo.visitors import client_key
from coatcheck.errors import MissingExtra
from coatcheck.web.starlette import session_of

from . import by_hand, running
from .by_hand import ByHand
from .experiments import EXPERIMENTS, Experiment
from .libraries import LIBRARIES
from .running import Busy, Lab, Report, Runner
from .sending import Address
from .shown_code import code_of

_SAID: Final = {
    "ended": "Signed out. Run the same line again in your terminal: it says “signed out” now.",
    "insecure": "This needs https, or the address localhost: over plain http a session could be read on the way.",
}

_RUNS: Final = 6
"""What one address may spend at once: each experiment run once."""

_COSTS: Final = {"crowd": 2}
"""What an experiment costs that is more than one run: this one opens hundreds of connections."""

_BEGINS: Final = 5
"""Throw-away sessions that one address may begin at once."""

_INTERVAL: Final = 3.0
"""Seconds after which it may have one more of each."""


class Apart:
    """Hands what lies below the page's own sub-applications to *apart* before the demo's session is read."""

    def __init__(self, app: ASGIApp, *, apart: ASGIApp) -> None:
        """Stand outside *app*."""
        self._app = app
        self._apart = apart

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        path = scope["path"] if scope["type"] == "http" else ""
        inside = any(path == prefix or path.startswith(f"{prefix}/") for prefix in (running.PREFIX, by_hand.PREFIX))
        await (self._apart if inside else self._app)(scope, receive, send)


class Proof:
    """The page and its form. *clock* returns seconds since the Unix epoch, *timer* seconds that nobody moves."""

    def __init__(self, pages: Pages, clock: Callable[[], float], timer: Callable[[], float]) -> None:
        """Set up the laboratory; nothing is imported of the libraries yet."""
        self._pages = pages
        self._lab = Lab()
        self._runner = Runner(self._lab)
        self._by_hand = ByHand(clock, Limiter(burst=_BEGINS, interval=_INTERVAL, clock=timer))
        self._limiter = Limiter(burst=_RUNS, interval=_INTERVAL, clock=timer)
        self._running: set[str] = set()

    def routes(self) -> list[Route]:
        """Return the routes of the page."""
        return [Route("/proof", self.page, methods=["GET"]), post("/proof", self.run)]

    def apart(self, handlers: dict[Any, ExceptionHandler]) -> ASGIApp:
        """Return what `Apart` serves: the shops and the throw-away sessions."""
        routes = [Mount(running.PREFIX, self._lab), Mount("", self._by_hand.app(handlers))]
        return Starlette(routes=routes, exception_handlers=handlers)

    async def page(self, request: Request) -> Response:
        """Show the questions."""
        return await self._show(request)

    async def run(self, request: Request, form: Form) -> Response:
        """Run an experiment and show the page with its result."""
        experiment = next((each for each in EXPERIMENTS if each.key == form.get("experiment")), None)
        server = request.scope.get("server")
        if experiment is None or not server or server[1] is None:
            raise HTTPException(400)
        key, cost = client_key(request), _COSTS.get(experiment.key, 1)
        if key in self._running:
            return self._later(1, "One of your experiments is still running.")
        wait = self._limiter.wait(key, cost)
        if wait:
            return self._later(wait, "You ran many experiments.")
        self._limiter.spend(key, cost)
        self._running.add(key)
        try:
            return await self._run(request, experiment, (server[0], server[1]))
        finally:
            self._running.discard(key)

    async def _run(self, request: Request, experiment: Experiment, address: Address) -> Response:
        try:
            report = await self._runner.run(experiment, address)
        except Busy:
            return self._later(1, "Many experiments are running.")
        except MissingExtra as missing:
            return await self._show(request, fault=str(missing), status=503)
        return await self._show(request, report=report)

    def _later(self, wait: int, why: str) -> Response:
        detail = f"{why} Go back and try again in a moment."
        return self._pages.message(429, "One moment", detail, headers={"retry-after": str(wait)})

    async def _show(
        self, request: Request, *, report: Report | None = None, fault: str | None = None, status: int = 200
    ) -> Response:
        return self._pages.show(
            "proof.html",
            session=session_of(request),
            status=status,
            experiments=EXPERIMENTS,
            libraries=LIBRARIES,
            report=report,
            codes=next((code_of(each) for each in EXPERIMENTS if report and each.key == report.key), ()),
            fault=fault,
            copy=await self._by_hand.copy_of(request),
            said=_SAID.get(request.query_params.get("by-hand", "")),
        )
