"""From what a request did to at most one write, and what its answer does with the cookie."""

from __future__ import annotations

from coatcheck import tokens, transitions
from coatcheck.data import Data
from coatcheck.errors import (
    CommitRefused,
    DataTooLarge,
    PrivilegeChanged,
    SessionGone,
    SignInRequired,
    StoreUnavailable,
)
from coatcheck.lifecycle import Cookie, Holder, Judgement, Settlement, Step, Verdict, cookie_deadline, judge, settle
from coatcheck.lifecycle import deadlines as deadlines_of
from coatcheck.manager.core import Core
from coatcheck.manager.opening import successor_of
from coatcheck.model import Record, replace
from coatcheck.state import Outcome, State
from coatcheck.verbs import Change, Created, Refusal, Rotation

HELD = Judgement(Verdict.LIVE, Holder.CURRENT)


async def conclude(state: State) -> Outcome:
    """Write what the answer needs written and say what it does with the cookie. Called once, before the first byte.

    Raises:
        CommitRefused: the changes were not saved; the answer must be replaced.
        DataTooLarge: the changes were not saved because they would pass the policy's limit.
        StoreUnavailable: the store did not answer.
    """
    if state.problem is not None:
        return Outcome(state.cookie)
    await _settle(state, may_rotate=state.visit.may_rotate)
    if state.cookie is Cookie.SEND and state.current is not None and state.record is not None:
        return Outcome(Cookie.SEND, state.current.token, cookie_deadline(state.record))
    return Outcome(Cookie.DELETE if state.cookie is Cookie.DELETE and state.presented else Cookie.KEEP)


async def save(state: State) -> None:
    """Commit the changes made so far; the cookie, if one is due, still leaves with the answer.

    Raises:
        CommitRefused: the session ended or changed its privileges meanwhile; nothing was saved.
        DataTooLarge: the data would pass the policy's limit; nothing was saved.
    """
    state.look()
    await _settle(state, may_rotate=False)


async def _settle(state: State, *, may_rotate: bool) -> None:
    core = state.core
    change = state.data.delta()
    if change:
        state.may_write()
    settlement = settle(
        state.judgement,
        state.record,
        core.policy,
        core.now(),
        changed=bool(change),
        looked=state.looked,
        may_rotate=may_rotate,
        address=state.visit.address,
    )
    if settlement.step is not Step.NOTHING:
        core.runtime.enter()
        await _PERFORM[settlement.step](state, settlement, change)
    if settlement.cookie is not Cookie.KEEP:
        state.cookie = settlement.cookie


async def _touch(state: State, settlement: Settlement, _change: Change) -> None:
    """Record activity. A refused or unanswered touch changes nothing in the answer (ruling 4)."""
    core, record, seen = state.core, state.record, settlement.seen
    if record is None or seen is None:
        return
    try:
        refused = await core.store.touch(record.id, generation=record.generation, seen=seen, now=core.now())
    except StoreUnavailable as fault:
        core.emit("store.unavailable", error=type(fault).__name__)
        return
    if refused is None:
        state.record = transitions.seen(record, seen)


async def _commit(state: State, settlement: Settlement, change: Change) -> None:
    core, record = state.core, state.record
    if record is None:
        return
    check_size(core, record.data, change, record)
    answer = await core.store.commit(
        record.id,
        generation=record.generation,
        change=change,
        now=core.now(),
        seen=settlement.seen,
        max_bytes=core.policy.data_limit,
    )
    if isinstance(answer, Refusal):
        refused(state, answer, change)
    else:
        data = transitions.merged(record.data, change)
        state.record = replace(transitions.seen(record, settlement.seen), data=data, version=answer)
        state.data.settled(data)


async def _rotate(state: State, settlement: Settlement, change: Change) -> None:
    """Rotate by age, or because a change of privilege made elsewhere asks for it; a lost answer signs nobody out."""
    core, record, current = state.core, state.record, state.current
    if record is None or current is None:
        return
    if change:
        check_size(core, record.data, change, record)
    nonce = core.random(16)
    following = tokens.Ticket(record.id, tokens.successor(current.secret, nonce))
    rotation = Rotation(
        replaces=record.secret_digest, secret_digest=core.digest(following), at=core.now(), nonce=nonce
    )
    answer = await core.store.rotate(
        record.id,
        generation=record.generation,
        rotation=rotation,
        change=change,
        now=core.now(),
        seen=settlement.seen,
        max_bytes=core.policy.data_limit,
    )
    if answer is Refusal.CONFLICT:
        await _follow(state, settlement, change)
    elif isinstance(answer, Refusal):
        if change:
            refused(state, answer, change)
        state.cookie = Cookie.KEEP
    else:
        state.becomes(answer, HELD, following)
        state.data.settled(answer.data)
        core.emit(
            "session.regenerated",
            session_id=answer.id,
            user_id=answer.user_id,
            by="roles" if record.rotate_due else "age",
        )


