"""Verbs that end sessions: one, a user's, or everybody's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from coatcheck.errors import Unconfirmed
from coatcheck.model import Millis, Reason, Tombstone
from coatcheck.stores.redis import layout, scripts
from coatcheck.stores.redis.engine import Engine
from coatcheck.stores.redis.link import Call, Unacknowledged
from coatcheck.stores.redis.walking import share
from coatcheck.tokens import is_id


async def end(engine: Engine, id: str, reason: Reason, now: Millis, owner: str | None) -> Tombstone | None:
    """End one session; ``None`` when there was none, or not one of *owner*'s."""
    ended = await _end(engine, id, reason, now, owner)
    return None if ended is None else ended[0]


async def take(engine: Engine, id: str, now: Millis) -> tuple[Tombstone, Mapping[str, bytes]] | None:
    """End a session as ``superseded`` and answer its data as it was; what cannot be read brings none."""
    ended = await _end(engine, id, "superseded", now, None)
    return None if ended is None else (ended[0], layout.data_of(ended[1]))


async def end_user(
    engine: Engine, user_id: str, *, reason: Reason, now: Millis, keep: str | None
) -> tuple[Tombstone, ...]:
    """End all sessions of a user but *keep*, and raise the user's epoch."""

    def call(tag: str) -> Call:
        code = layout.REASONS.index(reason) + 1
        made = engine.call_again(scripts.END_USER, tag, tag, user_id, code, now, keep or "")
        return replace(made, deaths=from_ahead)

    def from_ahead(answer: Any) -> list[Call]:
        # Done again, the script spares what began after `now`: these began then by the clock of another worker.
        ended = (dead for dead in engine.tombstones(answer[1:]) if dead.created_at > now)
        return [engine.end(dead.id, dead.reason, dead.ended_at) for dead in ended]

    def ended(answer: Any) -> tuple[Tombstone, ...]:
        return engine.tombstones(answer[1:])

    _, answer = await engine.run_of(user_id, call, run=lambda call: engine.confirmed(call, ended))
    return ended(answer)


async def raise_epoch(engine: Engine, now: Millis) -> int:
    """Raise the store-wide epoch in every partition and answer it.

    The first partition decides on the value; until the others have it, they refuse no sign-in for it, and neither has
    anybody been told that they would.
    """
    first, *others = engine.keys.partitions()

    def raised(own: str, value: int) -> Call:
        # Done again, it raises to the same value, and refuses nobody whom it has not refused before.
        return replace(engine.call_in(scripts.RAISE_ALL, own, now, value), rank=value)

    def kept(answer: Any) -> Call:
        return raised(first, int(answer))

    call = replace(engine.call_in(scripts.RAISE_ALL, first, now, -1), kept=kept)
    fault: Unacknowledged | None = None
    try:
        value = int(await engine.link.run(call, confirm=True))
    except Unacknowledged as first_fault:
        fault, value = first_fault, int(first_fault.answers[0])
    try:
        if others:
            await engine.link.run_many([raised(own, value) for own in others], confirm=True)
    except Unacknowledged as later_fault:
        fault = later_fault
    if fault is not None:
        raise Unconfirmed(str(fault), epoch=value)
    return value


async def end_all(engine: Engine, *, below: int, reason: Reason, now: Millis, limit: int) -> tuple[Tombstone, ...]:
    """End up to *limit* sessions created under a store-wide epoch lower than *below*."""
    code = layout.REASONS.index(reason) + 1
    if len(engine.keys.partitions()) == 1:
        own = engine.keys.partitions()[0]
        call = engine.call_in(scripts.END_ALL, own, below, code, now, limit)
        return engine.tombstones(await engine.confirmed(call, engine.tombstones))
    return await share(
        engine,
        limit,
        count=lambda own: engine.call_in(scripts.OLDER, own, below),
        act=lambda own, most: engine.call_in(scripts.END_ALL, own, below, code, now, most),
        confirm=True,
    )


async def _end(
    engine: Engine, id: str, reason: Reason, now: Millis, owner: str | None
) -> tuple[Tombstone, bytes] | None:
    """End one session and answer its tombstone and what it was."""
    if not is_id(id):
        return None

    def read(answer: Any) -> tuple[Tombstone, ...]:
        left = None if answer is None else layout.decode(id, engine.tenant, answer[0])
        return (left,) if isinstance(left, Tombstone) else ()

    answer = await engine.confirmed(engine.end(id, reason, now, owner=owner), read)
    return next(((left, bytes(answer[1])) for left in read(answer)), None)
