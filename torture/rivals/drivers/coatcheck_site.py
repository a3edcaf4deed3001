"""coatcheck's Starlette middleware, in the same shape as the others."""

from __future__ import annotations

from starlette.requests import Request

from coatcheck import AsyncSessions, CommitRefused, Policy, StaleLogin
from coatcheck.web.starlette import SessionMiddleware, session_of
from torture.rivals.calling import AsgiCaller
from torture.rivals.contenders import LIMIT
from torture.rivals.drivers.starlette_site import Site, application, numbers, user_of


class _Site(Site):
    def __init__(self, sessions: AsyncSessions) -> None:
        self._sessions = sessions

    async def who(self, request: Request) -> tuple[str | None, dict[str, int]]:
        session = session_of(request)
        return session.user_id, numbers(session)

    async def put(self, request: Request, key: str, value: int) -> int:
        session_of(request)[key] = value
        return 200

    async def check(self, request: Request) -> int:
        return await self._sessions.epoch(user_of(request))

    async def sign_in(self, request: Request) -> None:
        try:
            await session_of(request).login(user_of(request), epoch=request.state.known)
        except (StaleLogin, CommitRefused):
            request.state.answer.status_code = 401

    async def sign_out(self, request: Request) -> None:
        await session_of(request).logout()

    async def renew(self, request: Request) -> None:
        await session_of(request).rotate()

    async def end_user(self, request: Request) -> None:
        await self._sessions.revoke_user(user_of(request))

    async def end_each(self, request: Request) -> None:
        for session in await self._sessions.list(user_of(request)):
            await self._sessions.revoke(session.id)


def build(_variant: str, url: str) -> AsgiCaller:
    """Build it over the store at *url*."""
    sessions = AsyncSessions(url, policy=Policy(max_sessions=LIMIT))
    app = application(_Site(sessions))
    app.add_middleware(SessionMiddleware, sessions=sessions)
    return AsgiCaller(app)
