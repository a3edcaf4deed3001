"""What is done to sessions from elsewhere, by their ids or users: other devices, operators, the sweeper."""

from __future__ import annotations

import asyncio
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeVar

from coatcheck import tokens
from coatcheck.errors import CoatcheckError, ConfigurationError
from coatcheck.lifecycle import deadlines
from coatcheck.manager.ending import tell
from coatcheck.model import Record
from coatcheck.verbs import Created
from torture.browsers import increment
from torture.history import Op, ticket_name
from torture.recording import WROTE, answer_of
from torture.world import BROWSERS

if TYPE_CHECKING:
    from torture.acting import Actor

T = TypeVar("T")

ROLES = (("user",), ("editor", "user"), ("admin", "user"))
"""What roles are changed to."""


async def _ask(actor: Actor, op: Op, asked: Awaitable[T]) -> T | None:
    """Return the answer and end the step; ``None`` for one that was refused or is unknown."""
    try:
        answer = await asked
    except CoatcheckError as error:
        actor.world.recorder.end(op, answer_of(error))
        return None
    actor.world.recorder.end(op)
    return answer


def _begin(actor: Actor, verb: str, **facts: Any) -> Op:
    return actor.world.recorder.begin(actor.number, 0, verb, **facts)


def _somebody(actor: Actor) -> tuple[str, str | None] | None:
    known = actor.world.known
    return actor.random.choice(known) if known else None


async def count_by_id(actor: Actor) -> None:
    """Count one further in a session by its id."""
    whom = _somebody(actor)
    if whom:
        op = _begin(actor, "transact", session=whom[0])
        counted = await _ask(actor, op, actor.world.sessions.transaction(whom[0], increment))
        op.data = None if counted is None else {"n": counted}


async def enter(actor: Actor) -> None:
    """Sign one user in several times at once."""
    user = actor.random.choice(actor.world.users)
    await asyncio.gather(*(_enter(actor, user) for _ in range(actor.random.randrange(1, 5))))


async def _enter(actor: Actor, user: str) -> None:
    """Make a session at the store itself, with the limit alone, as an application with a sign-in of its own may."""
    WROTE.set([0])
    world = actor.world
    core, now = world.sessions._core, world.shared.now  # noqa: SLF001 - the store is asked as the manager asks it
    op = _begin(actor, "login", user=user, roles=world.policy.default_roles)
    idle, absolute = deadlines(world.policy.span("default"), now)
    try:
        ticket = await core.mint(user)
        record = Record(
            id=ticket.id, secret_digest=core.digest(ticket), created_at=now, last_seen_at=now, idle_expires_at=idle,
            expires_at=absolute, rotated_at=now, confirmed_at=now, user_id=user, roles=world.policy.default_roles,
        )  # fmt: skip
        answer = await world.store.create(record, now=now, limit=world.policy.limit)
    except CoatcheckError as error:
        world.recorder.end(op, answer_of(error))
        return
    if isinstance(answer, Created):
        op.made, op.sent, op.idle, op.expires, op.seen = ticket.id, ticket_name(ticket.token), idle, absolute, now
        tell(core, answer.ended)
        world.meet(ticket.id, user)
        world.shared.put(actor.random.randrange(BROWSERS), ticket.token)
    world.recorder.end(op, "ok" if op.made else "session_limit_reached")


async def look(actor: Actor) -> None:
    """Look at one session by its id."""
    whom = _somebody(actor)
    if whom:
        await get(actor, whom[0])


async def get(actor: Actor, session_id: str, note: str = "") -> None:
    """Look at one session."""
    op = _begin(actor, "get", session=session_id, note=note)
    info = await _ask(actor, op, actor.world.sessions.get(session_id))
    if info is not None:
        op.user, op.idle, op.expires = info.user_id, info.idle_expires_at, info.expires_at
        op.seen, op.roles = info.last_seen_at, info.roles
        op.answer = "ok" if info.live else "dead"
    elif op.ok:
        op.answer = "none"


