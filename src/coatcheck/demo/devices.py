"""Your devices: where one is signed in, and how to end that."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from coatcheck.sessions import AsyncSessions
from coatcheck.web.starlette import session_of, user_of

from .confirming import FRESH, WITHIN, is_fresh
from .forms import Form, post
from .pages import FLASH, Pages, see_other
from .signing import SIGN_IN
from .words import ENDED

SHOWN_ENDED = 8
"""Ended sessions on the page."""


class Devices:
    """The page and its two forms."""

    def __init__(self, sessions: AsyncSessions, pages: Pages) -> None:
        """List what *sessions* knows."""
        self._sessions = sessions
        self._pages = pages

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/devices", self.page, methods=["GET"]),
            post("/devices/sign-out", self.sign_out_one),
            post("/devices/sign-out-others", self.sign_out_others),
        ]

    async def page(self, request: Request) -> Response:
        """List the user's devices, this one first, and what ended lately."""
        user, session = user_of(request), session_of(request)
        listed = await self._sessions.list(user.id, ended=True)
        live = sorted((info for info in listed if info.live), key=lambda info: info.id != session.id)
        ended = [info for info in listed if not info.live][:SHOWN_ENDED]
        proved = None if user.auth_time is None else int(user.auth_time.timestamp() * 1000)
        return self._pages.show(
            "devices.html",
            session=session,
            live=live,
            ended=ended,
            why=ENDED,
            asks=not is_fresh(session),
            proved=proved,
            within=WITHIN,
        )

    async def sign_out_one(self, request: Request, form: Form) -> Response:
        """End one session, only if it is the user's own; nobody learns whether there is such a session of others.

        For another device the password must have been given lately: whoever finds this browser open may leave, and
        may not lock its owner out elsewhere (ASVS 7.5.2).
        """
        user, session = user_of(request), session_of(request)
        wanted = form.get("id", "")
        if wanted == session.id:
            await session.logout()
            return see_other(f"{SIGN_IN}?reason=signed_out")
        session.require_fresh(FRESH)
        ended = await self._sessions.revoke(wanted, user_id=user.id)
        session[FLASH] = "That device is signed out." if ended else "That device was already signed out."
        return see_other("/devices")

    async def sign_out_others(self, request: Request, _form: Form) -> Response:
        """End every session but this one, and give this one a new secret in case the old one is known elsewhere."""
        session = session_of(request)
        session.require_fresh(FRESH)
        count = await session.revoke_others()
        devices = {0: "There was no other device.", 1: "1 other device is signed out."}
        session[FLASH] = devices.get(count, f"{count} other devices are signed out.")
        return see_other("/devices")
