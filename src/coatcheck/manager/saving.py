"""From what a request did to at most one write, and what its answer does with the cookie."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NoReturn

from coatcheck import tokens, transitions
from coatcheck.data import Data, Delta
from coatcheck.errors import (
    CommitRefused,
    DataTooLarge,
    PrivilegeChanged,
    SessionGone,
    SignInRequired,
    StoreUnavailable,
    UnreadableRecord,
)
from coatcheck.lifecycle import (
    Cookie,
    Holder,
    Judgement,
    Settlement,
    Step,
    Verdict,
    cookie_deadline,
    deadlines,
    judge,
    settle,
)
from coatcheck.manager import acting
from coatcheck.manager.core import Core
from coatcheck.manager.opening import successor_of
from coatcheck.model import Millis, Record, replace
from coatcheck.state import Outcome, State
from coatcheck.verbs import Change, Created, Refusal, Rotation, TooLarge

LIVE_CURRENT: Final = Judgement(Verdict.LIVE, Holder.CURRENT)
LIVE_WAITING: Final = Judgement(Verdict.LIVE, Holder.WAITING)
GONE_MEANWHILE: Final = Judgement(Verdict.ENDED, Holder.REPLACED, "superseded", recent=True)
NO_COOKIE: Final = Outcome(Cookie.KEEP)


async def conclude(state: State) -> Outcome:
    """Write what the answer needs written and say what it does with the cookie. Called once, before the first byte.

    Raises:
        CommitRefused: the changes were not saved; the answer must be replaced.
        DataTooLarge: the changes were not saved because they would pass the policy's limit.
        StoreUnavailable: the store did not answer.
        UnreadableRecord: a newer release has written the session since it was loaded; the changes were not saved.
    """
    if state.problem is not None:
        return ticket_outcome(state)
    settlement, _ = _decided(state, may_rotate=state.visit.may_rotate)
    if settlement.step is not Step.NOTHING:
        await _write(state, may_rotate=state.visit.may_rotate)
    elif settlement.cookie is not Cookie.SEND or await _is_still_live(state):
        state.cookie = state.cookie if settlement.cookie is Cookie.KEEP else settlement.cookie
    return ticket_outcome(state)


def ticket_outcome(state: State) -> Outcome:
    """Say what the cookie needs after all that this request did; asks nobody."""
    if state.cookie is Cookie.SEND and state.current is not None and state.record is not None:
        return Outcome(Cookie.SEND, state.current.token, cookie_deadline(state.record))
    return Outcome(Cookie.DELETE) if state.cookie is Cookie.DELETE and state.presented else NO_COOKIE


async def save(state: State) -> None:
    """Commit the changes made so far; the cookie, if one is due, still leaves with the answer.

    Raises:
        CommitRefused: the session ended or changed its privileges meanwhile; nothing was saved.
        DataTooLarge: the data would pass the policy's limit; nothing was saved.
    """
    state.look()
    await _write(state, may_rotate=False)


async def _is_still_live(state: State) -> bool:
    """Ask again before a successor is sent without a write: a sign-in meanwhile has sent a newer one (promise 11)."""
    record, ticket = state.record, state.ticket
    if record is None or ticket is None:
        return False
    try:
        found = (await state.core.store.find((record.id,)))[0]
    except StoreUnavailable as fault:
        state.core.tell_outage(fault)
        return False
    presented = state.core.digest(ticket, state.visit.carrier)
    return judge(found, presented, state.core.policy, state.core.now()) == LIVE_WAITING


def _decided(state: State, *, may_rotate: bool) -> tuple[Settlement, Delta]:
    """Collect what changed and ask the lifecycle what to do about it."""
    change = state.data.delta()
    changed = bool(change)
    if changed:
        state.may_write()
    core = state.core
    settlement = settle(
        state.judgement,
        state.record,
        core.policy,
        core.now(),
        changed=changed,
        looked=state.looked and state.visit.may_renew,
        may_rotate=may_rotate,
        address=state.visit.address,
    )
    return settlement, change


async def _write(state: State, *, may_rotate: bool) -> None:
    """Decide in turn and ask the store for the step; the cookie follows only where the step was taken."""
    state.core.runtime.enter()
    async with state.turn():
        if state.core.is_off():
            await state.core.follow_clock()
        settlement, change = _decided(state, may_rotate=may_rotate)
        if settlement.step is Step.NOTHING:
            return
        try:
            with state.core.telling_unreadable(state.id):
                done = await _PERFORM[settlement.step](state, settlement, change)
        except UnreadableRecord:
            if change:
                raise
            return
        if done and settlement.cookie is not Cookie.KEEP:
            state.cookie = settlement.cookie
        if done and settlement.seen is not None and state.actor is not None:
            await acting.keep_alive(state, state.actor)


async def _touch(state: State, settlement: Settlement, _change: Delta) -> bool:
    """Record activity. A refused or unanswered touch changes nothing in the answer (ruling 4)."""
    core, record, seen = state.core, state.record, settlement.seen
    if record is None or seen is None:
        return False
    try:
        with core.writing():
            refusal = await core.store.touch(record.id, generation=record.generation, seen=seen, now=core.now())
    except StoreUnavailable as fault:
        core.tell_outage(fault)
        return False
    if refusal is None:
        state.record = transitions.seen(record, seen)
    return refusal is None


async def _commit(state: State, settlement: Settlement, change: Delta) -> bool:
    core, record = state.core, state.record
    if record is None:
        return False
    check_size(core, change, of=record)
    with core.writing():
        answer = await core.store.commit(
            record.id,
            generation=record.generation,
            change=change,
            now=core.now(),
            seen=settlement.seen,
            max_bytes=core.policy.data_limit,
        )
    if not isinstance(answer, int):
        raise_refusal(state, answer)
    data = transitions.merged(record.data, change)
    state.record = replace(transitions.seen(record, settlement.seen), data=data, version=answer)
    state.data.settled(data, change)
    tell_size(core, state.record, change)
    return True


async def _rotate(state: State, settlement: Settlement, change: Delta) -> bool:
    """Rotate by age, or because a change of privilege made elsewhere asks for it; a lost answer signs nobody out."""
    core, record, current = state.core, state.record, state.current
    if record is None or current is None:
        return False
    check_size(core, change, of=record)
    nonce = core.random(16)
    following = tokens.Ticket(record.id, tokens.successor(current.secret, nonce))
    digest = core.digest(following, state.visit.carrier)
    rotation = Rotation(replaces=record.secret_digest, secret_digest=digest, at=core.now(), nonce=nonce)
    try:
        answer = await _ask_rotation(state, record, rotation, settlement, change)
    except StoreUnavailable as fault:
        if change:
            raise
        core.tell_outage(fault)
        return False
    if isinstance(answer, Record):
        state.data.settled(answer.data, change)
        _rotated(state, answer, current, following, "roles" if record.rotate_due else "age")
        tell_size(core, answer, change)
    elif change:
        raise_refusal(state, answer)
    return isinstance(answer, Record)


async def _ask_rotation(
    state: State, record: Record, rotation: Rotation, settlement: Settlement, change: Change
) -> Record | Refusal | TooLarge:
    with state.core.writing():
        return await state.core.store.rotate(
            record.id,
            generation=record.generation,
            rotation=rotation,
            change=change,
            now=rotation.at,
            seen=settlement.seen,
            max_bytes=state.core.policy.data_limit,
        )


def _rotated(state: State, answer: Record, current: tokens.Ticket, following: tokens.Ticket, by: str) -> None:
    """Go on with the new secret: ours, or that of the request which rotated first."""
    core = state.core
    if tokens.same(core.digest(following, state.visit.carrier), answer.secret_digest):
        state.becomes(answer, LIVE_CURRENT, following)
        core.emit("session.regenerated", session_id=answer.id, user_id=answer.user_id, by=by)
    else:
        state.becomes(answer, LIVE_WAITING, successor_of(answer, current))


async def _create(state: State, _settlement: Settlement, change: Delta) -> bool:
    """Make an anonymous session for a visitor who stored something."""
    core = state.core
    if not state.may_be_anonymous:
        raise SignInRequired(state.judgement.reason or "none")
    state.may_change_ticket("save")
    check_size(core, change)
    ticket, now = await core.mint(None), core.now()
    record = await new_record(state, ticket, change, now, "default")
    with core.writing():
        answer = await core.store.create(record, now=now)
    if not isinstance(answer, Created):
        raise SessionGone("the new session could not be made; nothing was saved")
    state.becomes(answer.record, LIVE_CURRENT, ticket)
    state.data.settled(answer.record.data, change)
    core.emit("session.created", session_id=record.id, by="write", lifetime=record.lifetime)
    tell_size(core, answer.record, change)
    return True


async def new_record(state: State, ticket: tokens.Ticket, change: Change, now: Millis, lifetime: str) -> Record:
    """Return the record of a session that begins now, with the deadlines of one of the policy's lifetimes."""
    core = state.core
    idle, absolute = deadlines(core.policy.span(lifetime), now)
    return Record(
        id=ticket.id,
        secret_digest=core.digest(ticket),
        created_at=now,
        last_seen_at=now,
        idle_expires_at=idle,
        expires_at=absolute,
        rotated_at=now,
        confirmed_at=now,
        locks=core.policy.on_idle == "lock",
        lifetime=lifetime,
        persistent=core.policy.persistent,
        tenant=core.tenant,
        device=await core.device(state.visit),
        data=dict(change.set),
    )


