"""Signing in: one script where it reaches both sessions, and a move of four steps where they lie in other slots."""

from __future__ import annotations

from typing import Final, NamedTuple

from coatcheck.model import Millis, Record
from coatcheck.stores.redis import layout, scripts
from coatcheck.stores.redis.engine import Engine
from coatcheck.stores.redis.link import Arg, Call
from coatcheck.tokens import is_id
from coatcheck.verbs import Created, Limit, NotCreated, Replacing

_REFUSED: Final = {6: NotCreated.EXISTS, 7: NotCreated.STALE_EPOCH, 8: NotCreated.LIMIT}
_EVICT: Final = {"evict_least_recent": "r", "evict_oldest": "o", "reject": ""}


class Terms(NamedTuple):
    """On which terms a session is created; the words are `coatcheck.stores.contract.Store.create`'s."""

    now: Millis
    limit: Limit | None
    epoch: int | None
    began_at: Millis | None
    replacing: Replacing | None
    max_bytes: int | None


async def create(engine: Engine, record: Record, terms: Terms) -> Created | NotCreated:
    """Insert *record*, end what it replaces, and hold the user's limit.

    Raises:
        ValueError: the id does not carry the user's tag, so that the user's index would never find it.
    """
    if record.user_id is None:
        return await _create(engine, record, terms)
    tag, key = record.id[1:4], await engine.fresh_key()
    if tag != engine.tag_under(key, record.user_id):
        if (await engine.found([record.id])) != [None]:
            return NotCreated.EXISTS
        if engine.was_tag(tag, record.user_id):
            return NotCreated.STALE_EPOCH  # it was minted, and its epoch read, before the server lost everything
        raise ValueError("the id of a signed-in session must carry its user's tag: mint it with coatcheck.tokens")
    answer = await _create(engine, record, terms)
    if isinstance(answer, Created) and key != await engine.key():
        # The server lost everything meanwhile, so this session is in an index where nobody looks for it.
        await engine.link.run(engine.end(record.id, "revoked", terms.now), confirm=True)
        return NotCreated.STALE_EPOCH
    return answer


async def _create(engine: Engine, record: Record, terms: Terms) -> Created | NotCreated:
    """Create, in as many steps as it takes."""
    tag, replacing = record.id[1:4], terms.replacing
    if replacing is None or not is_id(replacing.id):
        return await ask(engine, record, terms._replace(replacing=None))
    if engine.keys.own(replacing.id[1:4]) == engine.keys.own(tag):
        return await ask(engine, record, terms)
    from coatcheck.stores.redis.moving import Move  # it is built on this module

    return await Move(engine, record, terms, replacing).run()


async def ask(engine: Engine, record: Record, terms: Terms) -> Created | NotCreated:
    """Create in one step, with what the session replaces in the same slot."""
    answer = await engine.link.run(create_call(engine, record, terms))
    if answer[0] in _REFUSED:
        return _REFUSED[answer[0]]
    made = layout.decode(record.id, engine.tenant, answer[1])
    if not isinstance(made, Record):
        raise TypeError("a session that was just made cannot be read")
    return Created(record=made, ended=engine.tombstones(answer[2:]))


def create_call(engine: Engine, record: Record, terms: Terms) -> Call:
    """Return the call that creates in one step, for callers that run many at once; no tag is checked."""
    return engine.call(scripts.CREATE, record.id[1:4], *_arguments(record, terms), reports=True)


def _arguments(record: Record, terms: Terms) -> tuple[Arg, ...]:
    """Return the script's arguments."""
    limit = (-1, "") if terms.limit is None else (terms.limit.count, _EVICT[terms.limit.at_limit])
    replacing = terms.replacing
    replaced: tuple[Arg, ...] = ("", "", 0, b"")
    if replacing is not None:
        generation: Arg = "" if replacing.generation is None else replacing.generation
        _, unset = layout.changes({}, replacing.unset)
        replaced = (replacing.id, generation, int(replacing.carry), unset)
    return (
        record.id, record.id[1:4], terms.now, layout.encode(record), *limit,
        "" if terms.epoch is None else terms.epoch, "" if terms.began_at is None else terms.began_at, *replaced,
        -1 if terms.max_bytes is None else terms.max_bytes,
    )  # fmt: skip
