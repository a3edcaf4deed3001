"""Verbs that change one session, or a user's roles."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from coatcheck.errors import Unconfirmed, UnreadableRecord
from coatcheck.model import Millis, Record
from coatcheck.stores.redis import layout, scripts
from coatcheck.stores.redis.engine import Engine
from coatcheck.stores.redis.link import Arg, Call, Unacknowledged
from coatcheck.tokens import is_id
from coatcheck.verbs import Change, Refusal, Rotation, Seen, TooLarge

_DONE: Final = 0
_REFUSALS: Final = {1: Refusal.GONE, 2: Refusal.GENERATION, 3: Refusal.CONFLICT}
_TOO_LARGE: Final = 4


async def touch(engine: Engine, id: str, *, generation: int, seen: Seen, now: Millis) -> Refusal | None:
    """Record activity, forward only."""
    if not is_id(id):
        return Refusal.GONE
    call = Call(scripts.TOUCH, (engine.keys.session(id),), (generation, now, *_activity(seen)))
    answer: int = await engine.link.run(call)
    return None if answer == _DONE else _refusal(answer)


async def commit(
    engine: Engine,
    id: str,
    *,
    generation: int,
    change: Change,
    now: Millis,
    seen: Seen | None,
    expect_version: int | None,
    max_bytes: int | None,
) -> int | Refusal | TooLarge:
    """Merge the named keys and return the new version."""
    if not is_id(id):
        return Refusal.GONE
    terms: tuple[Arg, ...] = ("" if expect_version is None else expect_version, _most(max_bytes))
    merge = layout.changes(change.set, change.unset)
    args: tuple[Arg, ...] = (generation, now, *_activity(seen), *terms, *merge)
    answer = await engine.link.run(Call(scripts.COMMIT, (engine.keys.session(id),), args))
    return int(answer[1]) if answer[0] == _DONE else _refused(answer)


async def rotate(
    engine: Engine,
    id: str,
    *,
    generation: int,
    rotation: Rotation,
    change: Change,
    now: Millis,
    seen: Seen | None,
    max_bytes: int | None,
) -> Record | Refusal | TooLarge:
    """Replace the secret, and merge *change* and *seen* with it."""
    if not is_id(id):
        return Refusal.GONE
    merge = layout.changes(change.set, change.unset)
    args: tuple[Arg, ...] = (generation, now, *_activity(seen), _most(max_bytes), *merge, *_secrets(rotation))
    plain = Call(scripts.ROTATE, (engine.keys.session(id),), args)
    answer, fault = await _run_rotation(engine, plain, by_privilege=rotation.nonce is None)
    if answer[0] != _DONE:
        return _refused(answer)
    stored = layout.decode(id, engine.tenant, answer[1])
    if fault is not None:
        raise Unconfirmed(str(fault), record=stored if isinstance(stored, Record) else None)
    return stored if isinstance(stored, Record) else Refusal.GONE


async def _run_rotation(engine: Engine, plain: Call, *, by_privilege: bool) -> tuple[Any, Unacknowledged | None]:
    """Return what a rotation answered, and what is missing if too few replicas have it.

    One by privilege is remembered if it was done. Refused or unanswered it is not: nobody holds its secret, so to do it
    later would sign its user out.
    """
    if not by_privilege:
        return await engine.link.run(plain), None

    def kept(answer: Any) -> Call | None:
        return plain if answer[0] == _DONE else None

    call = replace(plain, owed=False, kept=kept)
    try:
        return await engine.link.run(call, confirm=True), None
    except Unacknowledged as fault:
        return fault.answers[0], fault


async def set_roles(engine: Engine, user_id: str, roles: tuple[str, ...], now: Millis) -> tuple[str, ...]:
    """Give every session of a user that has not ended these roles and raise the user's epoch; answers the ids.

    Raises:
        UnreadableRecord: a newer release wrote one of them, and it keeps its roles; all the others have the new ones.
    """

    def call(tag: str) -> Call:
        return engine.call_again(scripts.SET_ROLES, tag, tag, user_id, now, layout.names(roles))

    _, (_, newer, *ids) = await engine.run_of(user_id, call, run=engine.confirmed)
    if newer is not None:
        raise UnreadableRecord.written_in(newer[0].decode(), int(newer[1]))
    return tuple(each.decode() for each in ids)


async def put_side(engine: Engine, id: str, name: str, value: bytes, now: Millis) -> bool:
    """Keep *value* beside a live session; ``False`` when there is none."""
    if not is_id(id):
        return False
    places = (engine.keys.session(id), engine.keys.beside(id))
    return bool(await engine.link.run(Call(scripts.PUT_SIDE, places, (now, name, value))))


async def get_side(engine: Engine, id: str, name: str) -> bytes | None:
    """Return what was put beside a session."""
    if not is_id(id):
        return None
    found: bytes | None = await engine.link.run(Call(scripts.GET_SIDE, (engine.keys.beside(id),), (name,)))
    return found


async def lease(engine: Engine, name: str, *, holder: str, now: Millis, until: Millis) -> bool:
    """Take or extend a lease; ``False`` while another holder's has not run out."""
    return bool(await engine.link.run(Call(scripts.LEASE, (engine.keys.lease(name),), (holder, now, until))))


def _activity(seen: Seen | None) -> tuple[Arg, ...]:
    """Return the five arguments that ``seen.lua`` reads."""
    if seen is None:
        return (-1, -1, "", 0, "")
    idle = -1 if seen.idle_expires_at is None else seen.idle_expires_at
    known = (0, "") if seen.address is None else (1, seen.address)
    return (seen.at, idle, seen.confirms or b"", *known)


def _secrets(rotation: Rotation) -> tuple[Arg, ...]:
    """Return what replaces the secret and what is granted with it."""
    grant = rotation.grant
    given: tuple[Arg, ...] = ("", -1, "", -1)
    if grant is not None:
        given = (
            _granted(grant.roles), -1 if grant.auth_time is None else grant.auth_time, _granted(grant.amr),
            -1 if grant.aal is None else grant.aal,
        )  # fmt: skip
    nonce, held = rotation.nonce or b"", rotation.held or b""
    return (rotation.replaces, rotation.secret_digest, rotation.at, nonce, held, *given)


def _granted(given: tuple[str, ...] | None) -> bytes:
    """Return names after a mark that tells none from no change."""
    return b"" if given is None else b"=" + layout.names(given)


def _most(max_bytes: int | None) -> int:
    return -1 if max_bytes is None else max_bytes


def _refusal(code: int) -> Refusal:
    """Return the refusal that a script's number names.

    Raises:
        UnreadableRecord: a newer release wrote the session.
    """
    if code not in _REFUSALS:
        raise UnreadableRecord("a newer release of coatcheck wrote this session")
    return _REFUSALS[code]


def _refused(answer: list[Any]) -> Refusal | TooLarge:
    """Return why a script did not change the data."""
    if answer[0] != _TOO_LARGE:
        return _refusal(answer[0])
    rows = answer[2:]
    largest = tuple((rows[at].decode(errors="replace"), int(rows[at + 1])) for at in range(0, len(rows), 2))
    return TooLarge(size=int(answer[1]), largest=largest)
