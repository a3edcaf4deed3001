"""From a cookie's value to a session: one read, and none for what cannot be a ticket; owed sign-outs come first."""

from __future__ import annotations

from coatcheck import tokens
from coatcheck.data import Data
from coatcheck.errors import StoreUnavailable, Unconfirmed, UnreadableRecord
from coatcheck.lifecycle import NO_TICKET, Holder, Verdict, judge
from coatcheck.manager import acting, cutoffs
from coatcheck.manager.core import Core
from coatcheck.manager.ending import SIGNED_OUT, is_owed, retry_pending
from coatcheck.model import Damaged, Found, FromTheFuture, Record
from coatcheck.state import NOWHERE, Arriving, State, Visit


async def load(core: Core, token: str | None, visit: Visit = NOWHERE) -> State:
    """Return what *token* opens; a visitor without a session when it opens nothing.

    Raises:
        StoreUnavailable: the store did not answer.
        UnreadableRecord: a newer release wrote the session.
    """
    state = accept(core, token, visit)
    if state.ticket is not None:
        await fill(state)
    return state


def accept(core: Core, token: str | None, visit: Visit = NOWHERE) -> State:
    """Read the ticket's shape and ask nobody; `fill` does the rest."""
    state = State(core, visit)
    state.presented = token is not None or visit.rejected is not None
    if visit.rejected is not None:
        _reject(state, visit.rejected)
    elif token is not None:
        state.ticket = tokens.parse(token)
        if state.ticket is None:
            _reject(state, "malformed")
    return state


async def fill(state: State) -> None:
    """Ask the store for the ticket's record and judge it."""
    core, ticket = state.core, state.ticket if state.legacy is None else await _brought(state, state.legacy)
    if ticket is None:
        return
    core.runtime.enter()
    try:
        if core.pending or core.unjudged:
            await retry_pending(core, most=4)
            if is_owed(core, ticket, state.visit.carrier):
                state.judgement = SIGNED_OUT
                return
        began = core.runtime.elapsed()
        try:
            found = (await core.store.find((ticket.id,)))[0]
        finally:  # a `with` costs more, and this is every request
            if core.counter is not None:
                core.counter.took("read", core.runtime.elapsed() - began)
        if core.is_off():
            await core.follow_clock()
        adopt(state, found, ticket)
        if state.record is not None and state.record.origin.actor_session is not None:
            await acting.join(state, state.record)
    except StoreUnavailable as fault:
        core.tell_outage(fault)
        raise
    if state.record is not None and state.current is not None:
        state.data = Data(state.record.data)
    else:
        await _opened_nothing(state, found, ticket)


async def _brought(state: State, legacy: Arriving) -> tokens.Ticket | None:
    """Return the request's ticket, or that which a credential of another library becomes."""
    state.core.runtime.enter()
    try:
        await legacy.bring(state)
    except StoreUnavailable as fault:
        state.core.tell_outage(fault)
        raise
    return state.ticket


async def _opened_nothing(state: State, found: Found, ticket: tokens.Ticket) -> None:
    """Tell why a ticket opened nothing, where that is worth telling."""
    report(state.core, found)
    if state.judgement is NO_TICKET and not isinstance(found, Damaged):
        _reject(state, "unknown" if _carries(state, found) else "carrier", ticket)
    if state.judgement.theft:
        await _suspect(state)


def adopt(state: State, found: Found, ticket: tokens.Ticket) -> None:
    """Judge what the store found for *ticket*, and go on as its holder as far as the verdict allows.

    A ticket opens nothing through another carrier than that which it was made for (SM-4). Its digest is another one
    there, too: this holds for what is left of an ended session, and for whatever else judges by the digest alone.
    """
    core, presented = state.core, state.core.digest(ticket, state.visit.carrier)
    state.judgement = judge(found, presented, core.policy, core.now()) if _carries(state, found) else NO_TICKET
    state.record = found if isinstance(found, Record) and state.judgement.holder is not Holder.NOBODY else None
    state.current = None
    if state.record is not None and state.judgement.verdict is Verdict.LIVE:
        state.current = successor_of(state.record, ticket) if state.judgement.holder is Holder.WAITING else ticket


def _carries(state: State, found: Found) -> bool:
    """Whether the session is carried by what the request came with."""
    return not isinstance(found, Record) or found.origin.carrier == state.visit.carrier


def _reject(state: State, why: str, ticket: tokens.Ticket | None = None) -> None:
    """Tell of what was presented and opens nothing."""
    named: dict[str, str] = {} if state.visit.carrier == "cookie" else {"carrier": state.visit.carrier}
    state.core.emit("cookie.rejected", session_id=ticket.id if ticket else None, why=why, **named)


def successor_of(record: Record, ticket: tokens.Ticket) -> tokens.Ticket:
    """Return the ticket that follows *ticket*: the same for every request that still holds the old one."""
    return tokens.Ticket(record.id, tokens.successor(ticket.secret, record.successor_nonce or b""))


def report(core: Core, found: Found) -> None:
    """Tell of a session that cannot be read.

    Raises:
        UnreadableRecord: a newer release wrote it.
    """
    if isinstance(found, Damaged):
        core.emit("session.record_damaged", session_id=found.id, why=found.why)
    elif isinstance(found, FromTheFuture):
        core.emit("session.record_unreadable", session_id=found.id, schema=found.schema)
        raise UnreadableRecord.written_in(found.id, found.schema)


async def _suspect(state: State) -> None:
    """Tell of a replaced secret that came back, and end its session if the policy says so."""
    core, record = state.core, state.record
    if record is None:
        return
    tombstone = None
    if core.policy.on_theft == "end":
        try:
            if core.window is not None:
                await cutoffs.note(core, record.user_id, "ended")
            tombstone = await core.store.end(record.id, reason="revoked", now=await core.moment())
        except StoreUnavailable as fault:
            core.tell_outage(fault)
            tombstone = fault.ended[0] if isinstance(fault, Unconfirmed) and fault.ended else None
    core.emit("session.theft_suspected", session_id=record.id, user_id=record.user_id, ended=tombstone is not None)
    if tombstone is not None:
        core.emit_end(tombstone)
