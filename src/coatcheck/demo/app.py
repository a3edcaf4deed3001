"""The demo's application, put together."""

from __future__ import annotations

import time
from collections.abc import Callable
from time import monotonic
from typing import Any, Final
from urllib.parse import quote, urlencode

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ExceptionHandler

from coatcheck.errors import CoatcheckError, SignInRequired
from coatcheck.policy import Policy
from coatcheck.refusals import RoleRequired, StepUpRequired
from coatcheck.session import AsyncSession
from coatcheck.sessions import AsyncSessions
from coatcheck.web.answers import RETRY_AFTER
from coatcheck.web.console import Console
from coatcheck.web.gate import Gate
from coatcheck.web.starlette import SessionMiddleware, user_of

from .accounts import EXAMPLES, Accounts
from .assets import FOLDER, PREFIX, SHARED, Assets, Files
from .clock import DemoClock, Moving
from .confirming import Confirming
from .devices import Devices
from .doors import OPERATOR, make_gate
from .gating import Gating
from .hardening import HEADERS, Hardening
from .home import Home
from .news import News
from .newsroom import Board, Newsroom
from .pages import HOME, Pages, see_other
from .proof.page import Apart, Proof
from .refusing import Reached, Refusing, Render, back_to_form
from .signing import Signing
from .support import Support
from .tries import Tries

DEFAULT_STORE: Final = "sqlite:///coatcheck-demo.db"
"""A file in the working directory, where a person sees it and can look into it or delete it."""

POLICY: Final = Policy(max_sessions=10, on_theft="end", sweep_every="30s", count_every="2s")
"""The library's default and a limit, so that signing in on an eleventh device ends the one used longest ago; a cookie
used in two places ends its session in both; and upkeep runs so often that the operator's page moves while one looks."""

_NOT_YOURS: Final = "This page is not open to you"

_SAID: Final[dict[int, tuple[str, str]]] = {
    400: ("That form cannot be read", "Go back, reload the page and try again. Nothing was changed."),
    403: ("That form came from elsewhere", "Only forms from this site's own pages are accepted. Nothing was changed."),
    404: ("There is no such page", "The address may be mistyped, or the page has moved."),
    405: ("That does not work from a link", "This address only takes a form. Nothing was changed."),
    409: ("The clock is far enough ahead", "It goes 400 days ahead at most. The clock was not moved."),
    413: ("That form is too large", "It is larger than this page accepts. Nothing was changed."),
    415: ("That form cannot be read", "It is not in the format that this site's pages send. Nothing was changed."),
    429: ("One moment", "That was too often. Go back and try again in a moment. Nothing was changed."),
    500: ("Something went wrong", "The fault is on our side and was written to the log. Nothing was saved."),
}


def create_app(
    sessions: AsyncSessions | None = None,
    *,
    store_url: str = DEFAULT_STORE,
    clock: Callable[[], float] | None = None,
    accounts: Accounts | None = None,
    show_accounts: bool = False,
    timer: Callable[[], float] | None = None,
) -> Starlette:
    """Return the application.

    Args:
        sessions: the manager; made for *store_url* with the demo's policy when not given.
        store_url: where sessions are kept.
        clock: returns seconds since the Unix epoch; the sessions and the pages go by it.
            Without it and without *sessions* it is a `DemoClock`, which every page offers to move.
        accounts: who can sign in; the examples when not given.
        show_accounts: the sign-in page lists the examples with their passwords: for this machine alone.
        timer: returns seconds; the limits of tries go by it. The machine's monotonic time when not given.

    Raises:
        ConfigurationError: the store's URL cannot be used; says how to mend it.
    """
    timer = timer or monotonic
    clock = clock or (DemoClock() if sessions is None else time.time)
    manager = sessions or AsyncSessions(store_url, policy=POLICY, clock=clock)
    people = accounts or Accounts()
    pages = Pages(clock, people.name_of)
    gate, proof = make_gate(), Proof(pages, clock, timer)
    routes: list[BaseRoute] = [*_routes(manager, gate, pages, people, Tries(timer), listed=show_accounts)]
    routes += [*proof.routes(), Mount("/operator", _console(manager, people))]
    if isinstance(clock, DemoClock):
        routes += Moving(clock, manager, timer).routes()
    handlers = _exception_handlers(pages)
    around = _middleware(manager, gate, proof, handlers, _refusals(pages, people))
    return Starlette(routes=routes, middleware=around, exception_handlers=handlers)