async def _refuse(state: State, _settlement: Settlement, _change: Delta) -> bool:
    """A replaced ticket never creates a session (ruling 5)."""
    raise_refusal(state, Refusal.GONE, why="superseded")


_PERFORM = {
    Step.TOUCH: _touch,
    Step.COMMIT: _commit,
    Step.ROTATE: _rotate,
    Step.CREATE: _create,
    Step.REFUSE: _refuse,
}


def check_size(
    core: Core, change: Change, *, over: Mapping[str, bytes] = MappingProxyType({}), of: Record | None = None
) -> None:
    """Refuse a change that passes the policy's limit by itself, before it is sent; the store judges the rest.

    A sign-in passes what it would carry as *over*: the store would rather leave that behind than refuse. *of* is the
    session that was to change, if there is one.

    Raises:
        DataTooLarge: *change*, laid over *over*, would pass the policy's ``data_limit``.
    """
    data = transitions.merged(over, change) if change.set else {}
    if (size := transitions.data_size(data)) > core.policy.data_limit:
        names = (of.id, of.user_id) if of else (None, None)
        core.emit("session.commit_refused", session_id=names[0], user_id=names[1], why="too_large")
        raise DataTooLarge(size, core.policy.data_limit, transitions.largest(data))


def tell_size(core: Core, record: Record, change: Change) -> None:
    """Tell of data above the policy's warning size, once it is written."""
    size = transitions.data_size(record.data) if change.set else 0
    if size > core.policy.data_warning:
        shown = ", ".join(f"{key} {count}" for key, count in transitions.largest(record.data))
        core.emit("session.data_large", session_id=record.id, user_id=record.user_id, size=size, largest=shown)


