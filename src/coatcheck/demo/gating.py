"""The page that shows the gate: its rules in order, what is open to the visitor, and why."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, unquote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from coatcheck.errors import SignInRequired
from coatcheck.session import AsyncSession
from coatcheck.web.gate import Gate, Standing
from coatcheck.web.starlette import session_of

from .accounts import Accounts
from .doors import DEFAULT, RULES, Door, paths_of, who
from .pages import Pages

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

LONGEST: Final = 200
"""Characters of a path that may be asked about."""

_DOORS: Final = (
    ("GET", "/", "Home"),
    ("GET", "/devices", "Your devices"),
    ("GET", "/newsroom", "The newsroom"),
    ("GET", "/operator/", "The operator's page"),
    ("GET", "/support", "Support"),
    ("POST", "/support/act", "Seeing the shop as somebody else"),
    ("GET", "/ledger", "What no rule names"),
)


class Gating:
    """The page. It asks the gate that judges the requests, and shows its answers as they are."""

    def __init__(self, gate: Gate, pages: Pages, accounts: Accounts) -> None:
        """Show *gate* to people who have the names of *accounts*."""
        self._gate = gate
        self._pages = pages
        self._accounts = accounts
        self._doors = [Door(gate, method, path, title=title) for method, path, title in _DOORS]

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [Route("/gate", self.page, methods=["GET"])]

    async def page(self, request: Request) -> Response:
        """Show the rules, the doors, and the answer to what was asked, if anything was."""
        session, now = session_of(request), self._pages.now()
        standing = standing_of(session)
        asked = self._asked(request)
        return self._pages.show(
            "gate.html",
            session=session,
            person=self._accounts.name_of(standing.user_id) if standing.user_id else None,
            proved=standing.auth_time,
            rules=[(paths_of(rule), ", ".join(rule.methods or ()), who(rule)) for rule in RULES],
            default=DEFAULT,
            doors=[door.judge(standing, now) for door in self._doors],
            methods=METHODS,
            asked=asked.judge(standing, now) if asked else None,
        )

    def _asked(self, request: Request) -> Door | None:
        """Return the method and path in the address; the path is decoded as a server decodes it, the query left out.

        Raises:
            HTTPException: 400 for a method that is not offered, or a path too long.
        """
        if "path" not in request.query_params:
            return None
        method, typed = request.query_params.get("method", "GET"), request.query_params["path"].strip()
        if method not in METHODS or len(typed) > LONGEST:
            raise HTTPException(400)
        sent = typed.partition("?")[0].partition("#")[0]
        return Door(self._gate, method, unquote(sent), raw=quote(sent, safe="/%\\").encode())


def standing_of(session: AsyncSession) -> Standing:
    """Return what the session is to the gate."""
    try:
        user = session.user
    except SignInRequired as missing:
        return Standing(reason=missing.reason)
    proved = None if user.auth_time is None else int(user.auth_time.timestamp() * 1000)
    return Standing(user_id=user.id, session_id=session.id, roles=user.roles, aal=user.aal, auth_time=proved)
