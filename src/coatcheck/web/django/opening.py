"""What a session key opens outside of requests: a ticket what it opens for a browser, a public id for managers."""

from __future__ import annotations

from typing import Final

from coatcheck import tokens
from coatcheck.data import Data
from coatcheck.lifecycle import Holder, Judgement, Verdict
from coatcheck.manager import opening
from coatcheck.manager.core import Core
from coatcheck.model import Record
from coatcheck.state import State

MANAGED: Final = Judgement(Verdict.LIVE, Holder.GRACE)
"""A live session in the hands of somebody who holds no secret: its data may be changed, its ticket is left alone."""


async def opened(core: Core, key: str | None) -> State:
    """Return what *key* opens; a visitor without a session when it opens nothing.

    Raises:
        StoreUnavailable: the store did not answer.
        UnreadableRecord: a newer release wrote the session.
    """
    if key is None or tokens.parse(key) is not None:
        return await opening.load(core, key)
    state = State(core)
    if not tokens.is_id(key):
        return state
    core.runtime.enter()
    found = (await core.store.find((key,)))[0]
    opening.report(core, found)
    if isinstance(found, Record) and found.dead_at(await core.moment()) is None:
        state.becomes(found, MANAGED, None)
        state.data = Data(found.data)
    return state


def id_in(key: str) -> str | None:
    """Return the public id that a session key stands for; ``None`` for what is no key."""
    ticket = tokens.parse(key)
    if ticket is not None:
        return ticket.id
    return key if tokens.is_id(key) else None
