"""The manager that blocking applications hold: the same verbs, the same body, finished in the caller's thread."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, Self, TypeVar

from coatcheck import stores, tokens
from coatcheck.counting import Every
from coatcheck.durations import Duration
from coatcheck.events import Listener
from coatcheck.manager import counting, credentials, ending, listing, opening, saving, selecting, transactions
from coatcheck.manager.selecting import Progress
from coatcheck.mixins import spoken_by
from coatcheck.model import Millis, SessionInfo
from coatcheck.policy import Policy
from coatcheck.runtime import BlockingRuntime, finish
from coatcheck.selection import Selection
from coatcheck.session import BlockingSession
from coatcheck.sessions import CountsList, Infos, make_core
from coatcheck.sessions_issuing import BlockingIssuing
from coatcheck.sessions_upkeep import BlockingUpkeep
from coatcheck.state import NOWHERE, Outcome, Visit
from coatcheck.stores.contract import Store
from coatcheck.wrong_words import MANAGER

T = TypeVar("T")


@spoken_by
class Sessions(BlockingIssuing, BlockingUpkeep):
    """Sessions for blocking applications: threads, prefork servers, scripts. Options are `AsyncSessions`'s."""

    _words, _awaits = MANAGER, False

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

        Raises:
            ConfigurationError: the URL, the tenant or the store is wrong; says how to mend it.
        """
        self._core = make_core(
            store,
            BlockingRuntime(),
            blocking=True,
            policy=policy,
            tenant=tenant,
            clock=clock,
            random=random,
            listeners=listeners,
        )
        self._holder = secrets.token_hex(8)

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ, **options: Any) -> Self:
        """As `AsyncSessions.from_env`."""
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

    def load(self, token: str | None, visit: Visit = NOWHERE) -> BlockingSession:
        """As `AsyncSessions.load`."""
        return BlockingSession(finish(opening.load(self._core, token, visit)), finish)

    def save(self, session: BlockingSession) -> Outcome:
        """As `AsyncSessions.save`."""
        return finish(saving.conclude(session._state))  # noqa: SLF001 - the manager is the session's other half

    def login(
        self,
        session: BlockingSession,
        user_id: str,
        *,
        epoch: int | None = None,
        roles: Sequence[str] | None = None,
        remember: bool | None = None,
        amr: Sequence[str] = (),
        aal: int | None = None,
    ) -> None:
        """As `BlockingSession.login`."""
        session.login(user_id, epoch=epoch, roles=roles, remember=remember, amr=amr, aal=aal)

    def logout(self, session: BlockingSession) -> None:
        """As `BlockingSession.logout`."""
        session.logout()

    def rotate(self, session: BlockingSession) -> None:
        """As `BlockingSession.rotate`."""
        session.rotate()

    def transaction(
        self, session_id: str, change: Callable[[MutableMapping[str, Any]], T], *, deadline: Duration = "2s"
    ) -> T:
        """As `AsyncSessions.transaction`."""
        return finish(transactions.transact(self._core, session_id, change, deadline))

    # -- many sessions

    def epoch(self, user_id: str) -> int:
        """As `AsyncSessions.epoch`."""
        return finish(self._core.store.epoch(credentials.checked_user(user_id)))

    def get(self, session_id: str) -> SessionInfo | None:
        """As `AsyncSessions.get`."""
        return finish(listing.get(self._core, session_id))

    def list(self, user_id: str, *, ended: bool = False) -> Infos:
        """As `AsyncSessions.list`."""
        return finish(listing.of_user(self._core, user_id, ended=ended))

    def browse(
        self, *, limit: int = 50, after: str | None = None, user_id: str | None = None
    ) -> tuple[Infos, str | None]:
        """As `AsyncSessions.browse`."""
        return finish(listing.browse(self._core, limit=limit, after=after, user_id=user_id))

    def count(self) -> int:
        """As `AsyncSessions.count`."""
        return finish(listing.count(self._core))

    def counts(
        self, every: Every = "minute", *, since: Millis | None = None, until: Millis | None = None
    ) -> CountsList:
        """As `AsyncSessions.counts`."""
        return finish(counting.read(self._core, every, since=since, until=until))

    def revoke(self, session_id: str, *, user_id: str | None = None) -> bool:
        """As `AsyncSessions.revoke`."""
        return finish(ending.revoke(self._core, session_id, user_id=user_id))

    def revoke_user(self, user_id: str, *, keep: str | None = None) -> int:
        """As `AsyncSessions.revoke_user`."""
        return finish(ending.revoke_user(self._core, credentials.checked_user(user_id), keep=keep))

    def count_where(self, selection: Selection, *, on_progress: Progress | None = None) -> int:
        """As `AsyncSessions.count_where`."""
        return finish(selecting.count_where(self._core, selection, on_progress))

    def revoke_where(self, selection: Selection, *, on_progress: Progress | None = None) -> int:
        """As `AsyncSessions.revoke_where`."""
        return finish(selecting.revoke_where(self._core, selection, on_progress))

    def revoke_all(self) -> int:
        """As `AsyncSessions.revoke_all`."""
        return finish(ending.end_everything(self._core))

    def set_roles(self, user_id: str, roles: Sequence[str]) -> int:
        """As `AsyncSessions.set_roles`."""
        return finish(ending.set_roles(self._core, credentials.checked_user(user_id), credentials.checked_roles(roles)))
