"""The pages of users: one with all sessions, those that a search found, and none. Shown after forms too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from coatcheck.model import SessionInfo
from coatcheck.sessions import AsyncSessions
from coatcheck.stores.contract import Capability
from coatcheck.web.console import seeking
from coatcheck.web.console.naming import Naming
from coatcheck.web.console.pages import Pages
from coatcheck.web.console.roles import roles_field

ROWS: Final = 50
"""Sessions of a user that one page shows."""


class Users:
    """Shows users."""

    def __init__(self, sessions: AsyncSessions, pages: Pages, naming: Naming) -> None:
        """Show what *sessions* knows of users, by the names that *naming* gives."""
        self._sessions = sessions
        self._pages = pages
        self._naming = naming

    async def meant(self, text: str) -> str | None:
        """Return the user id that an address or a form holds; ``None`` where it can be none.

        Raises:
            PastedCookie: it is a whole cookie, and no user with sessions has such an id.
        """
        try:
            return seeking.user_id(text)
        except seeking.PastedCookie:
            wanted = seeking.shaped_user_id(text)
            if wanted is None or not await self._is_known(wanted):
                raise
            return wanted

    async def _is_known(self, user_id: str) -> bool:
        return bool((await self._page(user_id, None, limit=1))[0])

    async def _page(self, user_id: str, after: str | None, limit: int = ROWS) -> tuple[list[SessionInfo], str | None]:
        """Return some of a user's sessions, newest first, live or ended lately, and the cursor after them."""
        if Capability.BROWSE in self._sessions.store.traits.capabilities:
            return await self._sessions.browse(limit=limit, after=after, user_id=user_id)
        return await self._sessions.list(user_id, ended=True), None

    async def show(
        self,
        request: Request,
        user_id: str,
        *,
        done: str | None = None,
        fault: str | None = None,
        roles_fault: str | None = None,
    ) -> Response:
        """Show a user's sessions and the forms for them.

        *done* is what a form did, *fault* what was wrong with the typed confirmation, *roles_fault* with the roles.
        """
        after = request.query_params.get("after") or None
        try:
            infos, following = await self._page(user_id, after)
        except ValueError:
            raise HTTPException(400) from None
        names = await self._naming.names([user_id])
        status = 400 if fault or roles_fault else 200
        if not infos and not names and after is None:
            return self.nobody(request, user_id, status=status, done=done)
        facts = _facts(user_id, infos, after, following) | {"names": names, "done": done}
        return self._pages.show(request, "user.html", status=status, **facts, fault=fault, roles_fault=roles_fault)

    async def search(self, request: Request, typed: str) -> Response | str:
        """Return the one user's id that was meant, or the page that shows several or none."""
        meant = [typed] if seeking.user_id(typed) is not None and await self._is_known(typed) else []
        found = list(dict.fromkeys([*meant, *await self._naming.found(typed)]))
        if len(found) == 1:
            return found[0]
        return await self._several(request, typed, found) if found else self.nobody(request, typed)

    async def _several(self, request: Request, typed: str, found: Sequence[str]) -> Response:
        names = await self._naming.names(found)
        return self._pages.show(request, "found.html", typed=typed, found=found, names=names)

    def nobody(self, request: Request, typed: str, *, status: int = 200, done: str | None = None) -> Response:
        """Say that nobody is known by what was typed or stands in the address. There is nothing to end or to change."""
        return self._pages.show(request, "nobody.html", status=status, typed=typed, finds=self._naming.finds, done=done)


def _facts(user_id: str, infos: Sequence[SessionInfo], after: str | None, following: str | None) -> dict[str, Any]:
    """Return what a page of a user's sessions shows."""
    live, ended = [info for info in infos if info.live], [info for info in infos if not info.live]
    is_all = after is None and following is None
    return {
        "user_id": user_id,
        "live": live,
        "ended": ended,
        "is_all": is_all,
        "roles": roles_field(live, all_seen=is_all),
        "newest": f"user?{urlencode({'id': user_id})}" if after else None,
        "older": f"user?{urlencode({'id': user_id, 'after': following})}" if following else None,
    }
