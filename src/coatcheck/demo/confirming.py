"""Asking for the password again before something that matters (ASVS 7.5.1)."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from coatcheck.durations import Duration, in_words, to_millis
from coatcheck.errors import SignInRequired
from coatcheck.refusals import StepUpRequired
from coatcheck.session import AsyncSession
from coatcheck.web.starlette import session_of, user_of

from .accounts import Accounts
from .forms import Form, post
from .pages import FLASH, Pages, see_other
from .signing import CONFIRM, onward
from .tries import Tries
from .visitors import client_key

__all__ = ["CONFIRM", "FRESH", "Confirming", "is_fresh"]

FRESH: Final[Duration] = "5m"
"""How long ago the password may have been given."""

WITHIN: Final = in_words(to_millis(FRESH))

WRONG: Final = "That is not your password."

DONE: Final = f"Thank you. Nothing was done yet: do it now. You are not asked again for {WITHIN}."
"""What was prepared by a form is not sent once more by itself: whoever confirms sees what they press."""


class Confirming:
    """The page and its form."""

    def __init__(self, pages: Pages, accounts: Accounts, tries: Tries) -> None:
        """Check passwords of *accounts*, as often as *tries* allows."""
        self._pages = pages
        self._accounts = accounts
        self._tries = tries

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [Route(CONFIRM, self.page, methods=["GET"]), post(CONFIRM, self.confirm)]

    async def page(self, request: Request) -> Response:
        """Show the form; to somebody who acts for another, why there is none."""
        if user_of(request).actor_id is not None:
            return self._not_for(session_of(request))
        return self._form(request, onward=onward(request.query_params.get("next")))

    async def confirm(self, request: Request, form: Form) -> Response:
        """Check the password and step up: the session gets a new secret, and `is_fresh` counts from here."""
        user, session, wanted = user_of(request), session_of(request), onward(form.get("next"))
        if user.actor_id is not None:
            return self._not_for(session)
        account, address = self._accounts.by_id(user.id), client_key(request)
        name = account.username if account else user.id
        wait = self._tries.spend(name, address)
        if wait:
            return self._too_often(request, wanted, wait)
        if not await self._accounts.check(account, form.get("password", "")):
            return self._form(request, status=401, onward=wanted, error=WRONG)
        self._tries.give_back(name, address)
        await session.step_up(amr=["pwd"])
        session[FLASH] = DONE
        return see_other(wanted)

    def _not_for(self, session: AsyncSession) -> Response:
        """Refuse to ask: the password is the other person's, and nobody should type it for them."""
        who = self._accounts.name_of(session.user_id or "")
        detail = f"Only {who} can confirm this, and you act for them. Go back to your own account first."
        return self._pages.message(403, "Not while you act for somebody else", detail, session=session)

    def _too_often(self, request: Request, wanted: str, wait: int) -> Response:
        error = f"Too many attempts. Try again in {in_words(wait * 1000)}."
        page = self._form(request, status=429, onward=wanted, error=error)
        page.headers["retry-after"] = str(wait)
        return page

    def _form(self, request: Request, *, onward: str, status: int = 200, error: str | None = None) -> Response:
        session = session_of(request)
        who = self._accounts.name_of(session.user_id or "")
        facts = {"onward": onward, "person": who, "error": error, "within": WITHIN}
        return self._pages.show("confirm.html", session=session, status=status, **facts)


def is_fresh(session: AsyncSession) -> bool:
    """Whether the user gave the password within `FRESH`."""
    try:
        session.require_fresh(FRESH)
    except (StepUpRequired, SignInRequired):
        return False
    return True
