"""Going on with a session that the idle clock locked (NIST SP 800-63B-4, 2.2.3): one factor and the session secret.

Only the idle clock begins anew. The absolute deadline and the moment of the full sign-in stay, so that resuming neither
prolongs a session nor makes it fresh. The assurance level stays up to 2: level 3 takes all factors again (2.3.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from coatcheck.data import Data
from coatcheck.errors import SessionGone, SignInRequired
from coatcheck.lifecycle import Verdict
from coatcheck.manager.core import Core
from coatcheck.manager.credentials import with_methods
from coatcheck.manager.making import Taken, make
from coatcheck.manager.saving import new_record
from coatcheck.model import Record, replace
from coatcheck.state import State
from coatcheck.tokens import Ticket, in_place_of
from coatcheck.verbs import Change, Replacing

HIGHEST: Final = 2
"""The assurance level that a session has at most once it was resumed."""


async def resume(state: State, *, amr: Sequence[str], epoch: int | None) -> None:
    """Give the holder of a locked session a new one in its place, with its data; nothing is done by halves.

    Raises:
        SignInRequired: there is no locked session.
        SessionGone: it ended meanwhile.
        StaleLogin: the user's sessions were ended, or their roles changed, after the epoch was read.
    """
    state.look()
    state.may_change_ticket("resume")
    state.may_write()
    state.core.runtime.enter()
    async with state.turn():
        await _resume(state, amr, epoch)


async def _resume(state: State, amr: Sequence[str], epoch: int | None) -> None:
    core, held = state.core, state.record
    if held is None or held.user_id is None or state.judgement.verdict is not Verdict.LOCKED:
        raise SignInRequired(state.judgement.reason or "none")
    methods = with_methods(held.amr, amr, "pwd")
    if epoch is None:
        epoch = await core.store.epoch(held.user_id)
    old, minted = await _as_it_is(core, held), await core.mint(held.user_id)
    # Of several at once the store refuses all but one by the id, before they could push anybody out.
    ticket = in_place_of(minted, old.id, await core.key())
    record = await _successor(state, old, ticket, methods)
    taken = Taken(Data({}), Data({}).delta(), Replacing(id=old.id, carry=True, generation=old.generation), once=True)
    await make(state, record, ticket, taken, by="resume", user_id=old.user_id, limit=core.policy.limit, epoch=epoch)


async def _successor(state: State, old: Record, ticket: Ticket, methods: tuple[str, ...]) -> Record:
    """Return the record of the session that takes the locked one's place; its data comes with the step that ends it."""
    fresh = await new_record(state, ticket, Change({}), await state.core.moment(), old.lifetime)
    return replace(
        fresh, user_id=old.user_id, roles=old.roles, auth_time=old.auth_time, persistent=old.persistent, amr=methods,
        aal=None if old.aal is None else min(old.aal, HIGHEST), expires_at=old.expires_at, origin=old.origin,
        idle_expires_at=_earlier(fresh.idle_expires_at, old.expires_at),
    )  # fmt: skip


async def _as_it_is(core: Core, held: Record) -> Record:
    """Return the locked session's record as it is now, read after the epoch: its roles may have changed."""
    found = (await core.store.find((held.id,)))[0]
    if isinstance(found, Record) and found.dead_at(await core.moment()) == "idle":
        return found
    raise SessionGone("this session ended meanwhile; sign in again")


def _earlier(idle: int | None, absolute: int | None) -> int | None:
    return idle if idle is None or absolute is None else min(idle, absolute)