async def list_user(actor: Actor, user: str | None = None, note: str = "") -> None:
    """List the live sessions of a user."""
    op = _begin(actor, "list", user=user or actor.random.choice(actor.world.users), note=note)
    infos = await _ask(actor, op, actor.world.sessions.list(op.user or ""))
    op.listed = None if infos is None else tuple(info.id for info in infos)


async def revoke(actor: Actor) -> None:
    """End one session."""
    whom = _somebody(actor)
    if whom:
        op = _begin(actor, "revoke", session=whom[0])
        if await _ask(actor, op, actor.world.sessions.revoke(whom[0])) is False:
            op.answer = "none"


async def revoke_foreign(actor: Actor) -> None:
    """Try to end a session that belongs to somebody else, as a user who learnt its id."""
    whom = _somebody(actor)
    if whom:
        other = next(user for user in actor.world.users if user != whom[1])
        op = _begin(actor, "revoke", session=whom[0], user=other, note="foreign")
        if await _ask(actor, op, actor.world.sessions.revoke(whom[0], user_id=other)) is False:
            op.answer = "none"


async def revoke_user(actor: Actor) -> None:
    """End all sessions of a user, now and then but one."""
    user = actor.random.choice(actor.world.users)
    own = [known for known, owner in actor.world.known if owner == user]
    keep = actor.random.choice(own) if own and actor.random.random() < 0.5 else None
    op = _begin(actor, "revoke_user", user=user, note=keep or "")
    await _ask(actor, op, actor.world.sessions.revoke_user(user, keep=keep))


async def revoke_all(actor: Actor) -> None:
    """End everything."""
    await _ask(actor, _begin(actor, "revoke_all"), actor.world.sessions.revoke_all())


async def set_roles(actor: Actor) -> None:
    """Change the roles of a user."""
    roles = actor.random.choice(ROLES)
    user = actor.random.choice(actor.world.users)
    await _ask(actor, _begin(actor, "set_roles", user=user, roles=roles), actor.world.sessions.set_roles(user, roles))


async def sweep(actor: Actor) -> None:
    """Remove what has expired."""
    await _ask(actor, _begin(actor, "sweep"), actor.world.sessions.sweep())


async def look_for_leaks(actor: Actor) -> None:
    """Look for the digests of known tickets in what people and logs are shown (promise 7)."""
    world, op = actor.world, _begin(actor, "leak")
    shown = {"repr": repr(world.sessions.store), "list": "", "error": ""}
    try:
        user = actor.random.choice(world.users)
        shown["list"] = repr(await world.sessions.list(user, ended=True))
        shown["list"] += repr(await world.store.list_ended(user, limit=20))
        await world.sessions.browse(after="nobody's cursor")
    except (ValueError, ConfigurationError) as error:  # a store need not offer to browse
        shown["error"] = f"{error!r} {error.__cause__!r}"
    except CoatcheckError as error:
        world.recorder.end(op, answer_of(error))
        return
    known = [spelled for token in _tickets(actor) for spelled in _spellings(token)]
    leaks = [where for where, text in shown.items() if any(spelled in text for spelled in known)]
    op.note = " ".join(leaks)
    world.recorder.end(op, "leaked" if leaks else "ok")


def _tickets(actor: Actor) -> list[str]:
    jars = (actor.world.shared.jar(number) for number in range(BROWSERS))
    return [*(token for token in jars if token), *actor.world.old]


def _spellings(token: str) -> list[str]:
    """Return the ways in which a ticket's digest may be written, and the secret itself."""
    ticket = tokens.parse(token)
    if ticket is None:
        return []
    raw = tokens.digest(ticket)
    return [raw.hex(), repr(raw)[2:-1], b64encode(raw).decode(), urlsafe_b64encode(raw).decode(), ticket.secret]
