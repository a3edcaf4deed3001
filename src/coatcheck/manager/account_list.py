"""A browser's list of accounts: a record that names the sessions which are signed in there and not in use.

Its ticket travels in a cookie of its own and opens this record alone: the digest is made for that carrier. The
sessions that it names have no ticket at all while they wait, so none of theirs can be copied, and none can be lost by
two answers that cross. The list names them for one browser; whether they stand their own records say, each time.

What a list names is authority, so nothing is ever added to one. A session that joins makes a new list, with a new id
and secret, and the one before is over (ASVS 7.2.4): whoever planted or copied the ticket of before has nothing of it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from coatcheck.account import Others, life, names_of, sort_out
from coatcheck.accounts_state import AccountsState
from coatcheck.codec import decode, encode
from coatcheck.data import Data
from coatcheck.errors import CommitRefused, ConfigurationError, StoreUnavailable, UnreadableRecord
from coatcheck.lifecycle import Cookie, Holder
from coatcheck.manager import ending, opening
from coatcheck.manager.core import Core
from coatcheck.manager.saving import LIVE_CURRENT, new_record
from coatcheck.model import Found, Millis, Record, replace
from coatcheck.origin import Origin
from coatcheck.state import State
from coatcheck.tokens import Ticket
from coatcheck.transitions import seen
from coatcheck.verbs import Change, Created, Replacing, Seen

NAMES: Final = "coatcheck.accounts"
"""Key of a list's record: the public ids of the sessions that it names."""

_OFF: Final = "several accounts in one browser are not switched on: write SessionMiddleware(accounts=5)"


def asked(state: State) -> AccountsState:
    """Return what this request knows of its browser's accounts.

    Raises:
        ConfigurationError: they are not switched on; says the line to write.
    """
    if state.accounts is None:
        found = None if state.browser is None else state.browser.accounts()
        if found is None:
            raise ConfigurationError(_OFF)
        state.accounts = found
    return state.accounts


async def opened(state: State) -> State:
    """Return the list that the browser holds, looked up once in a request; one without a record where it has none.

    Raises:
        StoreUnavailable: the store did not answer.
        UnreadableRecord: a newer release wrote the list.
    """
    known = asked(state)
    if known.listed is None:
        visit = msgspec.structs.replace(state.visit, carrier="accounts", rejected=known.rejected)
        known.listed = opening.accept(state.core, known.token, visit)
        known.listed.looked = True
        await _fill(known.listed)
    known.listed.look()
    return known.listed


async def _fill(listed: State) -> None:
    """Look the list up; what goes wrong is kept. One whose old ticket came back ends with all that it names."""
    core = listed.core
    try:
        await opening.fill(listed)
        if listed.judgement.theft and core.policy.on_theft == "end":
            for name in names(listed.record):
                await ending.revoke(core, name, user_id=None)
    except (StoreUnavailable, UnreadableRecord) as problem:
        listed.problem = problem


def names(record: Record | None) -> tuple[str, ...]:
    """Return the ids that a list names."""
    stored = None if record is None else record.data.get(NAMES)
    if stored is None:
        return ()
    try:
        return tuple(names_of(decode(stored)))
    except msgspec.DecodeError:
        return ()


async def others(state: State, in_use: Record | None) -> Others:
    """Return the accounts that wait in this browser: one step looks all of them up."""
    core, listed = state.core, await opened(state)
    wanted = [name for name in names(listed.live) if in_use is None or name != in_use.id]
    found: list[Found] = await core.store.find(wanted) if wanted else []
    known = dict(zip(wanted, found, strict=True))
    for name in wanted:
        if core.pending and ending.is_owed(core, Ticket(name, "")):
            known[name] = None  # its sign-out is only not confirmed yet
    return sort_out(known, in_use, await core.moment())


async def put(state: State, in_use: Record, waiting: Others) -> None:
    """Have the list name the session in use, beside those that wait.

    Raises:
        CommitRefused: another request made a new list first; the list is as that one left it.
        StoreUnavailable: the store did not answer.
    """
    listed = await opened(state)
    if in_use.id in names(listed.live):
        await _prolong(listed)
    else:
        await _make(listed, in_use, waiting)
        for double in waiting.doubles:
            await supersede(state.core, double.id)


async def _make(listed: State, in_use: Record, waiting: Others) -> None:
    core, before = listed.core, listed.live
    ticket, now = await core.mint(None), await core.moment()
    record = await _record(listed, ticket, in_use, waiting, now)
    replacing = None if before is None else Replacing(id=before.id, carry=False, generation=before.generation)
    with core.writing():
        answer = await core.store.create(record, now=now, replacing=replacing)
    if isinstance(answer, Created) and before is not None and all(each.id != before.id for each in answer.ended):
        await core.store.end(record.id, reason="superseded", now=await core.moment())
    elif isinstance(answer, Created):
        listed.becomes(answer.record, LIVE_CURRENT, ticket)
        listed.data, listed.cookie = Data(answer.record.data), Cookie.SEND
        return
    raise CommitRefused("another request changed this browser's accounts meanwhile; repeat it")


async def _record(listed: State, ticket: Ticket, in_use: Record, waiting: Others, now: Millis) -> Record:
    """Return the record of a new list. Its cookie ends with the browser where that of one of its sessions does."""
    core, sessions = listed.core, [*waiting.standing, in_use]
    named = [*(each.id for each in sessions), *waiting.unread]
    fresh = await new_record(listed, ticket, Change({NAMES: encode(named, NAMES)}), now, "default")
    return replace(
        fresh,
        secret_digest=core.digest(ticket, "accounts"),
        idle_expires_at=now + life(core.policy),
        expires_at=None,
        locks=False,
        persistent=all(each.persistent for each in sessions) and not waiting.unread,
        origin=Origin(carrier="accounts"),
    )


async def _prolong(listed: State) -> None:
    """Let the list live for as long as what is put on it again; an outage changes nothing in the answer (ruling 4)."""
    core, record = listed.core, listed.live
    if record is None:
        return
    now = await core.moment()
    activity = Seen(at=now, idle_expires_at=now + life(core.policy))
    try:
        with core.writing():
            refused = await core.store.touch(record.id, generation=record.generation, seen=activity, now=now)
    except StoreUnavailable as fault:
        core.tell_outage(fault)
        return
    if refused is None:
        listed.record = seen(record, activity)
        if listed.judgement.holder is Holder.CURRENT:
            listed.cookie = Cookie.SEND


async def supersede(core: Core, session_id: str) -> None:
    """End a session that another one takes the place of."""
    with core.writing():
        ended = await core.store.end(session_id, reason="superseded", now=await core.moment())
    ending.tell(core, [ended])
