"""Every way a session ends by somebody's hand, and the sign-outs that a silent store still owes."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from typing import Final

from coatcheck.errors import StoreUnavailable, Unconfirmed, UnreadableRecord
from coatcheck.lifecycle import Cookie, Holder, Judgement, Verdict, judge
from coatcheck.manager import cutoffs, raising
from coatcheck.manager.core import Core, PendingLogout
from coatcheck.model import Record, Tombstone
from coatcheck.origin import Carrier
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
        Unconfirmed: the session was ended, but too few replicas confirmed it; else as above.
        UnreadableRecord: a newer release wrote the session; the cookie is deleted, the session is not ended.
        TooLate: the headers have left, or this is a snapshot.
    """
    state.looked = True
    state.may_change_ticket("logout")
    core, record, opens = state.core, state.record, state.judgement.holder.opens
    held, problem = state.current or state.ticket, state.problem
    state.cookie = Cookie.DELETE
    state.forget()
    if isinstance(problem, UnreadableRecord):
        raise problem
    if isinstance(problem, StoreUnavailable):
        raise _unconfirmed(core, _owed(state, held, verified=False), problem) from problem
    if record is None or not opens:
        return
    core.runtime.enter()
    owed, actor = _owed(state, held, verified=True), record.origin
    try:
        await _end(core, record.id, owed, record.user_id)
        if actor.actor_session is not None:  # who acts for somebody else signs out altogether
            await _end(core, actor.actor_session, None, actor.actor_id)
    except StoreUnavailable as fault:
        if actor.actor_session is not None:  # it has no ticket that could be presented
            owe(core, PendingLogout(actor.actor_session, b"", verified=True))
        raise _unconfirmed(core, owed, fault) from fault


def _owed(state: State, held: Ticket | None, *, verified: bool) -> PendingLogout | None:
    """Return what is to be remembered of a sign-out that the store may not answer."""
    if held is None:
        return None
    return PendingLogout(held.id, state.core.digest(held, state.visit.carrier), verified)


async def _end(core: Core, session_id: str, owed: PendingLogout | None, user_id: str | None = None) -> None:
    """Sign a session out and tell of its end; *owed* learns what is known when there is no answer."""
    if core.window is not None:
        await cutoffs.note(core, user_id, "ended")
    now = await core.moment()
    if owed is not None:
        owed.asked = now
    try:
        with core.writing():
            ended = await core.store.end(session_id, reason="signed_out", now=now)
    except Unconfirmed as fault:
        if owed is not None:
            owed.asked = None
        tell(core, fault.ended)
        raise
    tell(core, [ended])


def _unconfirmed(core: Core, owed: PendingLogout | None, fault: StoreUnavailable) -> StoreUnavailable:
    """Keep a sign-out that was not answered for later, and return the error that says so."""
    if owed is not None:
        owe(core, owed)
    core.tell_outage(fault)
    core.emit("logout.unconfirmed", session_id=owed.id if owed is not None else None)
    said: StoreUnavailable
    if isinstance(fault, Unconfirmed):
        said = Unconfirmed("signing out is not confirmed: too few replicas have it; it is tried again")
    else:
        said = StoreUnavailable("signing out is not confirmed: the store did not answer; it is tried again")
    said.told = True  # under the cause's name
    said.signing_out = True
    return said


def owe(core: Core, owed: PendingLogout) -> None:
    """Remember an end that the store did not answer, once; until it does, the session opens nothing here."""
    queue = _queue(core, owed)
    if not any((other.id, other.presented) == (owed.id, owed.presented) for other in tuple(queue)):
        queue.append(owed)


async def retry_pending(core: Core, *, most: int) -> None:
    """Try up to *most* sign-outs again that the store did not answer; an outage only puts the next try off.

    An entry leaves its queue when the store has answered, so that its ticket opens nothing in the meantime.
    """
    if core.retrying or core.now() < core.next_retry:
        return
    core.retrying = True
    try:
        for owed in sorted((*core.pending, *core.unjudged), key=_tries)[:most]:
            try:
                confirmed = await _retry(core, owed)
            except StoreUnavailable as fault:
                owed.tries += 1
                core.next_retry = core.now() + RETRY_PAUSE
                if not isinstance(fault, Unconfirmed):
                    return  # nor would it answer for the others, and each would wait as long
                continue
            with suppress(ValueError):
                _queue(core, owed).remove(owed)
            if confirmed:
                core.emit("logout.confirmed", session_id=owed.id)
    finally:
        core.retrying = False


def _queue(core: Core, owed: PendingLogout) -> deque[PendingLogout]:
    return core.pending if owed.verified else core.unjudged


def _tries(owed: PendingLogout) -> int:
    return owed.tries