def raise_refusal(state: State, answer: Refusal | TooLarge, *, why: str | None = None) -> NoReturn:
    """Turn a store's refusal into the error that the application sees, and tell of it.

    The changes are dropped, but those that were too large stay: the application may make them smaller.

    Raises:
        SessionGone, PrivilegeChanged, CommitRefused, DataTooLarge: by what the store answered.
    """
    core, record = state.core, state.record
    names = (record.id, record.user_id) if record else (None, None)
    told = why or (answer.value if isinstance(answer, Refusal) else "too_large")
    core.emit("session.commit_refused", session_id=names[0], user_id=names[1], why=told)
    if isinstance(answer, TooLarge):
        raise DataTooLarge(answer.size, core.policy.data_limit, answer.largest)
    if answer is Refusal.GONE:
        state.judgement = GONE_MEANWHILE
    # Only a live session's data may be shown: the record of a replaced ticket is somebody's, perhaps not the holder's.
    state.data = Data(state.live.data if state.live else {})
    if answer is Refusal.GENERATION:
        raise PrivilegeChanged("this session's privileges changed meanwhile; nothing was saved, load it again")
    if answer is Refusal.CONFLICT:
        raise CommitRefused("another request changed this session meanwhile; nothing was saved")
    raise SessionGone("this session ended meanwhile; nothing was saved")
