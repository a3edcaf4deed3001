"""The session as applications hold it: a mapping of their data, and what is known of its holder.

`AsyncSession` and `BlockingSession` carry the same words; the one's verbs are awaited, the other's are called.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, MutableMapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from coatcheck.durations import Duration
from coatcheck.errors import NotLoaded, SignInRequired
from coatcheck.lifecycle import Verdict
from coatcheck.manager import ending, opening, saving, signing, transactions
from coatcheck.model import Device, Millis
from coatcheck.state import State
from coatcheck.typed import build
from coatcheck.user import User

T = TypeVar("T")
Run = Callable[[Coroutine[Any, Any, Any]], Any]


class Session(MutableMapping[str, Any]):
    """What both kinds of session share. Any use of it is a look: it counts as activity and adds ``Vary: Cookie``.

    Values handed out may be changed in place; such a change is found and committed like an assigned one.
    """

    __slots__ = ("_state",)

    def __init__(self, state: State) -> None:
        """Show *state*; adapters and managers make sessions, applications receive them."""
        self._state = state

    def __repr__(self) -> str:
        """Show the public id and the verdict; never a secret or a datum."""
        self._state.looked = True
        return f"<{type(self).__name__} {self._state.id or 'without id'} {self._state.judgement.verdict.value}>"

    # -- data

    def __getitem__(self, key: str) -> Any:
        """Return a key's value."""
        self._look()
        return self._state.data.get(key)

    def __setitem__(self, key: str, value: Any) -> None:
        """Assign a key; committed before the answer's first byte leaves.

        Raises:
            NotEncodable: the value could not be restored as it is.
            InsecureTransport: the request came over plain http from a host that is not local.
            SignInRequired: the policy lets nobody store data who is not signed in.
        """
        self._look()
        self._state.may_write()
        if self._state.live is None and not self._state.core.policy.anonymous:
            raise SignInRequired(self._state.judgement.reason or "none")
        self._state.data.set(key, value)

    def __delitem__(self, key: str) -> None:
        """Remove a key."""
        self._look()
        self._state.data.delete(key)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys."""
        self._look()
        return iter(self._state.data)

    def __len__(self) -> int:
        """Count the keys."""
        self._look()
        return len(self._state.data)

    def __contains__(self, key: object) -> bool:
        """Whether the key is there."""
        self._look()
        return key in self._state.data

    def typed(self, kind: type[T]) -> T:
        """Return the data as a *kind*: a dataclass or `msgspec.Struct` whose fields are the keys.

        What is changed in it is committed with the request. Asking twice gives the same object.

        Raises:
            DataMismatch: stored data does not fit.
            TypeError: *kind* is neither a dataclass nor a `msgspec.Struct`.
        """
        self._look()
        known: T | None = self._state.data.view(kind)
        if known is not None:
            return known
        made, view = build(kind, self._state.data)
        self._state.data.typed(view)
        return made

    # -- holder

    @property
    def id(self) -> str | None:
        """The public handle, safe to list, log and revoke by; ``None`` while nothing is stored."""
        self._look()
        return self._state.id

    @property
    def signed_in(self) -> bool:
        """Whether the session belongs to a user."""
        return self.user_id is not None

    @property
    def user_id(self) -> str | None:
        """Whom the session belongs to."""
        self._look()
        record = self._state.live
        return None if record is None else record.user_id

    @property
    def roles(self) -> tuple[str, ...]:
        """The user's roles, sorted."""
        self._look()
        record = self._state.live
        return () if record is None else record.roles

    @property
    def user(self) -> User:
        """The signed-in user.

        Raises:
            SignInRequired: nobody is signed in; holds the reason.
        """
        self._look()
        record = self._state.live
        if record is None or record.user_id is None:
            raise SignInRequired(self.reason or "none")
        return User(record.user_id, record.roles, record.aal, _moment(record.auth_time))

    @property
    def reason(self) -> str | None:
        """Why the presented ticket opens nothing: ``"idle"``, ``"expired"``, ``"locked"``, ``"revoked"`` and so on.

        Told only to the holder of the right secret; ``None`` for a live session and for a visitor without one.
        """
        self._look()
        reason = self._state.judgement.reason
        return "expired" if reason == "absolute" else reason

    @property
    def locked(self) -> bool:
        """Whether the session is locked by the idle clock: signing in again as the same user keeps its data."""
        self._look()
        return self._state.judgement.verdict is Verdict.LOCKED

    @property
    def created_at(self) -> datetime | None:
        """When the session began."""
        self._look()
        return None if self._state.live is None else _moment(self._state.live.created_at)

    @property
    def last_seen_at(self) -> datetime | None:
        """The last recorded activity, right to within the policy's ``touch_every``."""
        self._look()
        return None if self._state.live is None else _moment(self._state.live.last_seen_at)

    @property
    def idle_expires_at(self) -> datetime | None:
        """When the session ends if it is not used, as it stands now."""
        self._look()
        return None if self._state.live is None else _moment(self._state.live.idle_expires_at)

    @property
    def expires_at(self) -> datetime | None:
        """When the session ends whatever happens; ``None`` without an absolute timeout."""
        self._look()
        return None if self._state.live is None else _moment(self._state.live.expires_at)

    @property
    def auth_time(self) -> datetime | None:
        """When the user last proved who they are."""
        self._look()
        return None if self._state.live is None else _moment(self._state.live.auth_time)

    @property
    def persistent(self) -> bool:
        """Whether the cookie survives the browser."""
        self._look()
        return self._state.live is not None and self._state.live.persistent

    @property
    def device(self) -> Device | None:
        """What is known of the browser."""
        self._look()
        return None if self._state.live is None else self._state.live.device

    def _look(self) -> None:
        self._state.look()


