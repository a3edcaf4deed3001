"""Sessions for FastAPI, as typed dependencies."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from coatcheck.errors import MissingExtra

try:
    from fastapi import Depends
    from starlette.requests import HTTPConnection
except ImportError:  # pragma: no cover - the message is tested in an environment without FastAPI
    raise MissingExtra("coatcheck.web.fastapi", None, "fastapi") from None

from coatcheck import accounts as accounts_objects
from coatcheck import session as sessions_objects
from coatcheck.session import AsyncSession
from coatcheck.user import User
from coatcheck.web.asgi import loaded_session_in
from coatcheck.web.fastapi_security import CurrentInCookie, SessionMiddleware, SignedInByCookie
from coatcheck.web.starlette import accounts_of, session_of, user_of

__all__ = [
    "BlockingAccounts",
    "BlockingSession",
    "Current",
    "CurrentAccounts",
    "CurrentSession",
    "SessionMiddleware",
    "SignedIn",
    "accounts_of",
    "session_of",
    "user_of",
]

T = TypeVar("T")


async def _blocking(connection: HTTPConnection) -> sessions_objects.BlockingSession:
    state = (await loaded_session_in(connection.scope))._state  # noqa: SLF001 - two views of one session
    return sessions_objects.BlockingSession(state, _on_the_loop)


async def _accounts(connection: HTTPConnection) -> accounts_objects.AsyncAccounts:
    return accounts_objects.AsyncAccounts((await loaded_session_in(connection.scope))._state)  # noqa: SLF001 - as above


async def _blocking_accounts(connection: HTTPConnection) -> accounts_objects.BlockingAccounts:
    state = (await loaded_session_in(connection.scope))._state  # noqa: SLF001 - as above
    return accounts_objects.BlockingAccounts(state, _on_the_loop)


def _on_the_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run the manager's coroutine on the application's loop, from the worker thread of a plain ``def`` endpoint."""
    from anyio.from_thread import run

    async def awaited() -> T:
        return await coroutine

    return run(awaited)


def _typed(kind: type[T]) -> Callable[[HTTPConnection], Coroutine[Any, Any, T]]:
    async def current(connection: HTTPConnection) -> T:
        return (await loaded_session_in(connection.scope)).typed(kind)

    return current


CurrentSession = Annotated[AsyncSession, Depends(CurrentInCookie())]
"""The request's session."""

SignedIn = Annotated[User, Depends(SignedInByCookie())]
"""The signed-in user; 401, or 303 to ``sign_in_url`` for pages, when there is none."""

BlockingSession = Annotated[sessions_objects.BlockingSession, Depends(_blocking)]
"""The request's session for plain ``def`` endpoints: its verbs are called, not awaited."""

CurrentAccounts = Annotated[accounts_objects.AsyncAccounts, Depends(_accounts)]
"""The accounts of the request's browser."""

BlockingAccounts = Annotated[accounts_objects.BlockingAccounts, Depends(_blocking_accounts)]
"""The accounts of the request's browser for plain ``def`` endpoints."""

if TYPE_CHECKING:
    Current = Annotated[T, "the session's data"]
else:

    class Current:
        """``Current[Cart]``: the session's data as a dataclass or `msgspec.Struct`."""

        def __class_getitem__(cls, kind: type[T]) -> Any:
            """Return the dependency that gives a *kind*."""
            return Annotated[kind, Depends(_typed(kind))]
