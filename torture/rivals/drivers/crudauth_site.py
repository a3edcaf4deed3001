"""crudauth: its session transport over memory or Redis; ending a user's sessions is its change of password.

CSRF is off: it plays no part in what is judged. There is no application data but a session's metadata, changed through
`modify_session`, and no session for a visitor who is not signed in.
"""

# pyright: basic, reportMissingImports=false
# mypy: disable-error-code="import-not-found, misc"
# (the library is installed in the rivals' own environment alone)

from __future__ import annotations

from pathlib import Path
from typing import Any

from crudauth import CRUDAuth, SessionTransport
from crudauth.models import AuthUserMixin
from fastapi import Depends, FastAPI
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase
from starlette.requests import Request

from torture.rivals.calling import AsgiCaller
from torture.rivals.contenders import LIMIT
from torture.rivals.drivers.starlette_site import Site, numbers, routes, user_of


class _Base(DeclarativeBase):
    pass


class _User(_Base, AuthUserMixin):
    __tablename__ = "users"


class _Users:
    """The application's own table of users."""

    def __init__(self, path: Path) -> None:
        self._engine = create_async_engine(f"sqlite+aiosqlite:///{path}", connect_args={"timeout": 20})
        self.sessions = async_sessionmaker(self._engine, expire_on_commit=False)

    async def create_tables(self) -> None:
        async with self._engine.begin() as connection:
            await connection.run_sync(_Base.metadata.create_all)

    async def session(self) -> Any:
        """FastAPI's dependency."""
        async with self.sessions() as session:
            yield session

    async def named(self, name: str) -> Any:
        """Return the user, made at the first use."""
        async with self.sessions() as db:
            found = await db.scalar(select(_User).where(_User.username == name))
            if found is not None:
                return found
            try:
                db.add(_User(username=name, email=f"{name}@example.org", hashed_password="-"))  # noqa: S106 - none
                await db.commit()
            except IntegrityError:
                await db.rollback()
            return await db.scalar(select(_User).where(_User.username == name))


class _Site(Site):
    def __init__(self, auth: CRUDAuth, transport: SessionTransport, users: _Users) -> None:
        self._auth, self._transport, self._users = auth, transport, users

    async def who(self, request: Request) -> tuple[str | None, dict[str, int]]:
        me = request.state.me
        if me is None:
            return None, {}
        session = await self._sessions.get_session(me.metadata["session_id"])
        return me.user.username, numbers(session.metadata if session else {})

    async def put(self, request: Request, key: str, value: int) -> int:
        me = request.state.me
        if me is None:
            return 401

        def change(session: Any) -> None:
            session.metadata[key] = value

        changed = await self._sessions.modify_session(me.metadata["session_id"], change)
        return 401 if changed is None else 200

    async def check(self, request: Request) -> Any:
        return await self._users.named(user_of(request))

    async def sign_in(self, request: Request) -> None:
        await self._transport.complete_login(request, request.state.answer, request.state.known, {})

    async def sign_out(self, request: Request) -> None:
        async with self._users.sessions() as db:
            await self._transport.complete_logout(request, request.state.answer, db)

    async def end_user(self, request: Request) -> None:
        account = await self._users.named(user_of(request))
        async with self._users.sessions() as db:
            await self._auth.repo.increment_token_version(db, await db.merge(account))
            await db.commit()
        await self._sessions.revoke_all(account.id)

    async def end_each(self, request: Request) -> None:
        account = await self._users.named(user_of(request))
        for session in await self._sessions.list_for_user(account.id):
            await self._sessions.revoke_by_handle(session["id"], account.id)

    @property
    def _sessions(self) -> Any:
        return self._transport.manager


class _Caller(AsgiCaller):
    """An application whose tables and connections are opened first."""

    def __init__(self, app: FastAPI, auth: CRUDAuth, users: _Users) -> None:
        super().__init__(app)
        self._auth, self._users = auth, users

    async def open(self) -> None:
        await self._users.create_tables()
        await self._auth.initialize()
        await super().open()

    async def close(self) -> None:
        await super().close()
        await self._auth.shutdown()


def build(variant: str, url: str) -> AsgiCaller:
    """Build it; *url* names the Redis and, after a space, the file of the users."""
    redis_url, _, file = url.rpartition(" ")
    users = _Users(Path(file))
    transport = SessionTransport(
        backend=variant, redis_url=redis_url or None, csrf=False, max_sessions_per_user=LIMIT, absolute_timeout_hours=24
    )
    auth = CRUDAuth(
        session=users.session, user_model=_User, SECRET_KEY="a key for the torture alone, long enough",  # noqa: S106 - made up
        transports=[transport], warn_on_memory_backend=False,
    )  # fmt: skip

    async def load(request: Request, me: Any = Depends(auth.current_user(optional=True))) -> None:  # noqa: B008 - FastAPI's idiom
        request.state.me = me

    app = FastAPI()
    for route in routes(_Site(auth, transport, users)):
        app.add_api_route(route.path, route.endpoint, methods=list(route.methods or ()), dependencies=[Depends(load)])
    return _Caller(app, auth, users)
