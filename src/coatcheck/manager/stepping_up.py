"""More privilege within a session: a factor shown again, others signed out after a change of password."""

from __future__ import annotations

from collections.abc import Sequence

from coatcheck.errors import SignInRequired
from coatcheck.manager import ending
from coatcheck.manager.credentials import checked_roles, highest_aal, with_methods
from coatcheck.manager.rotating import rotate
from coatcheck.model import Record
from coatcheck.refusals import ActingForAnother
from coatcheck.state import State
from coatcheck.verbs import Grant


async def step_up(state: State, *, amr: Sequence[str], aal: int | None, roles: Sequence[str] | None) -> None:
    """Record that the user has just proved who they are, and give the session a new secret (ASVS 7.2.4, N-8).

    Raises:
        ActingForAnother: it is an impersonation.
        SignInRequired: nobody is signed in. Beyond that as `rotating.rotate`.
    """
    state.look()
    core, record = state.core, own_record(state, "prove who they are")
    grant = Grant(
        roles=None if roles is None else checked_roles(roles),
        auth_time=await core.moment(),
        amr=with_methods(record.amr, amr, "otp"),
        aal=record.aal if aal is None else highest_aal(core, aal, remembered=record.lifetime == "remember_me"),
    )
    await rotate(state, grant)


async def revoke_others(state: State) -> int:
    """End all other sessions of the session's user, and give this one a new secret (ASVS 7.4.3). Returns how many.

    Raises:
        ActingForAnother, SignInRequired: as `step_up`.
    """
    state.look()
    state.may_change_ticket("revoke_others")
    record = own_record(state, "end sessions")
    ended = await ending.revoke_user(state.core, record.user_id or "", keep=record.id)
    await rotate(state)
    return ended


def own_record(state: State, what: str) -> Record:
    """Return the record of a session whose user really is the one who acts.

    Raises:
        ActingForAnother: it is an impersonation; *what* says what was asked for.
        SignInRequired: nobody is signed in.
    """
    record = state.live
    if record is None or record.user_id is None:
        raise SignInRequired(state.judgement.reason or "none")
    if record.origin.actor_id is not None:
        raise ActingForAnother(what)
    return record
