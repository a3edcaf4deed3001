"""CSRF in a request: the ruling before anything is loaded, the token after, and what is told of a refusal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from coatcheck.csrf_state import Doubt, Leg
from coatcheck.errors import StoreUnavailable, UnreadableRecord
from coatcheck.manager import callbacks, csrf
from coatcheck.origin import Carrier
from coatcheck.session import load as load_now
from coatcheck.state import State
from coatcheck.web.csrf import Csrf
from coatcheck.web.csrf_fields import NoMultipart, has_form, token_in
from coatcheck.web.csrf_judging import UNJUDGED, Asked, Reason, Rules, Step
from coatcheck.web.origins import SAFE_METHODS

if TYPE_CHECKING:
    from coatcheck.web.request import Request

ReadBody = Callable[[], Awaitable[bytes | None]]

_TAKES_NOTHING: Final = SAFE_METHODS - {"GET"}
"""Methods with which nothing is done, so that an answer from another site is not used up either."""


class Shield:
    """See the module's text. One for each middleware."""

    __slots__ = ("_csrf", "_judges", "_own_tokens", "_rules")

    def __init__(
        self, csrf: Csrf, trusted: frozenset[str], *, own_tokens: bool = True, callbacks_alone: bool = False
    ) -> None:
        """Prepare checked options. ``own_tokens=False`` leaves to the framework what a token would decide.

        ``callbacks_alone=True`` is for routes that a framework has exempted: those that another site answers to are
        still judged by their transaction, and nothing else is.
        """
        self._csrf = csrf
        self._judges = not callbacks_alone
        self._rules = Rules(csrf, trusted)
        self._own_tokens = own_tokens

    def concerns(self, request: Request) -> bool:
        """Whether there may be anything to judge; most requests only read."""
        return self._rules.named or request.may_change

    async def admit(
        self,
        request: Request,
        state: State,
        read_body: ReadBody,
        load: Callable[[], Awaitable[None]],
        *,
        carrier: Carrier = "cookie",
    ) -> None:
        """Judge a request and load its session, in the order that costs a refused one nothing.

        Raises:
            CsrfRefused: it did not come from a page of ours, or could not show it.
            CallbackRefused: it is another site's answer that nobody in this browser is waiting for.
            StoreUnavailable: a token was needed and could not be checked.
        """
        if self._rules.answers(request.route_path, request.raw_path):
            await self._receive(request, state)
            return
        ruling = self._rules.judge(_asked(request, state, carrier)) if self._judges else UNJUDGED
        # Caches keep answers to safe methods; a refusal says it of every method.
        state.csrf.varies = ruling.by_headers and request.method in SAFE_METHODS and not request.socket
        if ruling.step is Step.REFUSED:
            self._refuse(request, state, ruling.reason)
        await load()
        if ruling.step is Step.PROOF and self._own_tokens:
            await self._prove(request, state, read_body, ruling.reason)
        elif ruling.step is Step.UNPROVEN and self._own_tokens:
            state.csrf.doubt = self._doubt(request, ruling.reason)
        if self._rules.begins(request.route_path, request.raw_path):
            state.csrf.leg = Leg.BEGINS

    async def _receive(self, request: Request, state: State) -> None:
        """Let another site's answer through to its handler with what this browser was given for it, once."""
        state.forget()
        state.lazy = state.legacy = None
        state.csrf.doubt = self._doubt(request, "no_transaction")
        if request.method in _TAKES_NOTHING:
            return
        state.csrf.leg = Leg.ANSWERS
        held = request.callback_cookie()
        if held is not None and await callbacks.receive(state, held):
            state.csrf.doubt = None
        else:
            state.csrf.doubt.refuse(state.core)

    async def _prove(self, request: Request, state: State, read_body: ReadBody, reason: Reason | None) -> None:
        """As `_check`; where refusals are only told, neither does a store that cannot be asked refuse anything."""
        try:
            await self._check(request, state, read_body, reason)
        except (StoreUnavailable, UnreadableRecord):
            if not self._csrf.report_only:
                raise

    async def _check(self, request: Request, state: State, read_body: ReadBody, reason: Reason | None) -> None:
        """Let the request go on with a token that fits its session, or its browser's forms."""
        await load_now(state)
        if state.problem is not None:
            raise state.problem
        try:
            shown = await self._shown(request, read_body)
        except NoMultipart:
            self._refuse(request, state, "no_multipart")
            return
        if shown is None:
            self._refuse(request, state, reason)
        elif not await csrf.fits(state, shown):
            self._refuse(request, state, "wrong_token")

    async def _shown(self, request: Request, read_body: ReadBody) -> str | None:
        """Return the token of a header, else of a form; never of the query or a cookie (CS-4)."""
        named = request.values_of(self._csrf.header.lower().encode())
        if named:
            return named[0] if len(named) == 1 else None
        kinds = request.values_of(b"content-type")
        if request.socket or len(kinds) != 1 or not has_form(kinds[0]):
            return None
        body = await read_body()
        return None if body is None else token_in(kinds[0], body, self._csrf.field)

    def _refuse(self, request: Request, state: State, reason: Reason | None) -> None:
        state.csrf.varies = True
        self._doubt(request, reason).refuse(state.core, state.live)

    def _doubt(self, request: Request, reason: Reason | None) -> Doubt:
        path, only = request.route_path, self._csrf.report_only
        return Doubt(reason=reason or "no_token", method=request.method, path=path, reported=only)


def _asked(request: Request, state: State, carrier: Carrier) -> Asked:
    scope = request.scope
    return Asked(
        method=request.method,
        path=request.route_path,
        raw_path=request.raw_path,
        query=scope.get("query_string", b""),
        headers=scope["headers"],
        own_origin=request.place.origin,
        socket=request.socket,
        cookie=state.presented or request.has_form_cookie or request.has_accounts_cookie,
        carrier=carrier,
        tested=request.tested,
    )
