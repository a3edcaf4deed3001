"""Acting for another user: both identities recorded, nothing of theirs proved, and a sure way back.

The impersonation is a session of the other user's, on their list, whose record names who acts and from which session.
It lives only while that session does: each request asks for both. The session it came from keeps running without a
ticket; going back (`coatcheck.manager.returning`) gives it a new one. So each step makes a new ticket and kills the old
one (ASVS 7.2.4).
"""

from __future__ import annotations

from collections.abc import Sequence

from coatcheck.data import Data
from coatcheck.manager.credentials import checked_roles, checked_user
from coatcheck.manager.making import Taken, make
from coatcheck.manager.returning import stop_impersonating as stop_impersonating
from coatcheck.manager.rotating import rotate_in_turn
from coatcheck.manager.saving import new_record
from coatcheck.manager.stepping_up import own_record
from coatcheck.model import Record, replace
from coatcheck.origin import Origin
from coatcheck.state import State
from coatcheck.tokens import Ticket
from coatcheck.verbs import Change


async def impersonate(state: State, user_id: str, *, roles: Sequence[str] | None) -> None:
    """Go on as *user_id*, with *roles*; the answer carries the ticket of a session of theirs.

    One's own session is given a new secret first, with what this request changed in it. Nobody is told that secret
    unless the impersonation cannot be made: then the answer carries it, and one stays who one is.

    Raises:
        ActingForAnother: this is an impersonation already.
        SignInRequired: nobody is signed in.
        CommitRefused: the session ended, or its ticket was replaced, meanwhile.
        ValueError: the user is oneself.
    """
    state.look()
    state.may_change_ticket("impersonate")
    state.may_write()
    state.core.runtime.enter()
    async with state.turn():
        await _impersonate(state, checked_user(user_id), roles)


async def _impersonate(state: State, user_id: str, roles: Sequence[str] | None) -> None:
    core = state.core
    if own_record(state, "act for a third user").user_id == user_id:
        raise ValueError("nobody impersonates themselves: user_id is the signed-in user")
    given = checked_roles(core.policy.default_roles if roles is None else roles)
    await rotate_in_turn(state)
    own, nothing = own_record(state, "act for a third user"), Data({})
    ticket = await core.mint(user_id)
    record = await _acting(state, own, ticket, user_id, given)
    await make(state, record, ticket, Taken(nothing, nothing.delta(), None), by="impersonation", user_id=user_id)
    state.actor = own
    core.emit("session.impersonated", session_id=record.id, user_id=user_id, actor_id=own.user_id, from_session=own.id)


async def _acting(state: State, own: Record, ticket: Ticket, user_id: str, roles: tuple[str, ...]) -> Record:
    """Return the record of a session in which whoever owns *own* acts for *user_id*."""
    policy, now = state.core.policy, await state.core.moment()
    fresh = await new_record(state, ticket, Change({}), now, "default")
    deadline = min(now + policy.impersonate_ms, own.expires_at or now + policy.impersonate_ms)
    return replace(
        fresh, user_id=user_id, roles=roles, expires_at=deadline, persistent=False, locks=False, amr=(), aal=None,
        auth_time=None, origin=Origin(actor_id=own.user_id, actor_session=own.id),
        idle_expires_at=None if fresh.idle_expires_at is None else min(fresh.idle_expires_at, deadline),
    )  # fmt: skip
