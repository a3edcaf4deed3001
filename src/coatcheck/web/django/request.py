"""``request.session``: Django's session API on the session of a request."""

from __future__ import annotations

from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest

from coatcheck.runtime import finish
from coatcheck.state import State
from coatcheck.web.django import expiry, keys
from coatcheck.web.django.store import SessionStore


class RequestSession(SessionStore):
    """The session of a request. Its key is the public id, which opens nothing: people log it and keep it in tables."""

    def __init__(self, state: State) -> None:
        """Show *state*, which the middleware fills."""
        super().__init__()
        self._state = state
        self.began_at = state.core.now()

    def _get_session_key(self) -> str | None:
        """Return the public id; ``None`` while nothing is stored."""
        self._get_session()
        return self.state.id

    def _set_session_key(self, value: str | None) -> None:
        """Do nothing: a request's ticket changes by what it does, not by assignment."""

    def settle(self, request: HttpRequest) -> None:
        """Make ready for the answer: an expiry in seconds begins anew, and whom Django takes for signed in or out is.

        Some packages sign a user in by Django's own keys and send no signal. Such a session would belong to nobody, and
        no sign-out everywhere would reach it.
        """
        state = self.state
        if not state.looked or state.problem is not None:
            return
        finish(keys.leave_if_removed(state))
        expiry.restart(state.data, state.core.now())
        user_id = state.data.peek(SESSION_KEY) if SESSION_KEY in state.data else None
        owner = state.live.user_id if state.live else None
        if not isinstance(user_id, str) or user_id == owner:
            return
        from coatcheck.web.django.linking import roles_of

        user = getattr(request, "user", None)
        known = getattr(user, "is_authenticated", False) and str(getattr(user, "pk", None)) == user_id
        self.sign_in(user_id, roles_of(user) if known else None)
