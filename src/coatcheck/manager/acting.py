"""An impersonation and the session it came from: the one lives only while the other does.

Roles are what somebody was allowed to act by, and as what. Where either's were changed meanwhile (`set_roles`), the
impersonation opens nothing any more but the way back (promise 5).
"""

from __future__ import annotations

from coatcheck.errors import StoreUnavailable, Unconfirmed, UnreadableRecord
from coatcheck.lifecycle import NO_TICKET, Holder, Judgement, Verdict, due
from coatcheck.manager.core import Core
from coatcheck.model import FromTheFuture, Record
from coatcheck.state import State


async def join(state: State, record: Record) -> None:
    """Ask for the session that an impersonation came from, and end the impersonation where that is over.

    Raises:
        StoreUnavailable: it cannot be told, and the impersonation opens nothing.
        UnreadableRecord: a newer release wrote the session it came from; as above.
    """
    judged = state.judgement
    if judged.verdict is not Verdict.LIVE:
        return
    state.judgement = NO_TICKET  # unless there is an answer
    own = state.actor = await actor_of(state.core, record)
    if own is None:
        state.judgement, state.current = Judgement(Verdict.ENDED, judged.holder, "revoked"), None
        await _end(state.core, record)
    elif own.rotate_due or record.rotate_due:
        # As superseded, so that nothing is written and no answer deletes the ticket of the way back.
        state.judgement, state.current = Judgement(Verdict.ENDED, judged.holder, "superseded", recent=True), None
    else:
        state.judgement = judged


async def _end(core: Core, record: Record) -> None:
    """End an impersonation that opens nothing any more, whatever the store answers."""
    try:
        tombstone = await core.store.end(record.id, reason="revoked", now=await core.moment())
    except StoreUnavailable as fault:
        core.tell_outage(fault)
        tombstone = fault.ended[0] if isinstance(fault, Unconfirmed) and fault.ended else None
    if tombstone is not None:
        core.emit_end(tombstone)


async def actor_of(core: Core, record: Record) -> Record | None:
    """Return the live session from which somebody acts in *record*; ``None`` when it is over.

    Raises:
        UnreadableRecord: a newer release wrote it.
    """
    found = (await core.store.find((record.origin.actor_session or "",)))[0]
    if isinstance(found, FromTheFuture):
        raise UnreadableRecord.written_in(found.id, found.schema)
    if not isinstance(found, Record) or found.dead_at(await core.moment()) is not None:
        return None
    return found if found.user_id == record.origin.actor_id else None


async def keep_alive(state: State, own: Record) -> None:
    """Record the activity of an impersonation in the session it came from too, so that there is a way back.

    What goes wrong changes nothing in the answer, as with a touch (ruling 4).
    """
    core, now = state.core, state.core.now()
    seen = due(own, core.policy.span(own.lifetime), Holder.GRACE, now, None)
    if seen is None:
        return
    try:
        with core.writing():
            await core.store.touch(own.id, generation=own.generation, seen=seen, now=now)
    except StoreUnavailable as fault:
        core.tell_outage(fault)
    except UnreadableRecord:
        return  # the next request's look says so
