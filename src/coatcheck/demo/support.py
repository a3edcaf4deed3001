"""The support desk: an operator sees the shop as somebody else does, under both names, and comes back."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from coatcheck.web.starlette import session_of, user_of

from .accounts import Account, Accounts
from .confirming import WITHIN, is_fresh
from .doors import OPERATOR
from .forms import Form, post
from .pages import FLASH, Pages, see_other


class Support:
    """The page and its two forms. Who may use them is for the gate to say: an operator, with a fresh sign-in."""

    def __init__(self, pages: Pages, accounts: Accounts) -> None:
        """List *accounts*."""
        self._pages = pages
        self._accounts = accounts

    def routes(self) -> list[Route]:
        """Return the routes. The way back lies outside ``/support``: whoever acts for somebody is no operator."""
        return [
            Route("/support", self.page, methods=["GET"]),
            post("/support/act", self.act),
            post("/acting/stop", self.stop),
        ]

    async def page(self, request: Request) -> Response:
        """List the others, each with a button."""
        session = session_of(request)
        others = [account for account in self._accounts.all() if account.id != session.user_id]
        people = [(account, ", ".join(lent(account))) for account in others]
        asks = not is_fresh(session)
        return self._pages.show("support.html", session=session, people=people, asks=asks, within=WITHIN)

    async def act(self, request: Request, form: Form) -> Response:
        """Go on as somebody else, in a session of theirs that names who really acts."""
        account = self._accounts.by_id(form.get("id", ""))
        if account is None or account.id == user_of(request).id:
            raise HTTPException(400)
        await session_of(request).impersonate(account.id, roles=lent(account))
        return see_other("/")

    async def stop(self, request: Request, _form: Form) -> Response:
        """Go back to one's own session, also where roles were changed meanwhile; harmless in any other."""
        session = session_of(request)
        before = session.id
        await session.stop_impersonating()
        if session.id == before or not session.signed_in:
            return see_other("/")
        session[FLASH] = f"You are {self._accounts.name_of(session.user_id or '')} again."
        return see_other("/support")


def lent(account: Account) -> list[str]:
    """Return the roles that one has while acting for *account*: never the power to act for others."""
    return [role for role in account.roles if role != OPERATOR]
