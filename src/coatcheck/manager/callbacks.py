"""Sign-ins at another site whose answer is posted from there: what one handler leaves for the other, once.

A session's cookie is ``SameSite=Lax`` and does not come with a POST from another site. So what the first handler
remembers (OpenID Connect's ``state``, ``nonce`` and PKCE verifier, SAML's request id) is put into a record of its own,
whose ticket travels in a short-lived cookie that does. The answer takes the record before its handler runs: it is good
for one answer, in this browser, and the session that comes of it is a new one (ASVS 7.6.2, 10.1.2).

The record's digest is made under a name of its own: its ticket opens no session, and a session's ticket no answer.
"""

from __future__ import annotations

from typing import Final

from coatcheck import tokens
from coatcheck.codec import decode, encode
from coatcheck.csrf_state import Leg
from coatcheck.data import Data
from coatcheck.errors import SessionGone
from coatcheck.lifecycle import Holder, Judgement, Verdict
from coatcheck.manager.core import Core
from coatcheck.manager.saving import check_size
from coatcheck.model import Millis, Record
from coatcheck.state import State
from coatcheck.verbs import Created

LIFE: Final[Millis] = 600_000
"""Milliseconds, ten minutes, that the other site's answer may take."""

_BEFORE: Final = "coatcheck.session"
"""Key of a record under which it says which session the browser had; no handler sees it."""

_CONTINUED: Final = Judgement(Verdict.LOCKED, Holder.CURRENT)
"""A session that this request does not open, and that signing in continues or ends, as it does a locked one."""


async def conclude(state: State) -> None:
    """Do what an answer of either handler needs before anything else is written."""
    leg = state.csrf.leg
    if leg is Leg.BEGINS:
        await leave(state)
    elif leg is Leg.ANSWERS and state.live is None:
        state.forget()  # of itself an answer from another site creates nothing


async def leave(state: State) -> None:
    """Put what the first handler wrote into a record of its own; the session itself is as it was.

    Raises:
        DataTooLarge: it would pass the policy's limit.
        StoreUnavailable: the store did not answer.
    """
    change, core = state.data.delta(), state.core
    if not change.set:
        return
    check_size(core, change)
    state.may_write()
    ticket, now = await core.mint(None), await core.moment()
    data = dict(change.set)
    if state.live is not None:
        data[_BEFORE] = encode(state.live.id, _BEFORE)
    with core.writing():
        answer = await core.store.create(_record(core, ticket, data, now), now=now)
    if not isinstance(answer, Created):
        raise SessionGone("the sign-in could not be begun; nothing was saved")
    state.csrf.callback = ticket.token
    state.data = Data(state.live.data if state.live else {})


async def receive(state: State, token: str) -> bool:
    """Take what was left for the holder of *token*, and show it as the session's data; ``False`` when there is nothing.

    Raises:
        StoreUnavailable: the store did not answer, or did not confirm.
    """
    core, ticket = state.core, tokens.parse(token)
    if ticket is None:
        return False
    core.runtime.enter()
    now = await core.moment()
    found = (await core.store.find((ticket.id,)))[0]
    if not isinstance(found, Record) or not tokens.same(_digest(core, ticket), found.secret_digest):
        return False
    taken = None if found.dead_at(now) else await core.store.take(ticket.id, now=now)
    if taken is None:
        return False
    data = dict(taken[1])
    before = data.pop(_BEFORE, None)
    state.data = Data(data)
    if before is not None:
        await _continue(state, decode(before), now)
    return True


async def _continue(state: State, session_id: str, now: Millis) -> None:
    """Let a sign-in carry the data of the session that the browser had, or end it, as `login` does."""
    found = (await state.core.store.find((session_id,)))[0]
    if isinstance(found, Record) and found.dead_at(now) is None:
        state.record, state.judgement = found, _CONTINUED


def _record(core: Core, ticket: tokens.Ticket, data: dict[str, bytes], now: Millis) -> Record:
    return Record(
        id=ticket.id,
        secret_digest=_digest(core, ticket),
        created_at=now,
        last_seen_at=now,
        idle_expires_at=None,
        expires_at=now + LIFE,
        rotated_at=now,
        confirmed_at=now,
        tenant=core.tenant,
        data=data,
    )


def _digest(core: Core, ticket: tokens.Ticket) -> bytes:
    return tokens.digest(ticket, tenant=f"{core.tenant}\0callback")
