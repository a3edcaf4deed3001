"""The session as applications hold it.

`AsyncSession` and `BlockingSession` carry the same words; the one's verbs are awaited, the other's are called.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from typing import Any, TypeVar

from coatcheck.durations import Duration
from coatcheck.errors import NotLoaded, StoreUnavailable, UnreadableRecord
from coatcheck.manager import csrf, ending, opening, saving, signing, transactions
from coatcheck.mixins import spoken_by
from coatcheck.session_privilege import AsyncPrivilege, BlockingPrivilege
from coatcheck.state import State

T = TypeVar("T")


@spoken_by
class AsyncSession(AsyncPrivilege):
    """A session in an asyncio application."""

    __slots__ = ()

    async def load(self) -> None:
        """Load the session now; needed before its first use where the middleware has ``load="on_demand"``."""
        await load(self._state)

    async def reload(self) -> None:
        """Read and judge the session again, dropping uncommitted changes (WebSockets, long work)."""
        await reload(self._state)

    async def save(self) -> None:
        """Commit the changes made so far.

        Raises:
            CommitRefused: the session ended or changed its privileges meanwhile; nothing was saved.
        """
        await saving.save(self._state)

    async def login(
        self,
        user_id: str,
        *,
        epoch: int | None = None,
        roles: Sequence[str] | None = None,
        remember: bool | None = None,
        amr: Sequence[str] = (),
        aal: int | None = None,
    ) -> None:
        """Sign *user_id* in: a new id and secret, the old ticket dead, the user's limit held.

        *epoch* is what ``sessions.epoch(user_id)`` said before the password was checked; without it a sign-out of
        all devices that happens during the check is missed. *roles* default to the policy's. *remember* chooses the
        lifetime: ``True`` the remembered one, ``False`` a cookie that ends with the browser, ``None`` the policy's.
        *amr* and *aal* state how the user proved who they are (RFC 8176, NIST SP 800-63B).

        Raises:
            StaleLogin, SessionLimitReached, InsecureTransport, TooLate, StoreUnavailable.
        """
        core = self._state.core
        await signing.login(
            self._state,
            signing.Credentials(core, user_id, epoch=epoch, roles=roles, remember=remember, amr=amr, aal=aal),
        )

    async def logout(self) -> None:
        """End this session and delete its cookie; harmless when there is none.

        Raises:
            StoreUnavailable: not confirmed; the cookie is deleted all the same and the sign-out is tried again.
            UnreadableRecord: a newer release wrote the session; the cookie is deleted, the session is not ended.
            TooLate: the headers have left, or this is a snapshot.
        """
        await logout(self._state)

    async def rotate(self) -> None:
        """Give the session a new secret because its privilege changed; the old one is dead at once.

        Raises:
            SignInRequired, CommitRefused, TooLate, StoreUnavailable.
        """
        await signing.rotate(self._state)

    async def csrf_token(self) -> str:
        """Return a new CSRF token, for a form's ``csrf_token`` field or the ``X-CSRF-Token`` header.

        It holds as long as this session does and dies with every change of privilege: ask for it after signing in. A
        visitor without a session gets a cookie for an hour, and nothing is stored.

        Raises:
            InsecureTransport, TooLate, StoreUnavailable.
        """
        return await csrf.token(self._state)

    async def transaction(self, change: Callable[[MutableMapping[str, Any]], T], *, deadline: Duration = "2s") -> T:
        """Run the plain function *change* on the data and commit, again if somebody else was first.

        Raises:
            Contended, SessionGone, PrivilegeChanged, TransactionMisuse.
        """
        return await transactions.transact_session(self._state, change, deadline)


@spoken_by
class BlockingSession(BlockingPrivilege):
    """A session in a blocking application, or in a plain ``def`` endpoint of an asyncio one."""

    __slots__ = ()

    def load(self) -> None:
        """As `AsyncSession.load`."""
        self._run(load(self._state))

    def reload(self) -> None:
        """As `AsyncSession.reload`."""
        self._run(reload(self._state))

    def save(self) -> None:
        """As `AsyncSession.save`."""
        self._run(saving.save(self._state))

    def login(
        self,
        user_id: str,
        *,
        epoch: int | None = None,
        roles: Sequence[str] | None = None,
        remember: bool | None = None,
        amr: Sequence[str] = (),
        aal: int | None = None,
    ) -> None:
        """As `AsyncSession.login`."""
        core = self._state.core
        credentials = signing.Credentials(core, user_id, epoch=epoch, roles=roles, remember=remember, amr=amr, aal=aal)
        self._run(signing.login(self._state, credentials))

    def logout(self) -> None:
        """As `AsyncSession.logout`."""
        self._run(logout(self._state))

    def rotate(self) -> None:
        """As `AsyncSession.rotate`."""
        self._run(signing.rotate(self._state))

    def csrf_token(self) -> str:
        """As `AsyncSession.csrf_token`."""
        made: str = self._run(csrf.token(self._state))
        return made

    def transaction(self, change: Callable[[MutableMapping[str, Any]], T], *, deadline: Duration = "2s") -> T:
        """As `AsyncSession.transaction`."""
        result: T = self._run(transactions.transact_session(self._state, change, deadline))
        return result


async def load(state: State) -> None:
    """Load a session whose loading was left to demand; harmless when it is loaded.

    Raises:
        NotLoaded: the path lies outside those that use sessions.
        StoreUnavailable, UnreadableRecord: as when the middleware loads it.
    """
    state.load_if_lazy()
    state.core.runtime.enter()  # before the turn: a manager's first use of an event loop forgets those of another
    async with state.turn():
        if isinstance(state.problem, NotLoaded):
            await _refill(state)


async def reload(state: State) -> None:
    """Read and judge again, dropping uncommitted changes; what goes wrong leaves the session as it was."""
    state.core.runtime.enter()
    async with state.turn():
        await _refill(state)


async def _refill(state: State) -> None:
    """Fill a fresh state aside and take it over whole, so that no other task sees half of it."""
    if state.outside and state.problem is not None:
        raise state.problem
    fresh = State(state.core, state.visit)
    fresh.ticket, fresh.legacy = state.held, state.legacy
    await opening.fill(fresh)
    state.take_over(fresh)


async def logout(state: State) -> None:
    """Sign out, loading first what was left to demand; an outage then counts as one of the sign-out itself."""
    state.load_if_lazy()
    if isinstance(state.problem, NotLoaded):
        try:
            await load(state)
        except (StoreUnavailable, UnreadableRecord) as problem:
            state.problem = problem
    async with state.turn():
        await ending.logout(state)
