"""The page of one session. Shown after a form too: what was done stands on the answer and never in an address."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from coatcheck.sessions import AsyncSessions
from coatcheck.web.console.naming import Naming
from coatcheck.web.console.pages import Pages
from coatcheck.web.console.story import story


class Stories:
    """Shows single sessions."""

    def __init__(self, sessions: AsyncSessions, pages: Pages, naming: Naming) -> None:
        """Show what *sessions* knows of them, with the names that *naming* gives."""
        self._sessions = sessions
        self._pages = pages
        self._naming = naming

    async def show(self, request: Request, session_id: str, *, done: str | None = None) -> Response:
        """Show one session's story; *done* is what a form did to it.

        Raises:
            HTTPException: 404, nothing is known of it.
        """
        info = await self._sessions.get(session_id)
        if info is None:
            raise HTTPException(404, "session")
        names = await self._naming.names([info.user_id])
        moments = story(info, self._pages.now(), names)
        return self._pages.show(request, "session.html", info=info, names=names, moments=moments, done=done)
