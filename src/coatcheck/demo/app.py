"""The demo's application, put together."""

from __future__ import annotations

import time
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import ExceptionHandler

from coatcheck.errors import CoatcheckError, SignInRequired
from coatcheck.policy import Policy
from coatcheck.sessions import AsyncSessions
from coatcheck.web.answers import RETRY_AFTER, sign_in_location
from coatcheck.web.console import Console
from coatcheck.web.starlette import SessionMiddleware, user_of

from .accounts import EXAMPLES, Accounts
from .assets import FOLDER, PREFIX, SHARED, Assets, Files
from .clock import DemoClock, Moving
from .devices import Devices
from .hardening import HEADERS, Hardening
from .home import Home
from .pages import Pages, see_other
from .proof.page import Apart, Proof
from .signing import SIGN_IN, Signing

DEFAULT_STORE: Final = "sqlite:///coatcheck-demo.db"
"""A file in the working directory, where a person sees it and can look into it or delete it."""

POLICY: Final = Policy(max_sessions=10, on_theft="end", sweep_every="30s", count_every="2s")
"""The library's default and a limit, so that signing in on an eleventh device ends the one used longest ago; a cookie
used in two places ends its session in both; and upkeep runs so often that the operator's page moves while one looks."""

OPERATOR: Final = "operator"
"""The role that may see the operator's page."""

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
    pages = Pages(clock)
    handlers = _exception_handlers(pages)
    people = accounts or Accounts()
    proof = Proof(pages, clock, timer)
    routes = [
        *Home(pages, manager.policy, people).routes(),
        *Signing(manager, pages, people, timer, listed=EXAMPLES if show_accounts else ()).routes(),
        *Devices(manager, pages).routes(),
        *proof.routes(),
    ]
    if isinstance(clock, DemoClock):
        routes += Moving(clock, manager, timer).routes()
    console = _console(manager, people)
    middleware = _middleware(manager, proof, handlers)
    return Starlette(routes=[*routes, Mount("/operator", console)], middleware=middleware, exception_handlers=handlers)


def _middleware(manager: AsyncSessions, proof: Proof, handlers: dict[Any, ExceptionHandler]) -> list[Middleware]:
    """Return what stands around the pages, outermost first: only the last one reads the session."""
    files = Starlette(routes=[Mount(PREFIX, Files(directory=FOLDER, packages=[SHARED]))], exception_handlers=handlers)
    return [
        Middleware(Hardening),
        Middleware(Assets, files=files),
        Middleware(Apart, apart=proof.apart(handlers)),
        Middleware(SessionMiddleware, sessions=manager, sign_in_url=SIGN_IN),
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
    """Return the operator's name; ``None`` for somebody who is none. Who is not signed in is sent to sign in."""
    user = user_of(request)
    return accounts.name_of(user.id) if user.has(OPERATOR) else None


def _exception_handlers(pages: Pages) -> dict[Any, ExceptionHandler]:
    """Return what turns errors into pages in the demo's look."""

    async def refused(_request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = dict(error.headers or {}) if isinstance(error, HTTPException) else HEADERS
        title, detail = _SAID.get(status, ("That did not work", "Go back and try again."))
        return pages.message(status, title, detail, headers=dict(headers))

    async def session_error(request: Request, error: Exception) -> Response:
        if isinstance(error, SignInRequired):
            if request.method == "POST":
                return _to_sign_in(request, error)
            raise error
        if not isinstance(error, CoatcheckError) or error.status == 500:
            raise error
        headers = {"retry-after": str(RETRY_AFTER)} if error.status == 503 else {}
        return pages.message(error.status, error.title, "Nothing was changed. Try again in a moment.", headers=headers)

    return {HTTPException: refused, CoatcheckError: session_error, 500: refused}


def _to_sign_in(request: Request, error: SignInRequired) -> Response:
    """Send a form's sender to sign in, and back to the page that the form is on."""
    page = next((page for page in ("/devices", "/operator/") if request.url.path.startswith(page)), "/")
    return see_other(sign_in_location(SIGN_IN, page, error.reason))
