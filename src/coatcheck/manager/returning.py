"""The way back from acting for another user: one's own session gets a new ticket, then the impersonation ends.

In this order, so that whatever the store fails to answer leaves the browser with a ticket that opens something: that of
the impersonation, with which the way back is tried again, or that of its own session.
"""

from __future__ import annotations

from typing import Final

from coatcheck.data import Data
from coatcheck.errors import PrivilegeChanged, SessionGone, SignInRequired, StoreUnavailable, Unconfirmed
from coatcheck.lifecycle import Cookie, Holder, Judgement, Verdict
from coatcheck.manager import ending
from coatcheck.manager.acting import actor_of
from coatcheck.manager.core import Core, PendingLogout
from coatcheck.manager.rotating import rotate
from coatcheck.manager.saving import LIVE_CURRENT
from coatcheck.model import Record
from coatcheck.state import State
from coatcheck.tokens import same

_TRIES: Final = 3
"""How often the way back is tried against changes that somebody makes to the session meanwhile."""


async def stop_impersonating(state: State) -> None:
    """End an impersonation and go back to one's own session, which gets a new ticket; harmless elsewhere.

    Raises:
        SignInRequired: one's own session has ended; the impersonation is over all the same.
        SessionGone: another request has gone back meanwhile; this one changes nothing.
        PrivilegeChanged: the roles of one's own session change all the time; it can be tried again.
        StoreUnavailable: the store did not answer. It can be tried again, unless the answer carries one's own ticket.
    """
    state.look()
    if state.actor is None:
        return
    state.may_change_ticket("stop_impersonating")
    state.core.runtime.enter()
    async with state.turn():
        await _go_back(state)


async def leave(state: State) -> None:
    """Go back before somebody signs in, so that no session stays behind without a ticket; for a caller in its turn.

    Raises:
        SessionGone, StoreUnavailable: as `stop_impersonating`.
    """
    try:
        await _go_back(state)
    except SignInRequired:
        return  # there is nothing to go back to, and nothing stays behind


async def _go_back(state: State) -> None:
    acting, parked = state.record, state.actor
    if acting is None or parked is None:
        return
    for left in reversed(range(_TRIES)):
        own = await actor_of(state.core, acting)
        if own is None:
            break
        if not same(own.secret_digest, parked.secret_digest):
            raise SessionGone("another request has gone back to this session meanwhile; nothing was changed")
        try:
            await _take_up(state, own, acting)
        except PrivilegeChanged:
            if not left:
                raise
            continue
        return
    await _end(state.core, acting)
    state.forget()
    state.cookie, state.judgement = Cookie.DELETE, Judgement(Verdict.ENDED, Holder.REPLACED, "superseded")
    raise SignInRequired("none")


async def _take_up(state: State, own: Record, acting: Record) -> None:
    """Go on as the holder of one's *own* session; not confirmed, it is taken up all the same."""
    beside = State(state.core, state.visit)
    beside.becomes(own, LIVE_CURRENT, None)
    beside.data = Data(own.data)
    unconfirmed: Unconfirmed | None = None
    try:
        await rotate(beside)
    except Unconfirmed as fault:
        if beside.cookie is not Cookie.SEND:
            raise
        unconfirmed = fault
    state.becomes(beside.record or own, beside.judgement, beside.current)
    state.data, state.cookie, state.actor = beside.data, Cookie.SEND, None
    try:
        await _end(state.core, acting)
    except StoreUnavailable:
        ending.owe(state.core, PendingLogout(acting.id, acting.secret_digest, verified=True))
        raise
    if unconfirmed is not None:
        raise unconfirmed


async def _end(core: Core, acting: Record) -> None:
    """End an impersonation as superseded: a late answer to its ticket must not wipe the new one (promise 11)."""
    try:
        with core.writing():
            ended = await core.store.end(acting.id, reason="superseded", now=await core.moment())
    except Unconfirmed as fault:
        ending.tell(core, fault.ended)
        raise
    ending.tell(core, [ended])
