"""A new secret for a new privilege: the old one is dead when this returns."""

from __future__ import annotations

from coatcheck.data import Delta
from coatcheck.errors import SignInRequired, StoreUnavailable, Unconfirmed
from coatcheck.lifecycle import Cookie, Holder
from coatcheck.manager.core import Core
from coatcheck.manager.saving import LIVE_CURRENT, check_size, raise_refusal, tell_size
from coatcheck.model import Record
from coatcheck.state import State
from coatcheck.tokens import Ticket, new_secret, same
from coatcheck.verbs import Grant, Rotation


async def rotate(state: State, grant: Grant | None = None) -> None:
    """Give the session a new secret because its privilege changed; the old one is dead when this returns.

    Raises:
        SignInRequired: there is no live session.
        SessionGone: it ended, or another request changed its ticket, meanwhile.
        PrivilegeChanged: its privileges changed meanwhile.
        Unconfirmed: it has its new secret, which the answer carries, but too few replicas confirmed it.
        TooLate: the headers have left, or this is a snapshot.
    """
    state.look()
    state.may_change_ticket("rotate")
    state.core.runtime.enter()
    async with state.turn():
        await rotate_in_turn(state, grant)


async def rotate_in_turn(state: State, grant: Grant | None = None) -> None:
    """As `rotate`, for a caller that has checked as much and has the turn."""
    record, core = state.live, state.core
    if record is None:
        raise SignInRequired(state.judgement.reason or "none")
    now, change = await core.moment(), state.data.delta()
    check_size(core, change, of=record)
    ticket = Ticket(record.id, new_secret(core.random))
    held = state.held if state.judgement.holder is Holder.WAITING else None
    rotation = Rotation(
        replaces=record.secret_digest,
        secret_digest=core.digest(ticket),
        at=now,
        grant=grant,
        held=None if held is None else core.digest(held),
    )
    generation, most = record.generation, core.policy.data_limit
    try:
        with core.telling_unreadable(record.id), core.writing():
            answer = await core.store.rotate(
                record.id, generation=generation, rotation=rotation, change=change, now=now, max_bytes=most
            )
    except Unconfirmed as fault:
        # It was written, so the old ticket is dead: without the new one its holder would be signed out.
        if (written := fault.record or await _written(core, record.id, rotation)) is not None:
            _rotated(state, written, ticket, change)
        raise
    if not isinstance(answer, Record):
        raise_refusal(state, answer)
    _rotated(state, answer, ticket, change)


async def _written(core: Core, session_id: str, rotation: Rotation) -> Record | None:
    """Return the session as it is now, if it still has the secret that *rotation* gave it."""
    try:
        found = (await core.store.find((session_id,)))[0]
    except StoreUnavailable as fault:
        core.tell_outage(fault)
        return None
    return found if isinstance(found, Record) and same(found.secret_digest, rotation.secret_digest) else None


def _rotated(state: State, record: Record, ticket: Ticket, change: Delta) -> None:
    """Go on with the new secret, which leaves with the answer whatever else it says."""
    state.becomes(record, LIVE_CURRENT, ticket)
    state.data.settled(record.data, change)
    state.cookie = Cookie.SEND
    tell_size(state.core, record, change)
    state.core.emit("session.regenerated", session_id=record.id, user_id=record.user_id, by="privilege")