def _routes(
    manager: AsyncSessions, gate: Gate, pages: Pages, people: Accounts, tries: Tries, *, listed: bool
) -> list[Route]:
    """Return the routes of the pages that go by the session."""
    board, news = Board(), News()
    manager.subscribe(news)
    return [
        *Home(pages, manager.policy, people, board, news).routes(),
        *Signing(manager, pages, people, tries, listed=EXAMPLES if listed else ()).routes(),
        *Confirming(pages, people, tries).routes(),
        *Devices(manager, pages).routes(),
        *Newsroom(pages, people, board, news).routes(),
        *Support(pages, people).routes(),
        *Gating(gate, pages, people).routes(),
    ]


def _middleware(
    manager: AsyncSessions, gate: Gate, proof: Proof, handlers: dict[Any, ExceptionHandler], render: Render
) -> list[Middleware]:
    """Return what stands around the pages, outermost first: none before the session's own reads it."""
    files = Starlette(routes=[Mount(PREFIX, Files(directory=FOLDER, packages=[SHARED]))], exception_handlers=handlers)
    return [
        Middleware(Hardening),
        Middleware(Assets, files=files),
        Middleware(Apart, apart=proof.apart(handlers)),
        Middleware(Refusing, render=render),
        Middleware(SessionMiddleware, sessions=manager, gate=gate),
        Middleware(Reached),
    ]


def _console(manager: AsyncSessions, accounts: Accounts) -> Console:
    """Return the operator's pages."""
    return Console(
        manager,
        guard=lambda request: _operator(request, accounts),
        home="/",
        name_of=accounts.name_of,
        find_user=accounts.search,
    )


def _operator(request: Request, accounts: Accounts) -> str | None:
    """Return the operator's name; ``None`` for somebody who is none. The gate asks first, and this again."""
    user = user_of(request)
    return accounts.name_of(user.id) if user.has(OPERATOR) else None


def _exception_handlers(pages: Pages) -> dict[Any, ExceptionHandler]:
    """Return what turns errors into pages in the demo's look."""

    async def refused(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = dict(error.headers or {}) if isinstance(error, HTTPException) else HEADERS
        title, detail = _SAID.get(status, ("That did not work", "Go back and try again."))
        session = _shown(request) if status < 500 else None
        return pages.message(status, title, detail, headers=dict(headers), session=session)

    async def session_error(request: Request, error: Exception) -> Response:
        if isinstance(error, SignInRequired | StepUpRequired):
            if request.method == "POST":
                return see_other(back_to_form(request))
            raise error
        if not isinstance(error, CoatcheckError) or error.status == 500:
            raise error
        headers = {"retry-after": str(RETRY_AFTER)} if error.status == 503 else {}
        return pages.message(error.status, error.title, "Nothing was changed. Try again in a moment.", headers=headers)

    return {HTTPException: refused, CoatcheckError: session_error, 500: refused}


def _refusals(pages: Pages, accounts: Accounts) -> Render:
    """Return what makes a page of an answer that the session middleware gave alone."""

    def render(request: Request, status: int, title: str, detail: str) -> Response:
        session, way = _shown(request), HOME
        if session is not None and session.user_id is not None and title == RoleRequired.title:
            asked = urlencode({"method": request.method, "path": quote(request.url.path)})
            title, way = _NOT_YOURS, (f"/gate?{asked}#answer", "Ask the gate why")
            name, roles = accounts.name_of(session.user_id), ", ".join(session.roles) or "none"
            detail = f"You are signed in as {name}. This page needs a role that is not among yours: {roles}."
        return pages.message(status, title, detail, session=session, way=way)

    return render


def _shown(request: Request) -> AsyncSession | None:
    """Return the session for a page's header; ``None`` where there is none or it could not be read."""
    session = request.scope.get("session")
    if not isinstance(session, AsyncSession):
        return None
    try:
        session.user_id  # noqa: B018 - a look raises what went wrong when it was loaded
    except CoatcheckError:
        return None
    return session
