"""From what a request did to at most one write, and what its answer does with the cookie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NoReturn

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
from coatcheck.lifecycle import Cookie, Holder, Judgement, Settlement, Step, Verdict, cookie_deadline, deadlines, settle
from coatcheck.manager.core import Core
from coatcheck.manager.opening import successor_of
from coatcheck.model import Millis, Record, replace
from coatcheck.state import Outcome, State
from coatcheck.verbs import Change, Created, Refusal, Rotation

HELD: Final = Judgement(Verdict.LIVE, Holder.CURRENT)
FOLLOWING: Final = Judgement(Verdict.LIVE, Holder.WAITING)
NO_COOKIE: Final = Outcome(Cookie.KEEP)


async def conclude(state: State) -> Outcome:
    """Write what the answer needs written and say what it does with the cookie. Called once, before the first byte.

    Raises:
        CommitRefused: the changes were not saved; the answer must be replaced.
        DataTooLarge: the changes were not saved because they would pass the policy's limit.
        StoreUnavailable: the store did not answer.
    """
    if state.problem is not None:
        return Outcome(state.cookie)
    settlement, _ = _decided(state, may_rotate=state.visit.may_rotate)
    if settlement.step is not Step.NOTHING:
        await _write(state, may_rotate=state.visit.may_rotate)
    elif settlement.cookie is not Cookie.KEEP:
        state.cookie = settlement.cookie
    if state.cookie is Cookie.KEEP:
        return NO_COOKIE
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
    await _write(state, may_rotate=False)


def _decided(state: State, *, may_rotate: bool) -> tuple[Settlement, Change]:
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
        looked=state.looked,
        may_rotate=may_rotate,
        address=state.visit.address,
    )
    return settlement, change


async def _write(state: State, *, may_rotate: bool) -> None:
    """Decide in turn and ask the store for the step; the cookie follows only where the step was taken."""
    state.core.runtime.enter()
    async with state.turn():
        settlement, change = _decided(state, may_rotate=may_rotate)
        if settlement.step is Step.NOTHING:
            return
        done = await _PERFORM[settlement.step](state, settlement, change)
        if done and settlement.cookie is not Cookie.KEEP:
            state.cookie = settlement.cookie


async def _touch(state: State, settlement: Settlement, _change: Change) -> bool:
    """Record activity. A refused or unanswered touch changes nothing in the answer (ruling 4)."""
    core, record, seen = state.core, state.record, settlement.seen
    if record is None or seen is None:
        return False
    try:
        refused = await core.store.touch(record.id, generation=record.generation, seen=seen, now=core.now())
    except StoreUnavailable as fault:
        core.emit("store.unavailable", error=type(fault).__name__)
        return False
    if refused is None:
        state.record = transitions.seen(record, seen)
    return refused is None


async def _commit(state: State, settlement: Settlement, change: Change) -> bool:
    core, record = state.core, state.record
    if record is None:
        return False
    size_check(core, record.data, change, record)
    answer = await core.store.commit(
        record.id,
        generation=record.generation,
        change=change,
        now=core.now(),
        seen=settlement.seen,
        max_bytes=core.policy.data_limit,
    )
    if isinstance(answer, Refusal):
        await refused(state, answer, change)
    data = transitions.merged(record.data, change)
    state.record = replace(transitions.seen(record, settlement.seen), data=data, version=answer)
    state.data.settled(data)
    return True


async def _rotate(state: State, settlement: Settlement, change: Change) -> bool:
    """Rotate by age, or because a change of privilege made elsewhere asks for it; a lost answer signs nobody out."""
    core, record, current = state.core, state.record, state.current
    if record is None or current is None:
        return False
    if change:
        size_check(core, record.data, change, record)
    nonce = core.random(16)
    following = tokens.Ticket(record.id, tokens.successor(current.secret, nonce))
    digest, now = core.digest(following), core.now()
    answer = await core.store.rotate(
        record.id,
        generation=record.generation,
        rotation=Rotation(replaces=record.secret_digest, secret_digest=digest, at=now, nonce=nonce),
        change=change,
        now=now,
        seen=settlement.seen,
        max_bytes=core.policy.data_limit,
    )
    if not isinstance(answer, Refusal):
        _rotated(state, answer, current, following, "roles" if record.rotate_due else "age")
    elif change:
        await refused(state, answer, change)
    return not isinstance(answer, Refusal)


def _rotated(state: State, answer: Record, current: tokens.Ticket, following: tokens.Ticket, by: str) -> None:
    """Go on with the new secret: ours, or that of the request which rotated first."""
    core = state.core
    state.data.settled(answer.data)
    if tokens.same(core.digest(following), answer.secret_digest):
        state.becomes(answer, HELD, following)
        core.emit("session.regenerated", session_id=answer.id, user_id=answer.user_id, by=by)
    else:
        state.becomes(answer, FOLLOWING, successor_of(answer, current))


async def _create(state: State, _settlement: Settlement, change: Change) -> bool:
    """Make an anonymous session for a visitor who stored something."""
    core = state.core
    if not core.policy.anonymous:
        raise SignInRequired(state.judgement.reason or "none")
    state.may_change_ticket("save")
    size_check(core, {}, change, None)
    ticket, now = await core.mint(None), core.now()
    record = await new_record(state, ticket, change, now, "default")
    answer = await core.store.create(record, now=now)
    if not isinstance(answer, Created):
        raise SessionGone("the new session could not be made; nothing was saved")
    state.becomes(answer.record, HELD, ticket)
    state.data.settled(answer.record.data)
    core.emit("session.created", session_id=record.id, by="write", lifetime=record.lifetime)
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


async def _refuse(state: State, _settlement: Settlement, change: Change) -> bool:
    """A replaced ticket never creates a session (ruling 5)."""
    await refused(state, Refusal.GONE, change, why="superseded")


_PERFORM = {
    Step.TOUCH: _touch,
    Step.COMMIT: _commit,
    Step.ROTATE: _rotate,
    Step.CREATE: _create,
    Step.REFUSE: _refuse,
}


def size_check(core: Core, data: Mapping[str, bytes], change: Change, record: Record | None) -> None:
    """Refuse data above the policy's limit and warn above its warning size, naming the largest keys."""
    merged = transitions.merged(data, change)
    size, policy = transitions.data_size(merged), core.policy
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


async def refused(state: State, answer: Refusal, change: Change, *, why: str | None = None) -> NoReturn:
    """Turn a store's refusal into the error that the application sees, and tell of it."""
    core, record = state.core, state.record
    if answer is Refusal.TOO_LARGE and record is not None:
        # Another request filled the session meanwhile: only the store knows how far.
        found = (await core.store.find((record.id,)))[0]
        size_check(core, found.data if isinstance(found, Record) else record.data, change, record)
    names = (record.id, record.user_id) if record else (None, None)
    core.emit("session.commit_refused", session_id=names[0], user_id=names[1], why=why or answer.value)
    state.cookie = Cookie.KEEP
    state.data = Data(record.data if record else {})
    if answer is Refusal.GENERATION:
        raise PrivilegeChanged("this session's privileges changed meanwhile; nothing was saved, load it again")
    if answer in (Refusal.CONFLICT, Refusal.TOO_LARGE):
        raise CommitRefused("another request changed this session meanwhile; nothing was saved")
    raise SessionGone("this session ended meanwhile; nothing was saved")
