"""starsessions: memory or Redis, its autoload middleware, `regenerate_session_id` at sign-in as its README says."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starsessions import InMemoryStore, SessionAutoloadMiddleware, SessionMiddleware, regenerate_session_id

from torture.rivals.calling import AsgiCaller
from torture.rivals.drivers.starlette_site import Site, application, user_of


class _Site(Site):
    async def sign_in(self, request: Request) -> None:
        regenerate_session_id(request)
        request.session["user"] = user_of(request)

    async def renew(self, request: Request) -> None:
        regenerate_session_id(request)


def build(variant: str, url: str) -> AsgiCaller:
    """Build it over memory or the Redis at *url*; two weeks of lifetime."""
    app = application(_Site())
    app.add_middleware(SessionAutoloadMiddleware)
    app.add_middleware(SessionMiddleware, store=_store(variant, url), lifetime=1_209_600)
    return AsgiCaller(app)


def _store(variant: str, url: str) -> Any:
    if variant == "memory":
        return InMemoryStore()
    from starsessions.stores.redis import RedisStore

    return RedisStore(url)
