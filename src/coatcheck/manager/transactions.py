"""Compare-and-set with retry, for changes that depend on what is there."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, MutableMapping
from typing import Any, TypeVar

import msgspec

from coatcheck.data import Data, Delta
from coatcheck.durations import Duration, to_millis
from coatcheck.errors import Contended, PrivilegeChanged, SessionGone, TransactionMisuse
from coatcheck.manager.core import Core
from coatcheck.manager.opening import adopt, report
from coatcheck.manager.saving import check_size, raise_refusal, save, tell_size
from coatcheck.mapping import Keys
from coatcheck.model import Record, replace
from coatcheck.state import State
from coatcheck.transitions import merged
from coatcheck.verbs import Refusal

T = TypeVar("T")
Changer = Callable[[MutableMapping[str, Any]], T]

_JITTER = random.Random()  # noqa: S311 - spreads retries in time; nothing secret hangs on it


async def transact(core: Core, session_id: str, change: Changer[T], deadline: Duration) -> T:
    """Run *change* on a session's data and commit it if nobody else committed meanwhile; else run it again.

    Raises:
        SessionGone: there is no such live session.
        Contended: the deadline passed.
        UnreadableRecord: a newer release wrote the session.
        TransactionMisuse: *change* is a coroutine function.
    """
    result, _ = await _transact(core, session_id, None, change, deadline)
    return result


async def transact_session(state: State, change: Changer[T], deadline: Duration) -> T:
    """Do as `transact` for the session of this request: what it changed before is committed first."""
    await save(state)
    record = state.live
    if record is None:
        raise SessionGone("there is no session to change; sign in, or store something first")
    result, after = await _transact(state.core, record.id, record.generation, change, deadline)
    if state.held is not None:
        adopt(state, after, state.held)
    state.data.refresh(after.data)
    return result


async def _transact(
    core: Core, session_id: str, generation: int | None, change: Changer[T], deadline: Duration
) -> tuple[T, Record]:
    if inspect.iscoroutinefunction(change):
        raise TransactionMisuse(
            "a transaction's function is a plain one, because it may run again; await nothing in it"
        )
    core.runtime.enter()
    seconds = to_millis(deadline) / 1000
    until = core.runtime.elapsed() + seconds
    tries = 0
    try:
        async with core.runtime.turn(session_id, seconds):
            while (attempt := await _attempt(core, session_id, generation, change)) is None:
                tries += 1
                if core.runtime.elapsed() >= until:
                    raise Contended(f"{tries} tries lost to other requests; nothing was saved")
                await core.runtime.pause(_JITTER.uniform(0, min(0.05, 0.001 * 2**tries)))
            return attempt
    except TimeoutError:
        raise Contended("other transactions of this session took all the time; nothing was saved") from None


async def _attempt(core: Core, session_id: str, generation: int | None, change: Changer[T]) -> tuple[T, Record] | None:
    """Try once; ``None`` when somebody else was first."""
    found = (await core.store.find((session_id,)))[0]
    now = await core.moment()
    report(core, found)
    if not isinstance(found, Record) or found.dead_at(now) is not None:
        raise SessionGone("there is no such live session; nothing was saved")
    if generation is not None and found.generation != generation:
        raise PrivilegeChanged("this session's privileges changed meanwhile; nothing was saved")
    result, delta = _changed(core, found, change)
    if not delta:
        return result, found
    check_size(core, delta, of=found)
    most, version = core.policy.data_limit, found.version
    with core.telling_unreadable(found.id), core.writing():
        answer = await core.store.commit(
            found.id, generation=found.generation, change=delta, now=now, expect_version=version, max_bytes=most
        )
    if answer is Refusal.CONFLICT or (answer is Refusal.GENERATION and generation is None):
        return None
    if not isinstance(answer, int):
        state = State(core)
        state.record = found
        raise_refusal(state, answer)
    after = replace(found, data=merged(found.data, delta), version=answer)
    tell_size(core, after, delta)
    return result, after


def _changed(core: Core, record: Record, change: Changer[T]) -> tuple[T, Delta]:
    """Run *change* on a copy of the record's data."""
    data = Data(record.data)
    try:
        return change(Keys(data)), data.delta()
    except msgspec.DecodeError:
        core.emit("session.record_damaged", session_id=record.id, why="a value cannot be decoded")
        raise SessionGone("this session's data cannot be decoded; nothing was saved") from None
