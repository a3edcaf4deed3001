"""Signing in, and a new secret for a new privilege: each holds from the moment it returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from coatcheck.data import Data, Delta
from coatcheck.errors import (
    ConfigurationError,
    SessionError,
    SessionGone,
    SessionLimitReached,
    SignInRequired,
    StaleLogin,
    StoreUnavailable,
    Unconfirmed,
)
from coatcheck.lifecycle import Cookie, Holder, Verdict
from coatcheck.manager.core import Core
from coatcheck.manager.saving import LIVE_CURRENT, check_size, new_record, raise_refusal, tell_size
from coatcheck.model import Millis, Reason, Record, is_text, replace
from coatcheck.state import State
from coatcheck.tokens import Ticket, new_secret, same
from coatcheck.verbs import Change, Created, Grant, NotCreated, Replacing, Rotation

_CLOCKS: Final[dict[Verdict, Reason]] = {Verdict.EXPIRED: "absolute", Verdict.IDLE_EXPIRED: "idle"}


class Credentials:
    """What a sign-in says of the user; checked and brought into one form."""

    __slots__ = ("aal", "amr", "epoch", "remember", "roles", "user_id")

    def __init__(
        self,
        core: Core,
        user_id: str,
        *,
        epoch: int | None,
        roles: Sequence[str] | None,
        remember: bool | None,
        amr: Sequence[str],
        aal: int | None,
    ) -> None:
        """Check the arguments of ``login``."""
        self.user_id = checked_user(user_id)
        if epoch is not None and type(epoch) is not int:
            raise TypeError(f"epoch must be what sessions.epoch() returned, not {type(epoch).__name__}")
        self.epoch = epoch
        self.roles = checked_roles(core.policy.default_roles if roles is None else roles)
        if remember and not core.policy.allow_remember:
            raise ConfigurationError(
                "login(remember=True) needs a policy with allow_remember=True; this one refuses remembered sign-ins"
            )
        self.remember = remember
        self.amr = _checked_names(amr, "amr", "pwd")
        if aal is not None and (type(aal) is not int or not 0 <= aal <= 3):
            raise ValueError(f"aal must be 0, 1, 2 or 3 (NIST SP 800-63B), not {aal!r}")
        highest = core.policy.aal
        if remember and highest is not None:
            highest = min(highest, 1)
        self.aal = highest if aal is None else aal if highest is None else min(aal, highest)

    @property
    def lifetime(self) -> str:
        """Which of the policy's lifetimes the session gets."""
        return "remember_me" if self.remember else "default"


def checked_user(user_id: str) -> str:
    """Refuse what cannot name a user.

    Raises:
        TypeError: it is not a string.
        ValueError: it is empty, longer than 255 characters, no valid Unicode, or holds a NUL.
    """
    if not isinstance(user_id, str):
        raise TypeError(f"user_id must be str, not {type(user_id).__name__}; write str(user.id)")
    if not user_id or len(user_id) > 255 or not is_text(user_id):
        raise ValueError("user_id must have 1 to 255 characters of valid Unicode and no NUL")
    return user_id


def checked_roles(roles: Sequence[str]) -> tuple[str, ...]:
    """Return roles sorted and without repeats.

    Raises:
        TypeError: one text was given instead of a list of them, or something that is not text.
        ValueError: a role is no valid Unicode, or holds a NUL.
    """
    return tuple(sorted(set(_checked_names(roles, "roles", "editor"))))


def _checked_names(names: Sequence[str], what: str, example: str) -> tuple[str, ...]:
    """Return names as they are, or raise as `checked_roles` says."""
    if isinstance(names, str) or not all(isinstance(name, str) and name for name in names):
        raise TypeError(f'{what} must be a list of names, such as ["{example}"], not {type(names).__name__}')
    for name in names:
        if not is_text(name):
            raise ValueError(f"{what} must be valid Unicode without NUL, not {name!r}")
    return tuple(names)


async def login(state: State, credentials: Credentials) -> None:
    """Sign a user in: a new id and secret, the old ticket dead, the limit held, all in one atomic step.

    Raises:
        InsecureTransport: the request came over plain http from a host that is not local.
        TooLate: the headers have left, or this is a snapshot.
        StaleLogin: this user's sessions were ended, or their roles changed, after the epoch was read.
        SessionLimitReached: the policy rejects one more session.
        StoreUnavailable: the store did not answer.
    """
    state.look()
    state.may_change_ticket("login")
    state.may_write()
    state.core.runtime.enter()
    async with state.turn():
        await _login(state, credentials)


