"""fastapi-redis-sdk: its session middleware on a server that knows HEXPIRE; the principal is `user_id`, by default."""

# pyright: basic, reportMissingImports=false
# mypy: disable-error-code="import-not-found"
# (the library is installed in the rivals' own environment alone)

from __future__ import annotations

from fastapi import FastAPI
from redis_fastapi import FastAPIRedis, get_settings
from redis_fastapi.deps import get_session_store
from redis_fastapi.sessions import session_state_of
from starlette.requests import Request

from torture.rivals.calling import AsgiCaller
from torture.rivals.drivers.starlette_site import Site, numbers, routes, user_of


class _Site(Site):
    async def who(self, request: Request) -> tuple[str | None, dict[str, int]]:
        return request.session.get("user_id"), numbers(request.session)

    async def sign_in(self, request: Request) -> None:
        request.session["user_id"] = user_of(request)

    async def sign_out(self, request: Request) -> None:
        await (await get_session_store(request)).revoke(session_state_of(request))

    async def renew(self, request: Request) -> None:
        await (await get_session_store(request)).reauthenticate(session_state_of(request))

    async def end_user(self, request: Request) -> None:
        await (await get_session_store(request)).revoke_all(user_of(request))

    async def end_each(self, request: Request) -> None:
        user, store = user_of(request), await get_session_store(request)
        for session in await store.list_for_subject(user):
            await store.revoke_id(session.session_id, subject=user)


def build(_variant: str, url: str) -> AsgiCaller:
    """Build it over the server at *url*."""
    get_settings().url = url
    app = FastAPI(routes=[*routes(_Site())])
    FastAPIRedis(app).lifespan().sessions()
    return AsgiCaller(app)
