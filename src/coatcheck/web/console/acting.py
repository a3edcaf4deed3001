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
from coatcheck.web.console.pages import OPERATOR, see_other
from coatcheck.web.console.roles import written_roles
from coatcheck.web.console.stories import Stories
from coatcheck.web.console.users import Users
from coatcheck.web.console.words import sessions_text
from coatcheck.web.forms import Form, post
from coatcheck.web.proxies import TrustedProxies

NONE_LEFT: Final = "There was no such live session any more."

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

    def __init__(self, sessions: AsyncSessions, users: Users, stories: Stories, proxies: TrustedProxies) -> None:
        """Act on *sessions*; answer with the pages of *users* and *stories*."""
        self._sessions = sessions
        self._stories = stories
        self._users = users
        self._proxies = proxies

    def routes(self) -> list[Route]:
        """Return the routes."""
        acts = {
            "/search": self.search,
            "/revoke": self.revoke,
            "/revoke-user": self.revoke_user,
            "/roles": self.change_roles,
        }
        return [post(path, act, proxies=self._proxies) for path, act in acts.items()]

    async def search(self, request: Request, form: Form) -> Response:
        """Lead to the session or the user that was typed. By POST: what is pasted here stays out of addresses."""
        typed = form.get("q", "").strip()
        wanted = seeking.session_id(typed)
        if wanted is not None and await self._sessions.get(wanted) is not None:
            return see_other("session", id=wanted)
        if not typed:
            return see_other("sessions")
        found = await self._users.search(request, typed)
        return see_other("user", id=found) if isinstance(found, str) else found

    async def revoke(self, request: Request, form: Form) -> Response:
        """End one session."""
        wanted = _session(form)
        ended = int(await self._sessions.revoke(wanted))
        note(request, "revoke", ended, session_id=wanted)
        done = f"{sessions_text(ended)} ended. Its browser is signed out from its next request on."
        return await self._stories.show(request, wanted, done=done if ended else NONE_LEFT)

    async def revoke_user(self, request: Request, form: Form) -> Response:
        """End all sessions of a user, if the user's id was typed."""
        wanted = await self._user(form)
        typed = form.get("typed", "")
        if typed != wanted and (not typed.strip() or typed.strip() != wanted.strip()):
            fault = f"Nothing was done: what was typed is not this user's id, {wanted}."
            return await self._users.show(request, wanted, fault=fault)
        ended = await self._sessions.revoke_user(wanted)
        note(request, "revoke_user", ended, user_id=wanted)
        done = f"{sessions_text(ended)} of this user ended, and sign-ins under way are refused."
        return await self._users.show(request, wanted, done=done)

    async def change_roles(self, request: Request, form: Form) -> Response:
        """Change the roles in a user's sessions."""
        wanted = await self._user(form)
        roles = written_roles(seeking.refuse_cookie(form.get("roles", "")))
        if not roles and "differ" in form:
            return await self._users.show(request, wanted, roles_fault="Nothing was done: no role was written.")
        try:
            changed = await self._sessions.set_roles(wanted, roles)
        except ValueError:
            raise HTTPException(400) from None
        note(request, "set_roles", changed, user_id=wanted, roles=",".join(roles))
        done = f"The roles are changed in {sessions_text(changed)}. The user's next request obeys, with a new secret."
        return await self._users.show(request, wanted, done=done)

    async def _user(self, form: Form) -> str:
        wanted = await self._users.meant(form.get("id", ""))
        if wanted is None:
            raise HTTPException(400)
        return wanted


def _session(form: Form) -> str:
    wanted = seeking.session_id(form.get("id", ""))
    if wanted is None:
        raise HTTPException(400)
    return wanted