class AsyncSession(Session):
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
            signing.Credentials(
                core, user_id, epoch=epoch, roles=roles, remember=remember, amr=amr, aal=aal
            ),
        )

    async def logout(self) -> None:
        """End this session and delete its cookie; harmless when there is none.

        Raises:
            StoreUnavailable: not confirmed; the cookie is deleted all the same and the sign-out is tried again.
        """
        await ending.logout(self._state)

    async def rotate(self) -> None:
        """Give the session a new secret because its privilege changed; the old one is dead at once.

        Raises:
            SignInRequired, CommitRefused, TooLate, StoreUnavailable.
        """
        await signing.rotate(self._state)

    async def transaction(
        self, change: Callable[[MutableMapping[str, Any]], T], *, deadline: Duration = "2s"
    ) -> T:
        """Run the plain function *change* on the data and commit, again if somebody else was first.

        Raises:
            Contended, SessionGone, PrivilegeChanged, TransactionMisuse.
        """
        return await transactions.transact_session(self._state, change, deadline)


class BlockingSession(Session):
    """A session in a blocking application, or in a plain ``def`` endpoint of an asyncio one."""

    __slots__ = ("_run",)

    def __init__(self, state: State, run: Run) -> None:
        """Show *state*; *run* finishes the manager's coroutines in this thread's world."""
        super().__init__(state)
        self._run = run

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
        credentials = signing.Credentials(
            core, user_id, epoch=epoch, roles=roles, remember=remember, amr=amr, aal=aal
        )
        self._run(signing.login(self._state, credentials))

    def logout(self) -> None:
        """As `AsyncSession.logout`."""
        self._run(ending.logout(self._state))

    def rotate(self) -> None:
        """As `AsyncSession.rotate`."""
        self._run(signing.rotate(self._state))

    def transaction(self, change: Callable[[MutableMapping[str, Any]], T], *, deadline: Duration = "2s") -> T:
        """As `AsyncSession.transaction`."""
        result: T = self._run(transactions.transact_session(self._state, change, deadline))
        return result


async def load(state: State) -> None:
    """Load a session whose loading was left to demand; harmless when it is loaded."""
    if isinstance(state.problem, NotLoaded):
        await reload(state)


async def reload(state: State) -> None:
    """Read and judge again, dropping uncommitted changes."""
    ticket = state.current or state.ticket
    cookie = state.cookie
    state.forget()
    state.ticket, state.cookie = ticket, cookie
    await opening.fill(state)


def _moment(millis: Millis | None) -> datetime | None:
    return None if millis is None else datetime.fromtimestamp(millis / 1000, UTC)
