"""The cookies beside the session's: a visitor's forms, another site's answer, and the browser's other accounts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from coatcheck.cookies import Cookie, CookieSpec, max_age_seconds
from coatcheck.csrf_state import CsrfState, Leg
from coatcheck.lifecycle import Cookie as Directive
from coatcheck.manager.callbacks import LIFE
from coatcheck.manager.saving import ticket_outcome
from coatcheck.web.caching import RawHeaders, add_vary, drop_set_cookie, forbid_storing
from coatcheck.web.origins import DECIDED_BY

if TYPE_CHECKING:
    from coatcheck.state import State
    from coatcheck.web.request import Request

FORM_NAME: Final = "__Host-csrf"
CALLBACK_NAME: Final = "__Host-callback"

ACCOUNTS_SUFFIX: Final = "-accounts"
"""What the cookie of a list of accounts is called, behind the session cookie's name."""

FORM_LIFE: Final = 3600
"""Seconds that a visitor may leave a form open."""


@dataclass(frozen=True, slots=True)
class Aside:
    """These cookies on one transport.

    Attributes:
        form: binds the tokens of a visitor without a session.
        callback: holds the ticket for an answer that another site posts, so it is ``SameSite=None`` where it is secure.
        accounts: holds the ticket of the browser's list of accounts; ``None`` where there may be only one.
    """

    form: Cookie
    callback: Cookie
    accounts: Cookie | None = None

    def settle(self, headers: RawHeaders, state: State, request: Request) -> RawHeaders:
        """Add to an answer's headers what the judgement of its request left to be done."""
        csrf = state.judged
        if csrf is None and state.accounts is None and state.cookie is not Directive.SEND:
            return headers  # nearly every answer
        cookies = [*self._form(state, csrf, request), *self._callback(csrf, request), *self._accounts(state)]
        for cookie, text in cookies:
            headers = [*drop_set_cookie(headers, cookie.name), (b"set-cookie", text.encode("ascii"))]
        if csrf is not None and csrf.varies:
            headers = add_vary(headers, *DECIDED_BY)
        private = (csrf is not None and csrf.gave_token) or (state.accounts is not None and state.looked)
        return forbid_storing(headers) if cookies or private else headers

    def _form(self, state: State, csrf: CsrfState | None, request: Request) -> list[tuple[Cookie, str]]:
        """Say what becomes of the forms' cookie: a sign-in ends it, for it is not to be promoted (CS-16)."""
        signed_in = state.cookie is Directive.SEND and state.live is not None and state.live.user_id is not None
        if signed_in:
            return [(self.form, self.form.delete())] if request.has_form_cookie else []
        if csrf is None or csrf.form is None:
            return []
        return [(self.form, self.form.write(csrf.form, max_age=FORM_LIFE))]

    def _callback(self, csrf: CsrfState | None, request: Request) -> list[tuple[Cookie, str]]:
        if csrf is None or csrf.leg is None:
            return []
        if csrf.callback is not None:
            return [(self.callback, self.callback.write(csrf.callback, max_age=LIFE // 1000))]
        answered = csrf.leg is Leg.ANSWERS and request.callback_cookie() is not None
        return [(self.callback, self.callback.delete())] if answered else []

    def _accounts(self, state: State) -> list[tuple[Cookie, str]]:
        """Say what becomes of the list's cookie, where this request looked at the list."""
        listed = None if state.accounts is None else state.accounts.listed
        if self.accounts is None or listed is None:
            return []
        outcome = ticket_outcome(listed)
        if outcome.token is None:
            return [(self.accounts, self.accounts.delete())] if outcome.cookie is Directive.DELETE else []
        age = None if outcome.deadline is None else max_age_seconds(outcome.deadline, state.core.now())
        return [(self.accounts, self.accounts.write(outcome.token, max_age=age))]


def accounts_spec(session: CookieSpec) -> CookieSpec:
    """Return the cookie of a list of accounts: the session's own, with more to its name."""
    return replace(session, name=session.name + ACCOUNTS_SUFFIX)


def asides(session: CookieSpec, *, accounts: bool = False) -> tuple[Aside, Aside]:
    """Return the cookies on https and on plain http; a session that is embedded in other sites takes them along."""
    embedded = session.same_site == "none"
    form = CookieSpec(
        name=FORM_NAME, same_site="none" if embedded else "lax", partitioned=embedded and session.partitioned
    )
    callback = CookieSpec(name=CALLBACK_NAME, same_site="none")
    listed = accounts_spec(session) if accounts else None
    secure, plain = (
        Aside(form.on(secure=on), callback.on(secure=on), None if listed is None else listed.on(secure=on))
        for on in (True, False)
    )
    return secure, plain
