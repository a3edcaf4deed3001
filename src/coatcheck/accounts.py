"""The accounts that are signed in in one browser, as applications hold them: listed, put aside, switched, signed out.

`AsyncAccounts` and `BlockingAccounts` carry the same words; the one's verbs are awaited, the other's are called. They
are a view of the request's session: after `switch` that session is another account's.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeAlias

from coatcheck.account import Account
from coatcheck.manager import accounts
from coatcheck.manager.credentials import Credentials
from coatcheck.state import State

Accounts: TypeAlias = list[Account]
Run: TypeAlias = Callable[[Coroutine[Any, Any, Any]], Any]


class _View:
    """What both kinds share."""

    __slots__ = ("_state",)

    def __init__(self, state: State) -> None:
        """Show the accounts beside *state*; adapters make these, applications receive them."""
        self._state = state

    def __repr__(self) -> str:
        """Show which session is in use; never a secret. Asks nobody."""
        return f"<{type(self).__name__} beside {self._state.id or 'no session'}>"


class AsyncAccounts(_View):
    """The accounts of one browser in an asyncio application."""

    __slots__ = ()

    async def list(self) -> Accounts:
        """Return the accounts that are signed in here, the one in use first, then the most recently seen.

        Those that have ended are left out; those that the idle clock locked are there and say so. While somebody acts
        for another user it shows who they are. A request with a bearer token has none.

        Raises:
            StoreUnavailable, UnreadableRecord: they could not be looked up.
            ConfigurationError: the middleware was not told ``accounts=``.
        """
        return await accounts.list_accounts(self._state)

    async def add(
        self,
        user_id: str,
        *,
        epoch: int | None = None,
        roles: Sequence[str] | None = None,
        remember: bool | None = None,
        amr: Sequence[str] = (),
        aal: int | None = None,
    ) -> None:
        """Sign *user_id* in and put the account in use aside, where ``session.login`` would end it.

        The arguments are those of ``session.login``. For the user in use it is the same as that; a session of theirs
        that waits here is replaced and its data carried.

        Raises:
            ActingForAnother: this is an impersonation.
            AccountLimitReached: the browser holds as many accounts as it may.
            StaleLogin, SessionLimitReached, InsecureTransport, TooLate, StoreUnavailable: as ``session.login``.
        """
        core = self._state.core
        await accounts.add(
            self._state, Credentials(core, user_id, epoch=epoch, roles=roles, remember=remember, amr=amr, aal=aal)
        )

    async def park(self) -> None:
        """Put the account in use aside and delete the session's cookie: the next sign-in, whichever way, adds one.

        For sign-ins that take more than one request, and for those that a framework or another site owns.

        Raises:
            ActingForAnother: this is an impersonation.
            SignInRequired, CommitRefused, TooLate, StoreUnavailable.
        """
        await accounts.park(self._state)

    async def switch(self, session_id: str) -> None:
        """Go on with another account. Both sessions get a new secret and keep their data, roles and ``auth_time``.

        Raises:
            ActingForAnother: this is an impersonation.
            SignInRequired: that account is signed in here no more, or locked; holds the reason.
            CommitRefused: another request was first; nothing was changed.
            TooLate, StoreUnavailable.
        """
        await accounts.switch(self._state, session_id)

    async def sign_out(self, session_id: str) -> None:
        """Sign one account out; harmless for a session that is none of this browser's. The others stay as they are.

        Raises:
            StoreUnavailable: not confirmed; it is tried again.
            TooLate: the headers have left, or this is a snapshot.
        """
        await accounts.sign_out(self._state, session_id)

    async def sign_out_all(self) -> None:
        """Sign every account of this browser out, and delete both cookies.

        Raises:
            StoreUnavailable: not confirmed; the cookies are deleted all the same, and it is tried again.
            TooLate: the headers have left, or this is a snapshot.
        """
        await accounts.sign_out_all(self._state)


class BlockingAccounts(_View):
    """The accounts of one browser in a blocking application, or in a plain ``def`` endpoint of an asyncio one."""

    __slots__ = ("_run",)

    def __init__(self, state: State, run: Run) -> None:
        """Show the accounts beside *state*; *run* finishes the manager's coroutines in this thread's world."""
        super().__init__(state)
        self._run = run

    def list(self) -> Accounts:
        """As `AsyncAccounts.list`."""
        found: Accounts = self._run(accounts.list_accounts(self._state))
        return found

    def add(
        self,
        user_id: str,
        *,
        epoch: int | None = None,
        roles: Sequence[str] | None = None,
        remember: bool | None = None,
        amr: Sequence[str] = (),
        aal: int | None = None,
    ) -> None:
        """As `AsyncAccounts.add`."""
        core = self._state.core
        credentials = Credentials(core, user_id, epoch=epoch, roles=roles, remember=remember, amr=amr, aal=aal)
        self._run(accounts.add(self._state, credentials))

    def park(self) -> None:
        """As `AsyncAccounts.park`."""
        self._run(accounts.park(self._state))

    def switch(self, session_id: str) -> None:
        """As `AsyncAccounts.switch`."""
        self._run(accounts.switch(self._state, session_id))

    def sign_out(self, session_id: str) -> None:
        """As `AsyncAccounts.sign_out`."""
        self._run(accounts.sign_out(self._state, session_id))

    def sign_out_all(self) -> None:
        """As `AsyncAccounts.sign_out_all`."""
        self._run(accounts.sign_out_all(self._state))