async def _login(state: State, credentials: Credentials) -> None:
    core = state.core
    data = state.data if _same_owner(state, credentials.user_id) else Data({})
    change = data.delta()
    replacing = _replacing(state, credentials.user_id, change)
    check_size(core, change, over=state.record.data if replacing and replacing.carry and state.record else {})
    epoch = await core.store.epoch(credentials.user_id) if credentials.epoch is None else credentials.epoch
    ticket, now = await core.mint(credentials.user_id), await core.moment()
    record = await _record(state, credentials, ticket, change, now)
    limit, most = core.policy.limit, core.policy.data_limit
    with core.writing():
        answer = await core.store.create(record, now=now, limit=limit, epoch=epoch, replacing=replacing, max_bytes=most)
    if not isinstance(answer, Created):
        raise _not_created(core, credentials.user_id, answer)
    over = _CLOCKS.get(state.judgement.verdict)
    state.becomes(answer.record, LIVE_CURRENT, ticket)
    state.data = data
    data.settled(answer.record.data, change)
    state.cookie = Cookie.SEND
    _tell(core, answer, over)
    tell_size(core, answer.record, change)


def _tell(core: Core, answer: Created, over: Reason | None) -> None:
    """Raise the events of a sign-in: the session that was made, and those that it ended.

    *over* names the clock that had ended the replaced session before: its event is the clock's (ruling 16).
    """
    made = answer.record
    core.emit("session.created", session_id=made.id, user_id=made.user_id, by="login", lifetime=made.lifetime)
    for tombstone in answer.ended:
        core.emit_end(replace(tombstone, reason=over) if over and tombstone.reason == "superseded" else tombstone)


def _same_owner(state: State, user_id: str) -> bool:
    """Whether the session at hand is nobody's or this user's; another user's data never moves."""
    held = state.judgement.verdict in (Verdict.LIVE, Verdict.LOCKED)
    return not held or state.record is None or state.record.user_id in (None, user_id)


def _replacing(state: State, user_id: str, change: Change) -> Replacing | None:
    """Say which session this sign-in ends, and whether its data moves to the new one."""
    record = state.record
    if record is None or state.judgement.reason == "superseded":
        return None
    held = state.judgement.verdict in (Verdict.LIVE, Verdict.LOCKED)
    carry = held and _same_owner(state, user_id)
    return Replacing(id=record.id, carry=carry, unset=change.unset, generation=record.generation)


async def _record(state: State, credentials: Credentials, ticket: Ticket, change: Change, now: Millis) -> Record:
    fresh = await new_record(state, ticket, change, now, credentials.lifetime)
    return replace(
        fresh,
        user_id=credentials.user_id,
        roles=credentials.roles,
        auth_time=now,
        amr=credentials.amr,
        aal=credentials.aal,
        persistent=fresh.persistent if credentials.remember is None else credentials.remember,
    )


def _not_created(core: Core, user_id: str, answer: NotCreated) -> SessionError:
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


async def rotate(state: State, grant: Grant | None = None) -> None:
    """Give the session a new secret because its privilege changed; the old one is dead when this returns.

    Raises:
        SignInRequired: there is no live session.
        SessionGone: it ended, or another request changed its ticket, meanwhile.
        PrivilegeChanged: its privileges changed meanwhile.
        Unconfirmed: it has its new secret, which the answer carries, but too few replicas confirmed it.
        TooLate: the headers have left, or this is a snapshot.
    """
    state.look()
    state.may_change_ticket("rotate")
    state.core.runtime.enter()
    async with state.turn():
        await _rotate(state, grant)


async def _rotate(state: State, grant: Grant | None) -> None:
    record, core = state.live, state.core
    if record is None:
        raise SignInRequired(state.judgement.reason or "none")
    now, change = await core.moment(), state.data.delta()
    check_size(core, change, of=record)
    ticket = Ticket(record.id, new_secret(core.random))
    held = state.held if state.judgement.holder is Holder.WAITING else None
    rotation = Rotation(
        replaces=record.secret_digest,
        secret_digest=core.digest(ticket),
        at=now,
        grant=grant,
        held=None if held is None else core.digest(held),
    )
    generation, most = record.generation, core.policy.data_limit
    try:
        with core.telling_unreadable(record.id), core.writing():
            answer = await core.store.rotate(
                record.id, generation=generation, rotation=rotation, change=change, now=now, max_bytes=most
            )
    except Unconfirmed as fault:
        # It was written, so the old ticket is dead: without the new one its holder would be signed out.
        if (written := fault.record or await _written(core, record.id, rotation)) is not None:
            _rotated(state, written, ticket, change)
        raise
    if not isinstance(answer, Record):
        raise_refusal(state, answer)
    _rotated(state, answer, ticket, change)


async def _written(core: Core, session_id: str, rotation: Rotation) -> Record | None:
    """Return the session as it is now, if it still has the secret that *rotation* gave it."""
    try:
        found = (await core.store.find((session_id,)))[0]
    except StoreUnavailable as fault:
        core.tell_outage(fault)
        return None
    return found if isinstance(found, Record) and same(found.secret_digest, rotation.secret_digest) else None


def _rotated(state: State, record: Record, ticket: Ticket, change: Delta) -> None:
    """Go on with the new secret, which leaves with the answer whatever else it says."""
    state.becomes(record, LIVE_CURRENT, ticket)
    state.data.settled(record.data, change)
    state.cookie = Cookie.SEND
    tell_size(state.core, record, change)
    state.core.emit("session.regenerated", session_id=record.id, user_id=record.user_id, by="privilege")
