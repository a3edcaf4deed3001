"""A session for a visitor who has stored nothing yet: ``request.session.create()`` asks for one."""

from __future__ import annotations

from coatcheck.errors import SignInRequired
from coatcheck.manager.making import Taken, make
from coatcheck.manager.saving import check_size, new_record
from coatcheck.state import State


async def create(state: State) -> None:
    """Make an anonymous session now, with what this request has stored so far. A replaced ticket makes none (ruling 5).

    Raises:
        InsecureTransport: the request came over plain http from a host that is not local.
        SignInRequired: the policy gives none to who is not signed in.
        TooLate: the answer's headers have left.
    """
    state.look()
    state.may_change_ticket("create")
    state.may_write()
    if not state.core.policy.anonymous:
        raise SignInRequired(state.judgement.reason or "none")
    if state.judgement.reason == "superseded":
        return
    state.core.runtime.enter()
    async with state.turn():
        core, change = state.core, state.data.delta()
        check_size(core, change)
        ticket, now = await core.mint(None), await core.moment()
        record = await new_record(state, ticket, change, now, "default")
        await make(state, record, ticket, Taken(state.data, change, None), by="write", user_id=None)
