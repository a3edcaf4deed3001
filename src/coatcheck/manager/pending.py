"""A sign-in in two steps: between them there is a session that opens nothing (E-9, GHSA-xg6x-h9c9-2m83).

The half-finished session is an anonymous one whose record says who is signing in. No guard can take it for a session
of that user, because it is not: it has no user, is on no list of theirs and counts towards no limit.
"""

from __future__ import annotations

from collections.abc import Sequence

from coatcheck.errors import SignInRequired
from coatcheck.manager import returning, signing
from coatcheck.manager.credentials import Credentials, with_methods
from coatcheck.manager.making import make, take_over
from coatcheck.manager.saving import new_record
from coatcheck.model import replace
from coatcheck.origin import Origin, Pending
from coatcheck.state import State, pending_of


async def begin_login(state: State, credentials: Credentials) -> None:
    """Take note that the first factor was right: a new ticket, a session without a user, the old one over.

    Raises:
        As `coatcheck.manager.signing.login`.
    """
    state.look()
    state.may_change_ticket("begin_login")
    state.may_write()
    state.core.runtime.enter()
    async with state.turn():
        await returning.leave(state)
        await _begin(state, credentials)


async def _begin(state: State, credentials: Credentials) -> None:
    core = state.core
    epoch = await core.store.epoch(credentials.user_id) if credentials.epoch is None else credentials.epoch
    taken = take_over(state, None)
    ticket, now = await core.mint(None), await core.moment()
    pending = Pending(
        user_id=credentials.user_id,
        epoch=epoch,
        until=now + core.policy.finish_ms,
        amr=credentials.amr,
        roles=credentials.roles,
        remember=credentials.remember,
        aal=credentials.aal,
    )
    fresh = await new_record(state, ticket, taken.change, now, "default")
    record = replace(fresh, origin=Origin(pending=pending))
    await make(state, record, ticket, taken, by="begin_login", user_id=credentials.user_id)


async def finish_login(state: State, *, amr: Sequence[str], aal: int | None) -> None:
    """Sign in who began to, now that another factor was right too.

    The epoch is the one from before the first factor: what ended all of the user's sessions meanwhile refuses this. It
    is finished once: its secret is changed first, so that of several requests at once one goes on, and the others have
    made nothing and pushed nobody out.

    Raises:
        SignInRequired: no sign-in was begun here, or too long ago.
        CommitRefused: another request has finished or ended it meanwhile.
        StaleLogin, SessionLimitReached: as `coatcheck.manager.signing.login`.
    """
    state.look()
    core = state.core
    pending = pending_of(state, await core.moment())
    if pending is None:
        raise SignInRequired(state.judgement.reason or "none")
    credentials = Credentials(
        core,
        pending.user_id,
        epoch=pending.epoch,
        roles=pending.roles,
        remember=pending.remember,
        amr=with_methods(pending.amr, amr, "otp"),
        aal=pending.aal if aal is None else aal,
    )
    state.may_write()
    await signing.rotate(state)
    await signing.login(state, credentials)
