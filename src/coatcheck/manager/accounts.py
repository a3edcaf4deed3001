"""Several accounts in one browser: put aside, taken up again, signed out one by one or together.

Whatever changes hands gets a new secret (ASVS 7.2.4): the session that is put aside, so that no copy of its ticket
opens anything, and the one that comes into use. No data moves between them. The secret of the session in use is changed
before anything else: of two requests that put the same session aside at once, one is refused and has done nothing.
"""

from __future__ import annotations

from coatcheck.account import Account, Others, show
from coatcheck.accounts_state import AccountsState
from coatcheck.data import Data
from coatcheck.errors import (
    CoatcheckError,
    CommitRefused,
    ConfigurationError,
    NotLoaded,
    SessionError,
    SessionGone,
    SignInRequired,
    StoreUnavailable,
    UnreadableRecord,
)
from coatcheck.lifecycle import Cookie
from coatcheck.manager import ending, saving, signing
from coatcheck.manager.account_list import asked, others, put, supersede
from coatcheck.manager.credentials import Credentials
from coatcheck.manager.saving import LIVE_CURRENT
from coatcheck.model import Record
from coatcheck.refusals import AccountLimitReached, ActingForAnother
from coatcheck.state import State
from coatcheck.tokens import Ticket, new_secret


async def list_accounts(state: State) -> list[Account]:
    """Return the accounts of this browser, the one in use first, then the most recently seen.

    Whoever acts for somebody else is shown as who they are. A request with a bearer token has no accounts.
    """
    asked(state)
    state.look()
    if state.visit.carrier != "cookie":
        return []
    state.core.runtime.enter()
    current = _in_use(state)
    waiting = (await others(state, current)).standing
    now = await state.core.moment()
    shown = [] if current is None else [show(current, now, current=True)]
    recent = sorted(waiting, key=lambda record: (record.last_seen_at, record.id), reverse=True)
    return [*shown, *(show(record, now, current=False) for record in recent)]


async def add(state: State, credentials: Credentials) -> None:
    """Sign a user in, and put the account in use aside instead of ending it.

    A session of the same user that waits here is replaced, and its data carried, as `login` does.

    Raises:
        ActingForAnother: this is an impersonation.
        AccountLimitReached: the browser holds as many accounts as it may.
        Also what `coatcheck.manager.signing.login` raises.
    """
    _may_act(state, "add", also_by_get=True)
    current, user_id = _in_use(state), credentials.user_id
    if current is not None and current.user_id == user_id:
        await signing.login(state, credentials, by="add_account")
        return
    waiting = await others(state, current)
    double = waiting.of_user(user_id)
    if double is None and len(waiting.standing) + (current is not None) >= asked(state).most:
        raise AccountLimitReached(asked(state).most)
    if current is not None:
        await _put_aside(state, current, waiting)
    elif state.live is not None or not state.data.idle or double is None:
        await signing.login(state, credentials, by="add_account")  # carries what a visitor has stored
        if double is not None:
            await supersede(state.core, double.id)
        return
    await _sign_in_beside(state, credentials, double)


async def _sign_in_beside(state: State, credentials: Credentials, double: Record | None) -> None:
    """Sign in without touching the session at hand, and go on as the new one; where that fails nothing changes."""
    beside = State(state.core, state.visit)
    if double is not None:
        beside.becomes(double, LIVE_CURRENT, None)
        beside.data = Data(double.data)
    await signing.login(beside, credentials, by="add_account")
    _go_on_as(state, beside)


async def park(state: State) -> None:
    """Put the account in use aside: nobody is signed in until an account is chosen or somebody signs in.

    Raises:
        ActingForAnother: this is an impersonation.
        SignInRequired: nobody is signed in.
        SessionGone: the session ended meanwhile.
    """
    _may_act(state, "park")
    current = _in_use(state)
    if current is None:
        raise SignInRequired(state.judgement.reason or "none")
    await _put_aside(state, current, await others(state, current))
    state.forget()
    state.cookie = Cookie.DELETE


async def switch(state: State, session_id: str) -> None:
    """Go on with another account of this browser, and put the one in use aside; harmless for the one in use.

    Raises:
        ActingForAnother: this is an impersonation.
        SignInRequired: that session has ended, is locked, or is none of this browser's; holds the reason.
        SessionGone, CommitRefused: the session in use ended or changed its ticket meanwhile; nothing was changed.
    """
    _may_act(state, "switch")
    current, anonymous = _in_use(state), state.live
    if current is not None and current.id == session_id:
        return
    waiting = await others(state, current)
    wanted = waiting.find(session_id)
    if wanted is None or wanted.dead_at(await state.core.moment()) is not None:
        raise _not_there(state, waiting, session_id)
    if current is not None:
        await _put_aside(state, current, waiting)
    await _bring(state, wanted)
    if current is None and anonymous is not None:
        await supersede(state.core, anonymous.id)
    core, before = state.core, None if current is None else current.id
    core.emit("session.switched", session_id=wanted.id, user_id=wanted.user_id, from_session=before)