async def _follow(state: State, settlement: Settlement, change: Change) -> None:
    """Another request rotated first: send the successor it made, which ours is bound to be told too."""
    core, ticket = state.core, state.ticket
    if ticket is None:
        return
    found = (await core.store.find((ticket.id,)))[0]
    judgement = judge(found, core.digest(ticket), core.policy, core.now())
    if isinstance(found, Record) and judgement.verdict is Verdict.LIVE:
        waiting = judgement.holder is Holder.WAITING
        state.becomes(found, judgement, successor_of(found, ticket) if waiting else ticket)
        if change:
            await _commit(state, settlement, change)
    elif change:
        refused(state, Refusal.GONE, change)


async def _create(state: State, _settlement: Settlement, change: Change) -> None:
    """Make an anonymous session for a visitor who stored something."""
    core = state.core
    if not core.policy.anonymous:
        raise SignInRequired(state.judgement.reason or "none")
    state.may_change_ticket("save")
    check_size(core, {}, change, None)
    ticket, now = await core.mint(None), core.now()
    idle, absolute = deadlines_of(core.policy.span("default"), now)
    record = Record(
        id=ticket.id,
        secret_digest=core.digest(ticket),
        created_at=now,
        last_seen_at=now,
        idle_expires_at=idle,
        expires_at=absolute,
        rotated_at=now,
        confirmed_at=now,
        locks=core.policy.on_idle == "lock",
        persistent=core.policy.persistent,
        tenant=core.tenant,
        device=await core.device(state.visit),
        data=dict(change.set),
    )
    answer = await core.store.create(record, now=now)
    if not isinstance(answer, Created):
        raise SessionGone("the new session could not be made; nothing was saved")
    state.becomes(answer.record, HELD, ticket)
    state.data.settled(answer.record.data)
    core.emit("session.created", session_id=record.id, by="write", lifetime=record.lifetime)


async def _refuse(state: State, _settlement: Settlement, change: Change) -> None:
    """A replaced ticket never creates a session (ruling 5)."""
    refused(state, Refusal.GONE, change, why="superseded")


_PERFORM = {
    Step.TOUCH: _touch,
    Step.COMMIT: _commit,
    Step.ROTATE: _rotate,
    Step.CREATE: _create,
    Step.REFUSE: _refuse,
}


def check_size(core: Core, data: object, change: Change, record: Record | None) -> None:
    """Refuse data above the policy's limit and warn above its warning size, naming the largest keys."""
    held = data if isinstance(data, dict) else dict(data)  # type: ignore[call-overload]  # a mapping of bytes
    merged = transitions.merged(held, change)
    size = transitions.data_size(merged)
    policy = core.policy
    if size <= policy.data_warning or not change.set:
        return
    largest = sorted(((key, len(key.encode()) + len(raw)) for key, raw in merged.items()), key=lambda row: -row[1])[:3]
    if size > policy.data_limit:
        raise DataTooLarge(size, policy.data_limit, largest)
    core.emit(
        "session.data_large",
        session_id=record.id if record else None,
        user_id=record.user_id if record else None,
        size=size,
        largest=", ".join(f"{key} {count}" for key, count in largest),
    )


def refused(state: State, answer: Refusal, change: Change, *, why: str | None = None) -> None:
    """Turn a store's refusal into the error that the application sees, and tell of it."""
    core, record = state.core, state.record
    names = (record.id, record.user_id) if record else (None, None)
    if answer is Refusal.TOO_LARGE:
        held = transitions.merged(record.data if record else {}, change)
        sizes = sorted(((key, len(key.encode()) + len(raw)) for key, raw in held.items()), key=lambda row: -row[1])
        raise DataTooLarge(transitions.data_size(held), core.policy.data_limit, sizes[:3])
    core.emit("session.commit_refused", session_id=names[0], user_id=names[1], why=why or answer.value)
    state.cookie = Cookie.KEEP
    state.data = Data(record.data if record else {})
    if answer is Refusal.GENERATION:
        raise PrivilegeChanged("this session's privileges changed meanwhile; nothing was saved, load it again")
    if answer is Refusal.CONFLICT:
        raise CommitRefused("another request changed this session's ticket meanwhile; nothing was saved")
    raise SessionGone("this session ended meanwhile; nothing was saved")
