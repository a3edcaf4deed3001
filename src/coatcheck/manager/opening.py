"""From a cookie's value to a session: one read, and none for what cannot be a ticket; owed sign-outs come first."""

from __future__ import annotations

from coatcheck import tokens
from coatcheck.data import Data
from coatcheck.errors import StoreUnavailable, Unconfirmed, UnreadableRecord
from coatcheck.lifecycle import NO_TICKET, Holder, Verdict, judge
from coatcheck.manager.core import Core
from coatcheck.manager.ending import SIGNED_OUT, is_owed, retry_pending
from coatcheck.model import Damaged, Found, FromTheFuture, Record
from coatcheck.state import NOWHERE, State, Visit


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
        core.emit("cookie.rejected", why=visit.rejected)
    elif token is not None:
        state.ticket = tokens.parse(token)
        if state.ticket is None:
            core.emit("cookie.rejected", why="malformed")
    return state


async def fill(state: State) -> None:
    """Ask the store for the ticket's record and judge it."""
    core, ticket = state.core, state.ticket
    if ticket is None:
        return
    core.runtime.enter()
    try:
        if core.pending or core.unjudged:
            await retry_pending(core, most=4)
            if is_owed(core, ticket):
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
    except StoreUnavailable as fault:
        core.tell_outage(fault)
        raise
    adopt(state, found, ticket)
    if state.record is not None and state.current is not None:
        state.data = Data(state.record.data)
    else:
        await _opened_nothing(state, found, ticket)


async def _opened_nothing(state: State, found: Found, ticket: tokens.Ticket) -> None:
    """Tell why a ticket opened nothing, where that is worth telling."""
    report(state.core, found)
    if state.judgement is NO_TICKET and not isinstance(found, Damaged):
        state.core.emit("cookie.rejected", session_id=ticket.id, why="unknown")
    if state.judgement.theft:
        await _suspect(state)


def adopt(state: State, found: Found, ticket: tokens.Ticket) -> None:
    """Judge what the store found for *ticket*, and go on as its holder as far as the verdict allows."""
    core = state.core
    state.judgement = judge(found, core.digest(ticket), core.policy, core.now())
    state.record = found if isinstance(found, Record) and state.judgement.holder is not Holder.NOBODY else None
    state.current = None
    if state.record is not None and state.judgement.verdict is Verdict.LIVE:
        state.current = successor_of(state.record, ticket) if state.judgement.holder is Holder.WAITING else ticket


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
            tombstone = await core.store.end(record.id, reason="revoked", now=await core.moment())
        except StoreUnavailable as fault:
            core.tell_outage(fault)
            tombstone = fault.ended[0] if isinstance(fault, Unconfirmed) and fault.ended else None
    core.emit("session.theft_suspected", session_id=record.id, user_id=record.user_id, ended=tombstone is not None)
    if tombstone is not None:
        core.emit_end(tombstone)
