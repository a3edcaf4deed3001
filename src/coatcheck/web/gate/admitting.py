"""The gate in a request: strip, judge, tell what is downstream, mark the answer.

Refusals are raised; `coatcheck.web.answers` gives them their form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from coatcheck.errors import SignInRequired
from coatcheck.refusals import PathDenied, PathRefused, RoleRequired, StepUpRequired
from coatcheck.session import load
from coatcheck.session_view import Session
from coatcheck.state import State
from coatcheck.web.caching import RawHeaders, forbid_storing
from coatcheck.web.gate.judging import Allow, BadPath, Case, Decision, Denied, Forbidden, Inquiry, SignIn, Standing
from coatcheck.web.gate.paths import WHY

if TYPE_CHECKING:
    from coatcheck.web.gate.gate import Gate
    from coatcheck.web.request import Request

_OF_A_BODY: Final = frozenset({b"content-length", b"content-encoding", b"transfer-encoding"})
_NOINDEX: Final = (b"x-robots-tag", b"noindex")


def arrive(gate: Gate, request: Request) -> Case:
    """Take away the headers that only the gate may write, and say what has to be decided.

    Raises:
        PathRefused, PathDenied: that is decided already, so that nothing is loaded for it.
    """
    scope = request.scope
    kept = gate.strip(scope["headers"])
    if len(kept) != len(scope["headers"]):
        scope["headers"] = kept
    case = gate.consider(_inquiry(request))
    if not case.looks:
        _checked(gate.decide(case, None, 0))
    return case


async def admit(gate: Gate, case: Case, request: Request, state: State) -> Allow:
    """Decide, looking at the session only where a rule asks for it, and add the headers that say who it is.

    Raises:
        SignInRequired, RoleRequired, StepUpRequired, PathDenied: the request does not reach the application.
        StoreUnavailable, UnreadableRecord: the session is needed and could not be loaded.
    """
    standing = None
    if case.looks:
        if state.problem is not None or state.lazy is not None:
            await load(state)
        standing = standing_of(state)
    allowed = _checked(gate.decide(case, standing, state.core.now()))
    if made := gate.headers_for(allowed.standing):
        request.scope["headers"] = [*request.scope["headers"], *made]
    return allowed


def marked(allowed: Allow | None, headers: RawHeaders) -> RawHeaders:
    """Return an answer's headers with what the gate has to say about caches and search engines."""
    if allowed is None:
        return headers
    if allowed.no_store:
        headers = forbid_storing(headers)
    if allowed.preflight:
        headers = [(name, value) for name, value in headers if name.lower() not in _OF_A_BODY]
    return [*headers, _NOINDEX] if allowed.noindex else headers


def standing_of(state: State) -> Standing:
    """Return what the session is to a gate. It is a look: it counts as activity and adds ``Vary: Cookie``.

    Raises:
        StoreUnavailable, UnreadableRecord: the session could not be loaded.
    """
    try:
        user = Session(state).user
    except SignInRequired as missing:
        return Standing(reason=missing.reason)
    record = state.live
    return Standing(
        user_id=user.id,
        session_id=state.id,
        roles=user.roles,
        aal=user.aal,
        auth_time=None if record is None else record.auth_time,
    )


def _inquiry(request: Request) -> Inquiry:
    return Inquiry(
        method=request.method,
        path=request.route_path or "/",
        raw_path=request.raw_path or None,
        query=request.scope.get("query_string", b""),
        headers=request.scope["headers"],
    )


def _checked(decision: Decision) -> Allow:
    """Return a decision that lets pass, and raise every other."""
    if isinstance(decision, Allow):
        return decision
    if isinstance(decision, BadPath):
        raise PathRefused(decision.why, WHY[decision.why])
    if isinstance(decision, Denied):
        raise PathDenied
    if isinstance(decision, SignIn):
        raise SignInRequired(decision.reason)
    if isinstance(decision, Forbidden):
        raise RoleRequired(decision.roles)
    raise StepUpRequired(max_age=None if decision.max_age is None else decision.max_age // 1000, aal=decision.aal)
