"""The manager that asyncio applications hold."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, Self, TypeAlias, TypeVar

from coatcheck import stores, tokens
from coatcheck.counting import Counts, Every
from coatcheck.devices import describer
from coatcheck.durations import Duration
from coatcheck.events import Listener
from coatcheck.listeners import log_events
from coatcheck.manager import counting, credentials, ending, listing, opening, saving, selecting, transactions
from coatcheck.manager.core import Core
from coatcheck.manager.selecting import Progress
from coatcheck.mixins import spoken_by
from coatcheck.model import Millis, SessionInfo
from coatcheck.policy import Policy
from coatcheck.runtime import Runtime
from coatcheck.selection import Selection
from coatcheck.session import AsyncSession
from coatcheck.sessions_issuing import AsyncIssuing
from coatcheck.sessions_upkeep import AsyncUpkeep
from coatcheck.state import NOWHERE, Outcome, Visit
from coatcheck.stores.contract import Store
from coatcheck.wrong_words import MANAGER

T = TypeVar("T")
Infos: TypeAlias = list[SessionInfo]
CountsList: TypeAlias = list[Counts]


def make_core(
    store: str | Store,
    runtime: Runtime,
    *,
    blocking: bool,
    policy: Policy | None,
    tenant: str,
    clock: Callable[[], float],
    random: tokens.Randomness,
    listeners: Sequence[Listener],
) -> Core:
    """Build what `AsyncSessions` and ``Sessions`` share, refusing what cannot work.

    Raises:
        ConfigurationError: the store's URL or the tenant is wrong.
    """
    stores.check_tenant(tenant)
    opened = stores.from_url(store, blocking=blocking, tenant=tenant) if isinstance(store, str) else store
    stores.check_store(opened, blocking=blocking, tenant=tenant)
    core = Core(
        opened,
        policy=policy or Policy(),
        tenant=tenant,
        clock=clock,
        random=random,
        listeners=[log_events, *listeners],
        runtime=runtime,
        describe=describer(),
    )
    core.counter = counting.counter_for(core)
    if core.counter is not None:
        core.listeners.append(core.counter)
    return core


@spoken_by
class AsyncSessions(AsyncIssuing, AsyncUpkeep):
    """Sessions for asyncio applications. It belongs to the first event loop that uses it.

    Connections open on first use. An ASGI application closes them with its lifespan; elsewhere call `aclose`.
    """

    _words = MANAGER

    def __init__(
        self,
        store: str | Store = "sqlite:///sessions.db",
        *,
        policy: Policy | None = None,
        tenant: str = "",
        clock: Callable[[], float] = time.time,
        random: tokens.Randomness = secrets.token_bytes,
        listeners: Sequence[Listener] = (),
    ) -> None:
        """Set up; nothing is opened yet.

        Args:
            store: a URL (``sqlite:///sessions.db``, ``memory://``) or a store of your own.
            policy: how sessions live and end; `Policy.web` when none is given.
            tenant: a namespace; sessions of different tenants never meet.
            clock: returns seconds since the Unix epoch.
            random: returns that many random bytes.
            listeners: told of every event.

        Raises:
            ConfigurationError: the URL, the tenant or the store is wrong; says how to mend it.
        """
        from coatcheck.runtime_async import AsyncRuntime

        self._core = make_core(
            store,
            AsyncRuntime(),
            blocking=False,
            policy=policy,
            tenant=tenant,
            clock=clock,
            random=random,
            listeners=listeners,
        )
        self._holder = secrets.token_hex(8)

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ, **options: Any) -> Self:
        """Take the store from ``COATCHECK_STORE``, else ``REDIS_URL``, else ``DATABASE_URL``, else a SQLite file.

        The first variable that is set decides; a URL that cannot be used is an error, never passed over.

        Raises:
            ConfigurationError: the URL's scheme is not known or not available.
        """
        return cls(stores.url_from_env(env), **options)

    def __repr__(self) -> str:
        """Show the store's name; never a URL, which may hold a password."""
        return f"<{type(self).__name__} on {self._core.store.traits.name}>"

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._core.policy

    @property
    def store(self) -> Store:
        """The store, for what it can do beyond sessions."""
        return self._core.store

    def subscribe(self, listener: Listener) -> None:
        """Tell *listener* of every event from now on."""
        self._core.listeners.append(listener)

    # -- one session

    async def load(self, token: str | None, visit: Visit = NOWHERE) -> AsyncSession:
        """Return the session that a cookie's value opens; an empty one when it opens none.

        Raises:
            StoreUnavailable: the store did not answer.
            UnreadableRecord: a newer release wrote the session.
        """
        return AsyncSession(await opening.load(self._core, token, visit))

    async def save(self, session: AsyncSession) -> Outcome:
        """Write what the session needs written and say what the answer does with the cookie.

        Raises:
            CommitRefused: the changes were not saved.
        """
        return await saving.conclude(session._state)  # noqa: SLF001 - the manager is the session's other half

    async def login(
        self,
        session: AsyncSession,
        user_id: str,
        *,
        epoch: int | None = None,
        roles: Sequence[str] | None = None,
        remember: bool | None = None,
        amr: Sequence[str] = (),
        aal: int | None = None,
    ) -> None:
        """As `AsyncSession.login`."""
        await session.login(user_id, epoch=epoch, roles=roles, remember=remember, amr=amr, aal=aal)

    async def logout(self, session: AsyncSession) -> None:
        """As `AsyncSession.logout`."""
        await session.logout()

    async def rotate(self, session: AsyncSession) -> None:
        """As `AsyncSession.rotate`."""
        await session.rotate()

    async def transaction(
        self, session_id: str, change: Callable[[MutableMapping[str, Any]], T], *, deadline: Duration = "2s"
    ) -> T:
        """Run the plain function *change* on a session's data and commit, again if somebody else was first.

        Raises:
            SessionGone: there is no such live session.
            Contended: the deadline passed.
        """
        return await transactions.transact(self._core, session_id, change, deadline)

    # -- many sessions

    async def epoch(self, user_id: str) -> int:
        """Return the user's epoch: read it before the password is checked and pass it to ``login``."""
        self._core.runtime.enter()
        return await self._core.store.epoch(credentials.checked_user(user_id))

    async def get(self, session_id: str) -> SessionInfo | None:
        """Return one session, live or ended, by its public id."""
        return await listing.get(self._core, session_id)

    async def list(self, user_id: str, *, ended: bool = False) -> Infos:
        """Return a user's live sessions, most recently seen first; with *ended*, also those that ended lately."""
        return await listing.of_user(self._core, user_id, ended=ended)

    async def browse(
        self, *, limit: int = 50, after: str | None = None, user_id: str | None = None
    ) -> tuple[Infos, str | None]:
        """Return a page of all sessions, newest first, and the cursor of the next page.

        Raises:
            ValueError: nobody issued the cursor *after*.
        """
        return await listing.browse(self._core, limit=limit, after=after, user_id=user_id)

    async def count(self) -> int:
        """Return how many live sessions there are."""
        return await listing.count(self._core)

    async def counts(
        self, every: Every = "minute", *, since: Millis | None = None, until: Millis | None = None
    ) -> CountsList:
        """Return what happened in each minute, hour or day, oldest first, in all processes together.

        Args:
            every: ``"minute"`` (kept a day), ``"hour"`` (kept a month) or ``"day"`` (kept a year).
            since: milliseconds since the Unix epoch; the earliest kept when not given.
            until: the same; now when not given.

        Raises:
            ConfigurationError: the store keeps no counts.
            ValueError: *every* is none of these, or the times are not in order.
        """
        return await counting.read(self._core, every, since=since, until=until)

    async def revoke(self, session_id: str, *, user_id: str | None = None) -> bool:
        """End one session; with *user_id* only if it is that user's. ``False`` when there was none to end."""
        return await ending.revoke(self._core, session_id, user_id=user_id)

    async def revoke_user(self, user_id: str, *, keep: str | None = None) -> int:
        """End all sessions of a user but *keep*, and refuse sign-ins whose epoch was read before. Returns how many."""
        return await ending.revoke_user(self._core, credentials.checked_user(user_id), keep=keep)

    async def count_where(self, selection: Selection, *, on_progress: Progress | None = None) -> int:
        """Return how many live sessions match; what `revoke_where` would end.

        Raises:
            ConfigurationError: the store cannot browse.
            ValueError: the selection is of sessions that have ended.
        """
        return await selecting.count_where(self._core, selection, on_progress)

    async def revoke_where(self, selection: Selection, *, on_progress: Progress | None = None) -> int:
        """End every session that matches, one by one, the newest first. Returns how many.

        Sessions that begin, or come to match, meanwhile stay, and so do those that cannot be read; no sign-in under way
        is refused: that is for `revoke_user` and `revoke_all`. *on_progress* is told how many were looked at
        and how many of them ended.

        Raises:
            ConfigurationError: the store cannot browse.
            StoreUnavailable: the store did not answer; a note says how many had been ended. `Unconfirmed`: they were
                ended, but too few replicas confirmed it.
            ValueError: the selection is of sessions that have ended, or of everybody's.
        """
        return await selecting.revoke_where(self._core, selection, on_progress)

    async def revoke_all(self) -> int:
        """End every session of everybody. Returns how many, once nothing older is live."""
        return await ending.end_everything(self._core)

    async def set_roles(self, user_id: str, roles: Sequence[str]) -> int:
        """Change the roles in all sessions of a user; the next request of each obeys. Returns how many.

        Raises:
            UnreadableRecord: a newer release wrote one of them, which keeps its roles; all others are changed.
        """
        return await ending.set_roles(self._core, credentials.checked_user(user_id), credentials.checked_roles(roles))
