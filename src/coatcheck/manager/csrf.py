"""CSRF tokens of the request at hand: made for its session, or for a visitor by a cookie of their own."""

from __future__ import annotations

from coatcheck import csrf_tokens
from coatcheck.errors import ConfigurationError, InsecureTransport
from coatcheck.state import State


async def token(state: State) -> str:
    """Return a new token for a form or a header. A visitor's is bound to a cookie that leaves with the answer.

    Raises:
        InsecureTransport: the request came over plain http from a host that is not local.
        TooLate: a visitor's cookie cannot be sent any more: the headers have left, or this is a snapshot.
        StoreUnavailable: the store did not answer.
    """
    state.look()
    state.core.runtime.enter()
    state.csrf.gave_token = True
    bound = _of_session(state)
    if bound is None:
        bound = csrf_tokens.of_visitor(_visitor(state), tenant=state.core.tenant)
    return csrf_tokens.make(await state.core.key(), bound, state.core.random)


async def fits(state: State, shown: str) -> bool:
    """Whether a token belongs to the session at hand, or to the visitor whose forms' cookie came with it.

    A signed-in session has only its own: what a visitor was given before they signed in is over (CS-2, CS-16).
    """
    state.core.runtime.enter()
    key, live = await state.core.key(), state.live
    bounds = [_of_session(state)]
    if live is None or (live.user_id is None and live.origin.pending is None):
        held = state.browser.form_cookie() if state.browser else None
        bounds.append(csrf_tokens.of_visitor(held, tenant=state.core.tenant) if held else None)
    # A list, so that both are compared in any case.
    return any([csrf_tokens.check(key, bound, shown) for bound in bounds if bound])  # noqa: C419 - constant time


def _of_session(state: State) -> bytes | None:
    record = state.live
    if record is None:
        return None
    return csrf_tokens.of_session(record.id, record.generation, tenant=state.core.tenant)


def _visitor(state: State) -> str:
    """Return the value of this visitor's cookie, and have the answer set it, again if it is there already."""
    if state.csrf.form is None:
        state.may_change_ticket("csrf_token")
        if state.visit.insecure is not None:
            raise InsecureTransport(state.visit.insecure)
        if state.browser is None:
            raise ConfigurationError(
                "csrf_token() of a visitor without a session needs the browser's cookies: use the session of "
                "SessionMiddleware, not one that sessions.load() returned"
            )
        state.csrf.form = state.browser.form_cookie() or csrf_tokens.new_visitor(state.core.random)
    return state.csrf.form