def _not_there(state: State, waiting: Others, session_id: str) -> SessionError:
    """Return why an account cannot be chosen."""
    listed = asked(state).listed
    if listed is not None and listed.judgement.reason == "superseded" and listed.judgement.recent:
        return CommitRefused("another request changed this browser's accounts meanwhile; nothing was changed")
    locked = waiting.find(session_id) is not None
    return SignInRequired("locked" if locked else waiting.gone.get(session_id, "none"))


async def _put_aside(state: State, current: Record, waiting: Others) -> None:
    """Commit what this request did, take the session's ticket away from whoever has it, and name it in the list.

    Until something takes its place, the session goes on with the new secret: a failure signs nobody out.
    """
    await saving.save(state)
    await signing.rotate(state)
    await put(state, current, waiting)


async def _bring(state: State, record: Record) -> None:
    """Go on as the holder of a session that waits, with a new secret; not confirmed, it is taken up all the same."""
    beside = State(state.core, state.visit)
    beside.becomes(record, LIVE_CURRENT, None)
    beside.data = Data(record.data)
    try:
        await signing.rotate(beside)
    except SessionGone:
        raise SignInRequired("none") from None
    finally:
        if beside.cookie is Cookie.SEND:
            _go_on_as(state, beside)


def _go_on_as(state: State, beside: State) -> None:
    if beside.record is not None:
        state.becomes(beside.record, beside.judgement, beside.current)
        state.data, state.cookie = beside.data, Cookie.SEND


async def sign_out(state: State, session_id: str) -> None:
    """Sign one account of this browser out; harmless for a session that is none of its. The others stay.

    Raises:
        StoreUnavailable: not confirmed; it is tried again.
    """
    _may_act(state, "sign_out", ends=True)
    current = _in_use(state)
    if current is not None and current.id == session_id:
        await ending.logout(state)
        return
    waiting = await others(state, current)
    for record in (*waiting.standing, *waiting.doubles):
        if record.id == session_id:
            await _end(state, record)


async def sign_out_all(state: State) -> None:
    """Sign every account of this browser out and forget the list; nobody is left half signed out by an outage.

    Raises:
        StoreUnavailable: not confirmed; both cookies are deleted all the same, and it is tried again.
    """
    state.load_if_lazy()
    if isinstance(state.problem, NotLoaded):
        raise state.problem
    _may_act(state, "sign_out_all", ends=True, looks=False)
    faults, waiting = list[CoatcheckError](), Others()
    try:
        waiting = await others(state, _in_use(state))
    except (StoreUnavailable, UnreadableRecord) as fault:
        faults.append(fault)
    listed = asked(state).listed
    ends = [_end(state, record) for record in (*waiting.standing, *waiting.doubles)]
    for end in (*ends, *([] if listed is None else [ending.logout(listed)]), ending.logout(state)):
        try:
            await end
        except (StoreUnavailable, UnreadableRecord) as fault:
            faults.append(fault)
    if faults:
        raise faults[-1]


async def _end(state: State, record: Record) -> None:
    """Sign out a session that waits. It has no ticket; one that nobody was ever given stands for it."""
    core, beside = state.core, State(state.core, state.visit)
    beside.becomes(record, LIVE_CURRENT, Ticket(record.id, new_secret(core.random)))
    await ending.logout(beside)


async def conclude(accounts: AccountsState) -> None:
    """Write what an answer needs written of the list that this request looked at: activity, or a new secret by age."""
    if accounts.listed is not None:
        await saving.conclude(accounts.listed)


def _in_use(state: State) -> Record | None:
    """Return the session of who is signed in; of an impersonation the one that it came from."""
    record = state.actor or state.live
    return None if record is None or record.user_id is None else record


def _may_act(state: State, verb: str, *, ends: bool = False, looks: bool = True, also_by_get: bool = False) -> None:
    """Refuse what this request may not do with accounts, before anything is asked of the store.

    A verb that only *ends* sessions needs no transport that could carry one, and is open to who acts for another.
    """
    asked(state)
    state.looked = True
    if looks:
        state.look()
    if state.actor is not None and not ends:
        raise ActingForAnother("change accounts")
    state.may_change_ticket(f"accounts.{verb}")
    if state.browser is not None and not (also_by_get or state.browser.may_change):
        raise ConfigurationError(
            f"accounts.{verb}() came with a request that only reads, which a link on any site can send: write a POST "
            "route, and a form with a button for it"
        )
    if not ends:
        state.may_write()
    state.core.runtime.enter()