def is_owed(core: Core, ticket: Ticket, carrier: Carrier = "cookie") -> bool:
    """Whether a sign-out of this session is owed: then it opens nothing here.

    One that was judged before counts for the session, whichever of its secrets is presented; any other for the very
    ticket that asked, so that a stranger's sign-out locks nobody out.
    """
    # Over copies: other threads take entries out meanwhile.
    if any(owed.id == ticket.id for owed in tuple(core.pending)):
        return True
    presented = core.digest(ticket, carrier)
    return any(owed.id == ticket.id and same(owed.presented, presented) for owed in tuple(core.unjudged))


async def _retry(core: Core, owed: PendingLogout) -> bool:
    """Try one sign-out again; ``False`` when its ticket never opened that session."""
    found = (await core.store.find((owed.id,)))[0]
    if not owed.verified and not judge(found, owed.presented, core.policy, await core.moment()).holder.opens:
        return False
    if found is not None:
        if isinstance(found, Tombstone) and found.reason == "signed_out" and found.ended_at == owed.asked:
            # An earlier try did end it and only its answer was lost, so nobody has told of it yet.
            tell(core, [found])
        # Also what has ended is ended again: a store that waits for replicas then waits for them once more.
        await _end(core, owed.id, owed, found.user_id if isinstance(found, (Record, Tombstone)) else None)
    return True


async def revoke(core: Core, session_id: str, *, user_id: str | None) -> bool:
    """End one session by its public id; ``False`` when none was ended that no clock had ended before.

    Raises:
        Unconfirmed: it was ended, but too few replicas confirmed it; so with the functions below. Ask again.
    """
    if not is_id(session_id):
        return False
    core.runtime.enter()
    if not await cutoffs.note_of(core, session_id):
        return False
    with _told_all_the_same(core), core.writing():
        ended = await core.store.end(session_id, reason="revoked", now=await core.moment(), owner=user_id)
    tell(core, [ended])
    return ended is not None and ended.reason == "revoked"


async def revoke_user(core: Core, user_id: str, *, keep: str | None) -> int:
    """End all sessions of a user but *keep*, and refuse sign-ins whose password was checked before."""
    core.runtime.enter()
    raising.note(user_id)
    await cutoffs.note(core, user_id, "revoked")
    with _told_all_the_same(core), core.writing():
        ended = await core.store.end_user(user_id, reason="revoked", now=await core.moment(), keep=keep)
    tell(core, ended)
    return _revoked(ended)


async def end_everything(core: Core) -> int:
    """End every session of everybody; returns only when nothing older is live (ruling 11).

    Where replicas are missing it goes on to the end, and then says so once.
    """
    core.runtime.enter()
    raising.note()
    below, fault = await _raise_epoch(core)
    total = 0
    while True:
        ended, unconfirmed = await _end_some(core, below)
        fault = fault or unconfirmed
        if not ended:
            break
        tell(core, ended)
        total += _revoked(ended)
        await core.runtime.pause(0)
    if fault is not None:
        raise fault
    return total


async def _raise_epoch(core: Core) -> tuple[int, Unconfirmed | None]:
    """Raise the store-wide epoch; answers it, and what is to be said of its replicas in the end."""
    try:
        return await core.store.raise_epoch(now=await core.moment()), None
    except Unconfirmed as fault:
        if fault.epoch is None:
            raise
        return fault.epoch, fault


async def _end_some(core: Core, below: int) -> tuple[tuple[Tombstone, ...], Unconfirmed | None]:
    """End a batch of those who began under an older epoch than *below*; answers as `_raise_epoch`."""
    try:
        return await core.store.end_all(below=below, reason="revoked", now=await core.moment(), limit=BATCH), None
    except Unconfirmed as fault:
        return fault.ended, fault


async def set_roles(core: Core, user_id: str, roles: tuple[str, ...]) -> int:
    """Change the roles in all sessions of a user; the next request of each obeys and gets a new secret."""
    core.runtime.enter()
    raising.note(user_id)
    await cutoffs.note(core, user_id, "revoked")
    with core.telling_unreadable():
        changed = len(await core.store.set_roles(user_id, roles, now=await core.moment()))
    core.emit("session.roles_changed", user_id=user_id, sessions=changed)
    return changed


@contextmanager
def _told_all_the_same(core: Core) -> Generator[None]:
    """Tell of what ended also when too few replicas confirmed it: it is over, and repeating it finds nothing."""
    try:
        yield
    except Unconfirmed as fault:
        tell(core, fault.ended)
        raise


def _revoked(ended: Iterable[Tombstone]) -> int:
    """Count those that were still alive: what a clock had ended before is not somebody's doing."""
    return sum(tombstone.reason == "revoked" for tombstone in ended)


def tell(core: Core, ended: Iterable[Tombstone | None]) -> None:
    """Raise the end event of each tombstone."""
    for tombstone in ended:
        if tombstone is not None:
            core.emit_end(tombstone)
