"""Signing in and out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from coatcheck.durations import in_words
from coatcheck.errors import StaleLogin
from coatcheck.sessions import AsyncSessions
from coatcheck.web.redirects import safe_next
from coatcheck.web.starlette import session_of

from .accounts import LONGEST_WORD, Accounts, Example, canonical
from .forms import Form, post
from .pages import Pages, see_other
from .tries import Tries
from .visitors import client_key
from .words import told

SIGN_IN: Final = "/sign-in"
CONFIRM: Final = "/confirm"
"""Where the password is asked for once more."""

WRONG: Final = "That user name and password do not match."
"""The one text for a wrong password and for an account that does not exist (S-45)."""

_NOBODY: Final = "nobody"
"""Whose epoch is read for an account that does not exist, so that both cost the same."""


class Signing:
    """The sign-in page, its form, and the sign-out form."""

    def __init__(
        self,
        sessions: AsyncSessions,
        pages: Pages,
        accounts: Accounts,
        tries: Tries,
        *,
        listed: Sequence[Example] = (),
    ) -> None:
        """Check passwords of *accounts* as often as *tries* allows; those of *listed* are shown on the page."""
        self._sessions = sessions
        self._pages = pages
        self._accounts = accounts
        self._listed = listed
        self._tries = tries

    def routes(self) -> list[Route]:
        """Return the routes; signing out has no GET, because links are followed by more than people."""
        return [
            Route(SIGN_IN, self.page, methods=["GET"]),
            post(SIGN_IN, self.sign_in),
            post("/sign-out", self.sign_out),
        ]

    async def page(self, request: Request) -> Response:
        """Show the form: always 200 for who is not signed in, whatever their cookie is worth, so nothing can loop."""
        session = session_of(request)
        wanted = onward(request.query_params.get("next"))
        if session.signed_in:
            return see_other(wanted)
        notice = told(session.reason or request.query_params.get("reason"))
        if notice and request.query_params.get("cart") == "unchanged":
            notice += " Your cart was not changed."
        return self._form(request, onward=wanted, notice=notice)

    async def sign_in(self, request: Request, form: Form) -> Response:
        """Check the password and sign in; the epoch is read first, so that "sign out everywhere" meanwhile wins."""
        username, wanted = form.get("username", ""), onward(form.get("next"))
        wait = self._tries.spend(canonical(username), client_key(request))
        if wait:
            return self._too_often(request, username, wanted, wait)
        account = self._accounts.find(username)
        epoch = await self._sessions.epoch(account.id if account else _NOBODY)
        fits = await self._accounts.check(account, form.get("password", ""))
        if account is None or not fits:
            return self._form(request, status=401, onward=wanted, username=username, error=WRONG)
        self._tries.give_back(account.username, client_key(request))
        try:
            await session_of(request).login(
                account.id, epoch=epoch, roles=account.roles, remember=form.get("remember") == "yes", amr=["pwd"]
            )
        except StaleLogin:
            meanwhile = "Everything was signed out while your password was checked. Sign in again."
            return self._form(request, status=401, onward=wanted, username=username, error=meanwhile)
        return see_other(wanted)

    async def sign_out(self, request: Request, _form: Form) -> Response:
        """End the session; harmless when there is none."""
        await session_of(request).logout()
        return see_other(f"{SIGN_IN}?reason=signed_out")

    def _too_often(self, request: Request, username: str, wanted: str, wait: int) -> Response:
        error = f"Too many attempts. Try again in {in_words(wait * 1000)}."
        page = self._form(request, status=429, onward=wanted, username=username, error=error)
        page.headers["retry-after"] = str(wait)
        return page

    def _form(
        self,
        request: Request,
        *,
        onward: str,
        status: int = 200,
        username: str = "",
        notice: str | None = None,
        error: str | None = None,
    ) -> Response:
        facts: dict[str, object] = {
            "onward": onward,
            "username": username[:LONGEST_WORD],
            "notice": notice,
            "error": error,
        }
        facts |= {"listed": self._listed}
        return self._pages.show("sign_in.html", session=session_of(request), status=status, **facts)


def onward(wanted: str | None) -> str:
    """Return where to go after a password: a page of ours, never another site and never a form for it again (S-57)."""
    page = safe_next(wanted)
    return "/" if page.partition("?")[0].rstrip("/") in (SIGN_IN, "/sign-out", CONFIRM) else page
