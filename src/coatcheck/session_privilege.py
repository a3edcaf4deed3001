"""A session's verbs of privilege: sign-in in two steps, stepping up, resuming, acting for another user."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from coatcheck.manager import impersonating, pending, resuming, stepping_up
from coatcheck.manager.credentials import Credentials
from coatcheck.session_view import Session
from coatcheck.state import State

Run = Callable[[Coroutine[Any, Any, Any]], Any]


class AsyncPrivilege(Session):
    """The verbs, awaited."""

    __slots__ = ()

    async def begin_login(
        self,
        user_id: str,
        *,
        epoch: int | None = None,
        roles: Sequence[str] | None = None,
        remember: bool | None = None,
        amr: Sequence[str] = (),
        aal: int | None = None,
    ) -> None:
        """Take note that *user_id*'s first factor was right; `finish_login` signs them in after the next one.

        Until then nobody is signed in: the session has no user, and ``pending_user_id`` says who it would be. The
        arguments are those of ``login``. The policy's ``finish_within`` bounds how long it may take.

        Raises:
            InsecureTransport, TooLate, StoreUnavailable: as ``login``.
        """
        core = self._state.core
        await pending.begin_login(
            self._state, Credentials(core, user_id, epoch=epoch, roles=roles, remember=remember, amr=amr, aal=aal)
        )

    async def finish_login(self, *, amr: Sequence[str] = (), aal: int | None = None) -> None:
        """Sign in who began to: a new id and secret once more. *amr* are the further factors, *aal* the level reached.

        Raises:
            SignInRequired: no sign-in was begun in this session, or too long ago.
            CommitRefused: another request has finished or ended it meanwhile.
            StaleLogin: the user's sessions were ended, or their roles changed, since it was begun. Else as ``login``.
        """
        await pending.finish_login(self._state, amr=amr, aal=aal)

    async def step_up(
        self, *, amr: Sequence[str] = (), aal: int | None = None, roles: Sequence[str] | None = None
    ) -> None:
        """Record that the user has proved once more who they are; the session gets a new secret and keeps its id.

        *amr* are the factors shown just now (RFC 8176), *aal* the assurance level they reach, *roles* what the user
        may do from now on in this session, if that changes. `require_fresh` counts from here.

        Raises:
            ActingForAnother: this is an impersonation.
            SignInRequired, CommitRefused, TooLate, StoreUnavailable.
        """
        await stepping_up.step_up(self._state, amr=amr, aal=aal, roles=roles)

    async def revoke_others(self) -> int:
        """End the user's other sessions, as after a change of password, and give this one a new secret.

        Sign-ins of theirs that are under way are refused. Returns how many ended (ASVS 7.4.3).

        Raises:
            ActingForAnother, SignInRequired, CommitRefused, TooLate, StoreUnavailable.
        """
        return await stepping_up.revoke_others(self._state)

    async def resume(self, *, amr: Sequence[str] = (), epoch: int | None = None) -> None:
        """Go on with a session that the idle clock locked, after one factor (NIST SP 800-63B-4, 2.2.3).

        A new id and secret with the data and roles of before, and the level, up to 2. The absolute deadline and
        ``auth_time`` stay.
        *epoch* is what ``sessions.epoch`` said before the factor was checked.

        Raises:
            SignInRequired: the session is not locked, or its absolute deadline has passed.
            SessionGone: it ended meanwhile.
            StaleLogin, SessionLimitReached, TooLate, StoreUnavailable.
        """
        await resuming.resume(self._state, amr=amr, epoch=epoch)

    async def impersonate(self, user_id: str, *, roles: Sequence[str] | None = None) -> None:
        """Act for *user_id*: go on in a session of theirs that names who acts, with *roles* (the policy's if none).

        The session at hand keeps running without a ticket; `stop_impersonating` goes back to it, ``logout`` ends
        both, ``login`` goes back first. The policy's ``impersonate_for`` bounds it, it ends when the session at hand
        ends, and when the roles of either user are changed it opens nothing any more but the way back. Nothing in it
        is fresh and it cannot be stepped up. Whether the user may do this is for the application to decide.

        Raises:
            ActingForAnother: this is an impersonation already.
            SignInRequired, CommitRefused, TooLate, StoreUnavailable, ValueError.
        """
        await impersonating.impersonate(self._state, user_id, roles=roles)

    async def stop_impersonating(self) -> None:
        """Go back to one's own session, with a new secret; the impersonation is over. Harmless in any other session.

        Raises:
            SignInRequired: one's own session has ended; the impersonation is over all the same.
            SessionGone: another request has gone back meanwhile; this one changes nothing.
            TooLate, StoreUnavailable.
        """
        await impersonating.stop_impersonating(self._state)


class BlockingPrivilege(Session):
    """The verbs, called."""

    __slots__ = ("_run",)

    _awaits = False

    def __init__(self, state: State, run: Run) -> None:
        """Show *state*; *run* finishes the manager's coroutines in this thread's world."""
        super().__init__(state)
        self._run = run

    def begin_login(
        self,
        user_id: str,
        *,
        epoch: int | None = None,
        roles: Sequence[str] | None = None,
        remember: bool | None = None,
        amr: Sequence[str] = (),
        aal: int | None = None,
    ) -> None:
        """As `AsyncSession.begin_login`."""
        core = self._state.core
        credentials = Credentials(core, user_id, epoch=epoch, roles=roles, remember=remember, amr=amr, aal=aal)
        self._run(pending.begin_login(self._state, credentials))

    def finish_login(self, *, amr: Sequence[str] = (), aal: int | None = None) -> None:
        """As `AsyncSession.finish_login`."""
        self._run(pending.finish_login(self._state, amr=amr, aal=aal))

    def step_up(self, *, amr: Sequence[str] = (), aal: int | None = None, roles: Sequence[str] | None = None) -> None:
        """As `AsyncSession.step_up`."""
        self._run(stepping_up.step_up(self._state, amr=amr, aal=aal, roles=roles))

    def revoke_others(self) -> int:
        """As `AsyncSession.revoke_others`."""
        ended: int = self._run(stepping_up.revoke_others(self._state))
        return ended

    def resume(self, *, amr: Sequence[str] = (), epoch: int | None = None) -> None:
        """As `AsyncSession.resume`."""
        self._run(resuming.resume(self._state, amr=amr, epoch=epoch))

    def impersonate(self, user_id: str, *, roles: Sequence[str] | None = None) -> None:
        """As `AsyncSession.impersonate`."""
        self._run(impersonating.impersonate(self._state, user_id, roles=roles))

    def stop_impersonating(self) -> None:
        """As `AsyncSession.stop_impersonating`."""
        self._run(impersonating.stop_impersonating(self._state))
