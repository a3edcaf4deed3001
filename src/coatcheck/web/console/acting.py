"""The forms that act on one session or one user, and the search. Each act is a line of the log with who did it."""

from __future__ import annotations

import logging
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from coatcheck.sessions import AsyncSessions
from coatcheck.web.console import seeking
from coatcheck.web.console.pages import OPERATOR, Pages, see_other
from coatcheck.web.forms import Form, post
from coatcheck.web.proxies import TrustedProxies

_log: Final = logging.getLogger("coatcheck.console")


def note(request: Request, act: str, ended: int | None = None, **facts: str) -> None:
    """Log who did what, at level INFO; ``extra`` holds the same as plain values."""
    told: dict[str, str | int] = {"operator": request.scope.get(OPERATOR, ""), "act": act, **facts}
    if ended is not None:
        told["sessions"] = ended
    shown = " ".join(f"{name}={value!r}" for name, value in told.items())
    _log.info("operator acted: %s", shown, extra={"coatcheck": told})


class Acting:
    """The routes of those forms."""

    def __init__(self, sessions: AsyncSessions, pages: Pages, proxies: TrustedProxies) -> None:
        """Act on *sessions*."""
        self._sessions = sessions
        self._pages = pages
        self._proxies = proxies

    def routes(self) -> list[Route]:
        """Return the routes."""
        acts = {
            "/search": self.search,
            "/revoke": self.revoke,
            "/revoke-user": self.revoke_user,
            "/roles": self.change_roles,
            "/revoke-everybody": self.revoke_everybody,
        }
        return [post(path, act, proxies=self._proxies) for path, act in acts.items()]

    async def search(self, _request: Request, form: Form) -> Response:
        """Lead to the session or the user that was typed. By POST: what is pasted here stays out of addresses."""
        typed = form.get("q", "").strip()
        wanted = seeking.session_id(typed)
        if wanted is not None and await self._sessions.get(wanted) is not None:
            return see_other("session", id=wanted)
        found = seeking.user_id(typed)
        return see_other("user", id=found) if found is not None else see_other("sessions")

    async def revoke(self, request: Request, form: Form) -> Response:
        """End one session."""
        wanted = _session(form)
        ended = int(await self._sessions.revoke(wanted))
        note(request, "revoke", ended, session_id=wanted)
        return see_other("session", id=wanted, done="revoked" if ended else "nothing", n=ended)

    async def revoke_user(self, request: Request, form: Form) -> Response:
        """End all sessions of a user, if the user's id was typed."""
        wanted = _user(form)
        if form.get("typed", "").strip() != wanted.strip():
            return self._not_confirmed(request, f"To end all sessions of {wanted}, type that user's id.")
        ended = await self._sessions.revoke_user(wanted)
        note(request, "revoke_user", ended, user_id=wanted)
        return see_other("user", id=wanted, done="revoked-user", n=ended)

    async def change_roles(self, request: Request, form: Form) -> Response:
        """Change the roles in a user's sessions."""
        wanted = _user(form)
        roles = [role for part in seeking.refuse_cookie(form.get("roles", "")).split(",") if (role := part.strip())]
        try:
            changed = await self._sessions.set_roles(wanted, roles)
        except ValueError:
            raise HTTPException(400) from None
        note(request, "set_roles", changed, user_id=wanted, roles=",".join(roles))
        return see_other("user", id=wanted, done="roles", n=changed)

    async def revoke_everybody(self, request: Request, form: Form) -> Response:
        """End every session of everybody, if that word was typed."""
        if form.get("typed", "").strip() != "everybody":
            return self._not_confirmed(request, "To end everybody's sessions, type the word everybody.")
        ended = await self._sessions.revoke_all()
        note(request, "revoke_all", ended)
        detail = (
            "Everybody is signed out from their next request on, you too, and sign-ins that were under way are refused."
        )
        return self._pages.message(request, 200, f"{ended:,} session{'' if ended == 1 else 's'} ended", detail)

    def _not_confirmed(self, request: Request, detail: str) -> Response:
        return self._pages.message(request, 400, "Nothing was done", f"What was typed is something else. {detail}")


def _session(form: Form) -> str:
    wanted = seeking.session_id(form.get("id", ""))
    if wanted is None:
        raise HTTPException(400)
    return wanted


def _user(form: Form) -> str:
    wanted = seeking.user_id(form.get("id", ""))
    if wanted is None:
        raise HTTPException(400)
    return wanted
