"""Making a session that somebody asked for: what it takes over, whom it ends, and what it is refused for."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from coatcheck.data import Data, Delta
from coatcheck.errors import SessionError, SessionGone, SessionLimitReached, StaleLogin
from coatcheck.lifecycle import Cookie, Verdict
from coatcheck.manager.core import Core
from coatcheck.manager.saving import LIVE_CURRENT, check_size, tell_size
from coatcheck.model import Millis, Reason, Record, replace
from coatcheck.state import State
from coatcheck.tokens import Ticket
from coatcheck.verbs import Created, Limit, NotCreated, Replacing

_CLOCKS: Final[dict[Verdict, Reason]] = {Verdict.EXPIRED: "absolute", Verdict.IDLE_EXPIRED: "idle"}


class Taken(Struct, frozen=True):
    """What a new session takes over from the one at hand: its data as changed here, and whom it ends.

    With ``once`` it is made only if this very step ends the other one.
    """

    data: Data
    change: Delta
    replacing: Replacing | None
    once: bool = False


def take_over(state: State, user_id: str | None) -> Taken:
    """Return what a session of *user_id* takes over: data of an anonymous session or of the same user's, no other's.

    Raises:
        DataTooLarge: that would pass the policy's limit.
    """
    data = state.data if _same_owner(state, user_id) else Data({})
    change = data.delta()
    record, replacing = state.record, None
    if record is not None and state.judgement.reason != "superseded":
        carry = _is_held(state) and _same_owner(state, user_id)
        replacing = Replacing(id=record.id, carry=carry, unset=change.unset, generation=record.generation)
    check_size(state.core, change, over=record.data if replacing and replacing.carry and record else {})
    return Taken(data, change, replacing)


def _is_held(state: State) -> bool:
    return state.judgement.verdict in (Verdict.LIVE, Verdict.LOCKED)


def _same_owner(state: State, user_id: str | None) -> bool:
    """Whether the session at hand is nobody's or this user's; another user's data never moves."""
    return not _is_held(state) or state.record is None or state.record.user_id in (None, user_id)


async def make(
    state: State,
    record: Record,
    ticket: Ticket,
    taken: Taken,
    *,
    by: str,
    user_id: str | None,
    limit: Limit | None = None,
    epoch: int | None = None,
    began_at: Millis | None = None,
) -> None:
    """Store *record*, and go on as its holder. *user_id* is whose sign-in it is told as.

    Raises:
        StaleLogin, SessionLimitReached, SessionGone: by what the store answered. Then *state* is as it was.
    """
    core = state.core
    with core.writing():
        answer = await core.store.create(
            record, now=record.created_at, limit=limit, epoch=epoch, began_at=began_at, replacing=taken.replacing,
            max_bytes=core.policy.data_limit,
        )  # fmt: skip
    if not isinstance(answer, Created):
        raise _not_created(core, user_id, answer)
    _tell(core, answer, _CLOCKS.get(state.judgement.verdict), by)
    if taken.once and not _replaced(answer, taken.replacing):
        await _undo(core, answer.record)
        raise SessionGone("this session ended meanwhile; sign in again")
    state.becomes(answer.record, LIVE_CURRENT, ticket)
    state.data = taken.data
    taken.data.settled(answer.record.data, taken.change)
    state.cookie = Cookie.SEND
    tell_size(core, answer.record, taken.change)


def _replaced(answer: Created, replacing: Replacing | None) -> bool:
    """Whether it was this step that ended the session which was to be replaced."""
    return any(tombstone.id == (replacing and replacing.id) for tombstone in answer.ended)


async def _undo(core: Core, made: Record) -> None:
    """End a session whose ticket nobody gets, because somebody ended first what it was to replace."""
    with core.writing():
        tombstone = await core.store.end(made.id, reason="revoked", now=await core.moment())
    if tombstone is not None:
        core.emit_end(tombstone)


def _tell(core: Core, answer: Created, over: Reason | None, by: str) -> None:
    """Raise the events of a new session, and of those that it ended.

    *over* names the clock that had ended the replaced session before: its event is the clock's (ruling 16).
    """
    made = answer.record
    core.emit("session.created", session_id=made.id, user_id=made.user_id, by=by, lifetime=made.lifetime)
    for tombstone in answer.ended:
        core.emit_end(replace(tombstone, reason=over) if over and tombstone.reason == "superseded" else tombstone)


def _not_created(core: Core, user_id: str | None, answer: NotCreated) -> SessionError:
    """Tell of a refused sign-in and return the error for it."""
    if answer is NotCreated.STALE_EPOCH:
        core.emit("login.refused", user_id=user_id, why="stale_epoch")
        return StaleLogin(
            "this user's sessions were ended, or their roles changed, while their password was checked; check it again"
        )
    if answer is NotCreated.LIMIT:
        core.emit("login.refused", user_id=user_id, why="limit")
        return SessionLimitReached(f"the policy allows {core.policy.max_sessions} sessions for one user")
    return SessionGone("the new session's id was taken; sign in again")
