"""Every way a session ends by somebody's hand, and the sign-outs that a silent store still owes."""

from __future__ import annotations

from collections.abc import Iterable

from coatcheck.errors import StoreUnavailable
from coatcheck.lifecycle import Cookie, Holder, judge
from coatcheck.manager.core import Core, PendingLogout
from coatcheck.model import Record, Tombstone
from coatcheck.state import State

BATCH = 500
"""Sessions that one step of `end_everything` ends."""


async def logout(state: State) -> None:
    """End this session and delete its cookie; harmless when there is none.

    Raises:
        StoreUnavailable: the store did not answer. The cookie is deleted all the same and the sign-out is tried again.
        TooLate: the headers have left, or this is a snapshot.
    """
    state.looked = True
    state.may_change_ticket("logout")
    core, record, holder = state.core, state.record, state.judgement.holder
    held = state.current or state.ticket
    unanswered = isinstance(state.problem, StoreUnavailable)
    state.cookie = Cookie.DELETE
    state.forget()
    try:
        if unanswered:
            raise StoreUnavailable("the store did not answer when the session was loaded")  # noqa: TRY301 - one way out
        if record is not None and holder not in (Holder.NOBODY, Holder.REPLACED, Holder.LATE):
            core.runtime.enter()
            tell(core, [await core.store.end(record.id, reason="signed_out", now=core.now())])
    except StoreUnavailable as fault:
        if held is not None:
            core.pending.append(PendingLogout(held.id, core.digest(held)))
        core.emit("logout.unconfirmed", session_id=held.id if held is not None else None)
        raise StoreUnavailable("signing out is not confirmed: the store did not answer; it is tried again") from fault


async def retry_pending(core: Core) -> None:
    """Try the sign-outs again that the store did not answer; stops at the first that it does not answer now.

    Raises:
        StoreUnavailable: the store still does not answer.
    """
    while core.pending:
        waiting = core.pending[0]
        found = (await core.store.find((waiting.id,)))[0]
        holder = judge(found, waiting.presented, core.policy, core.now()).holder
        if isinstance(found, Record) and holder not in (Holder.NOBODY, Holder.REPLACED, Holder.LATE):
            tell(core, [await core.store.end(waiting.id, reason="signed_out", now=core.now())])
        if core.pending and core.pending[0] is waiting:
            core.pending.popleft()
            core.emit("logout.confirmed", session_id=waiting.id)


async def revoke(core: Core, session_id: str, *, user_id: str | None) -> bool:
    """End one session by its public id; ``False`` when there was none alive, or not one of that user's."""
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
