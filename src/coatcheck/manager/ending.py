"""Every way a session ends by somebody's hand, and the sign-outs that a silent store still owes."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from coatcheck.errors import StoreUnavailable, UnreadableRecord
from coatcheck.lifecycle import Cookie, Holder, Judgement, Verdict, judge
from coatcheck.manager.core import Core, PendingLogout
from coatcheck.model import Tombstone
from coatcheck.state import State
from coatcheck.tokens import Ticket, is_id, same

RETRY_PAUSE: Final = 1000
"""Milliseconds until owed sign-outs are tried again after an outage."""

SIGNED_OUT: Final = Judgement(Verdict.ENDED, Holder.CURRENT, "signed_out")

BATCH: Final = 500
"""Sessions that one step of `end_everything` ends."""


async def logout(state: State) -> None:
    """End this session and delete its cookie; harmless when there is none.

    Raises:
        StoreUnavailable: the store did not answer. The cookie is deleted all the same and the sign-out is tried again.
        UnreadableRecord: a newer release wrote the session; the cookie is deleted, the session is not ended.
        TooLate: the headers have left, or this is a snapshot.
    """
    state.looked = True
    state.may_change_ticket("logout")
    record, opens, held, problem = (
        state.record,
        state.judgement.holder.opens,
        state.current or state.ticket,
        state.problem,
    )
    state.cookie = Cookie.DELETE
    state.forget()
    if isinstance(problem, UnreadableRecord):
        raise problem
    if isinstance(problem, StoreUnavailable):
        raise _unconfirmed(state.core, held, verified=False) from problem
    if record is None or not opens:
        return
    state.core.runtime.enter()
    try:
        tell(state.core, [await state.core.store.end(record.id, reason="signed_out", now=state.core.now())])
    except StoreUnavailable as fault:
        raise _unconfirmed(state.core, held, verified=True) from fault


def _unconfirmed(core: Core, held: Ticket | None, *, verified: bool) -> StoreUnavailable:
    """Keep a sign-out that was not answered for later, and return the error that says so."""
    if held is not None:
        owed = PendingLogout(held.id, core.digest(held), verified)
        queue = core.pending if verified else core.unjudged
        if owed not in queue:
            queue.append(owed)
    core.emit("logout.unconfirmed", session_id=held.id if held is not None else None)
    return StoreUnavailable("signing out is not confirmed: the store did not answer; it is tried again")


async def retry_pending(core: Core, *, most: int) -> None:
    """Try up to *most* sign-outs again that the store did not answer; an outage only puts the next try off.

    An entry leaves its queue when the store has answered, so that its ticket opens nothing in the meantime.
    """
    if core.retrying or core.now() < core.next_retry:
        return
    core.retrying = True
    try:
        for owed in [*core.pending, *core.unjudged][:most]:
            confirmed = await _retry(core, owed)
            with suppress(ValueError):
                (core.pending if owed.verified else core.unjudged).remove(owed)
            if confirmed:
                core.emit("logout.confirmed", session_id=owed.id)
    except StoreUnavailable:
        core.next_retry = core.now() + RETRY_PAUSE
    finally:
        core.retrying = False


def is_owed(core: Core, ticket: Ticket) -> bool:
    """Whether a sign-out of this session is owed: then it opens nothing here.

    One that was judged before counts for the session, whichever of its secrets is presented; any other for the very
    ticket that asked, so that a stranger's sign-out locks nobody out.
    """
    # Over copies: other threads take entries out meanwhile.
    if any(owed.id == ticket.id for owed in tuple(core.pending)):
        return True
    presented = core.digest(ticket)
    return any(owed.id == ticket.id and same(owed.presented, presented) for owed in tuple(core.unjudged))


async def _retry(core: Core, owed: PendingLogout) -> bool:
    """Try one sign-out again; ``False`` when its ticket never opened that session."""
    found = (await core.store.find((owed.id,)))[0]
    if not owed.verified and not judge(found, owed.presented, core.policy, core.now()).holder.opens:
        return False
    if isinstance(found, Tombstone):
        if found.reason == "signed_out":
            # The first try did end it and only its answer was lost, so nobody has told of it yet.
            core.emit_end(found)
    elif found is not None:
        tell(core, [await core.store.end(owed.id, reason="signed_out", now=core.now())])
    return True


async def revoke(core: Core, session_id: str, *, user_id: str | None) -> bool:
    """End one session by its public id; ``False`` when none was ended that no clock had ended before."""
    if not is_id(session_id):
        return False
    core.runtime.enter()
    ended = await core.store.end(session_id, reason="revoked", now=core.now(), owner=user_id)
    tell(core, [ended])
    return ended is not None and ended.reason == "revoked"


async def revoke_user(core: Core, user_id: str, *, keep: str | None) -> int:
    """End all sessions of a user but *keep*, and refuse sign-ins whose password was checked before."""
    core.runtime.enter()
    ended = await core.store.end_user(user_id, reason="revoked", now=core.now(), keep=keep)
    tell(core, ended)
    return _revoked(ended)


async def end_everything(core: Core) -> int:
    """End every session of everybody; returns only when nothing older is live (ruling 11)."""
    core.runtime.enter()
    below, total = await core.store.raise_epoch(now=core.now()), 0
    while ended := await core.store.end_all(below=below, reason="revoked", now=core.now(), limit=BATCH):
        tell(core, ended)
        total += _revoked(ended)
        await core.runtime.pause(0)
    return total


async def set_roles(core: Core, user_id: str, roles: tuple[str, ...]) -> int:
    """Change the roles in all sessions of a user; the next request of each obeys and gets a new secret."""
    core.runtime.enter()
    changed = len(await core.store.set_roles(user_id, roles, now=core.now()))
    core.emit("session.roles_changed", user_id=user_id, sessions=changed)
    return changed


def _revoked(ended: Iterable[Tombstone]) -> int:
    """Count those that were still alive: what a clock had ended before is not somebody's doing."""
    return sum(tombstone.reason == "revoked" for tombstone in ended)


def tell(core: Core, ended: Iterable[Tombstone | None]) -> None:
    """Raise the end event of each tombstone."""
    for tombstone in ended:
        if tombstone is not None:
            core.emit_end(tombstone)
