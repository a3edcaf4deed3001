"""The shop on coatcheck."""

from __future__ import annotations

import secrets
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.types import ASGIApp

from coatcheck.policy import Policy
from coatcheck.sessions import AsyncSessions
from coatcheck.stores.contract import Store
from coatcheck.stores.memory import MemoryStore
from coatcheck.tokens import mint
from coatcheck.web.starlette import SessionMiddleware, session_of

from .shop import Shop

LIMIT: Final = 5
"""Sessions that one user may have."""


def new_store() -> Store:
    """Return the store of one run."""
    return MemoryStore()


class Coatcheck(Shop):
    """coatcheck as its documentation shows it: the epoch is read before the password is checked."""

    key = "coatcheck"
    limited = True

    def around(self, app: Starlette) -> ASGIApp:
        """Put the middleware around it."""
        self.sessions = AsyncSessions(new_store(), policy=Policy(max_sessions=LIMIT))
        return SessionMiddleware(app, sessions=self.sessions)

    async def sign_in(self, request: Request, user: str) -> None:
        """Sign in."""
        epoch = await self.sessions.epoch(user)
        await session_of(request).login(user, epoch=epoch)

    async def sign_out(self, request: Request) -> None:
        """Sign out."""
        await session_of(request).logout()

    def user_of(self, request: Request) -> str | None:
        """Return who is signed in."""
        return session_of(request).user_id

    def planted(self) -> str:
        """Return a well-formed ticket that nobody minted."""
        return mint(secrets.token_bytes).token

    async def close(self) -> None:
        """Let requests go, and close the store."""
        await super().close()
        await self.sessions.aclose()
