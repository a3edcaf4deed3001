"""Signing in: it holds from the moment it returns."""

from __future__ import annotations

from coatcheck.manager import cutoffs, raising, returning
from coatcheck.manager.credentials import Credentials as Credentials
from coatcheck.manager.making import make, take_over
from coatcheck.manager.rotating import rotate as rotate
from coatcheck.manager.saving import new_record
from coatcheck.model import Millis, replace
from coatcheck.state import State


async def login(state: State, credentials: Credentials, *, began_at: Millis | None = None, by: str = "login") -> None:
    """Sign a user in: a new id and secret, the old ticket dead, the limit held, all in one atomic step.

    Somebody who acts for another user goes back to their own session first: that is the one which is replaced.

    *began_at* takes the place of an epoch where the framework owns sign-in: when the request began (ruling 13). *by*
    is what the event names as the cause.

    Raises:
        InsecureTransport: the request came over plain http from a host that is not local.
        TooLate: the headers have left, or this is a snapshot.
        StaleLogin: this user's sessions were ended, or their roles changed, after the epoch was read.
        SessionLimitReached: the policy rejects one more session.
        StoreUnavailable: the store did not answer.
    """
    state.look()
    state.may_change_ticket("login")
    state.may_write()
    state.core.runtime.enter()
    async with state.turn():
        await returning.leave(state)
        await _login(state, credentials, began_at, by)


async def _login(state: State, credentials: Credentials, began_at: Millis | None, by: str) -> None:
    core, user_id, epoch = state.core, credentials.user_id, credentials.epoch
    taken = take_over(state, user_id)
    if core.window is not None and taken.replacing is not None and not taken.replacing.carry and state.record:
        await cutoffs.note(core, state.record.user_id, "ended")  # somebody else's session ends here
    began = None if began_at is None or raising.by_this_request(user_id) else began_at
    if epoch is None and began is None:
        epoch = await core.store.epoch(user_id)
    ticket, now = await core.mint(user_id), await core.moment()
    fresh = await new_record(state, ticket, taken.change, now, credentials.lifetime)
    record = replace(
        fresh,
        user_id=user_id,
        roles=credentials.roles,
        auth_time=now,
        amr=credentials.amr,
        aal=credentials.aal,
        persistent=fresh.persistent if credentials.remember is None else credentials.remember,
    )
    limit = core.policy.limit
    await make(state, record, ticket, taken, by=by, user_id=user_id, limit=limit, epoch=epoch, began_at=began)
