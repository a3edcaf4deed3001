"""One HTTP request and its answer, in any framework: load, guard, conclude before the first byte, rewrite the headers.

Adapters drive it. `begin` comes before the handler, `conclude` before the first byte of the handler's answer, `answer`
wherever coatcheck's own error becomes the answer, and `close` at the end. All of it is ``async def``, finished in one
step where the application blocks. ``scope`` is ASGI's; adapters of other interfaces make one (`coatcheck.web.wsgi`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import partial
from typing import Any, Final, TypeAlias

from coatcheck.cookies import max_age_seconds
from coatcheck.data import Data
from coatcheck.errors import CoatcheckError, NotLoaded, SessionGone, SignInRequired, StoreUnavailable, UnreadableRecord
from coatcheck.lifecycle import Cookie
from coatcheck.manager import accounts, callbacks, opening, saving
from coatcheck.manager.core import Core
from coatcheck.refusals import RoleRequired, StepUpRequired
from coatcheck.runtime import finish
from coatcheck.state import Outcome, Phase, State
from coatcheck.web.answers import Answer, Answered, Places, answer
from coatcheck.web.bearer import challenge, settle
from coatcheck.web.caching import RawHeaders, drop_set_cookie, forbid_storing
from coatcheck.web.entering_flow import enter
from coatcheck.web.gate import admitting
from coatcheck.web.gate.judging import Allow
from coatcheck.web.request import Request
from coatcheck.web.settings import Settings

ReadBody: TypeAlias = Callable[[], Awaitable[bytes | None]]
"""Gives the whole body of a small form and leaves it to be read again; ``None`` for one that is too large."""

_FAILED: Final = Answer(500, [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"0")], b"")
_LIKE_A_HANDLERS: Final = (SignInRequired, StepUpRequired, RoleRequired)
_OUTSIDE: Final = "this path lies outside SessionMiddleware(paths=...); add it there to use sessions here"
_NOT_LOADED: Final = 'the session is loaded on demand here: write "await session.load()" before using it'


class Exchange:
    """See the module's text."""

    __slots__ = ("_allowed", "_answered", "_request", "_settings", "_watch", "state")

    def __init__(
        self, core: Core, settings: Settings, request: Request, watch: Callable[[int], None] | None = None
    ) -> None:
        """Begin; nothing is loaded yet. *watch* is told the answer's status before anything is written."""
        self._watch = watch
        self._settings = settings
        self._request = request
        self._answered = False
        self._allowed: Allow | None = None
        self.state: State = opening.accept(core, request.token, request.visit)
        if settings.legacy is not None:
            settings.legacy.arrive(self.state, request)

    @property
    def scope(self) -> MutableMapping[str, Any]:
        """What the request is, in ASGI's words."""
        return self._request.scope

    @property
    def answered(self) -> bool:
        """Whether the answer's headers are settled: nothing can change them any more."""
        return self._answered

    @property
    def own(self) -> bool:
        """Whether coatcheck answers the request by itself, asking the store; the application never sees it."""
        entering = self._settings.entering
        return entering is not None and self._request.route_path == entering.path

    @property
    def bodiless(self) -> bool:
        """Whether the handler's answer leaves without its body: to a preflight, which no gate has judged."""
        return self._allowed is not None and self._allowed.preflight

    async def begin(self, read_body: ReadBody, *, lazy: bool = False) -> None:
        """Load what the cookie opens, at the first look where it is *lazy*, and judge whether the request may go on.

        Raises:
            CoatcheckError: it may not; `answer` tells why.
        """
        entering = self._settings.entering
        if entering is not None and self.own:
            raise Answered(await enter(entering, self.state, self._request, read_body))
        self._allowed = await admit(self.state, self._request, self._settings, read_body, lazy=lazy)

    async def conclude(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
        """Write what the answer needs written, and return its headers with the cookie and what keeps it from caches.

        Raises:
            CoatcheckError: the answer must be replaced by `answer`.
        """
        if self._answered:
            return list(headers)
        if self._watch is not None:
            self._watch(status)
        if self.state.judged is not None:
            await callbacks.conclude(self.state)
        outcome = await saving.conclude(self.state)
        if self.state.accounts is not None:
            await accounts.conclude(self.state.accounts)
        return self._settle(headers, outcome)

    async def answer(self, error: CoatcheckError) -> Answer:
        """Return coatcheck's own answer, whole. What a guard says is an answer like a handler's: changes are kept."""
        if isinstance(error, StoreUnavailable):
            self.state.core.tell_outage(error)
        if isinstance(error, Answered):
            return await self._concluded(error.made)
        made = self._made(error)
        if isinstance(error, _LIKE_A_HANDLERS):
            self.state.looked = True
            return await self._concluded(made)
        outcome = saving.NO_COOKIE if isinstance(error, SessionGone) else saving.ticket_outcome(self.state)
        return self._whole(made, outcome)

    def _made(self, error: CoatcheckError) -> Answer:
        """Return what tells of *error*; a program with a token is told so, and not sent to a page."""
        bearer = self.state.visit.carrier == "bearer"
        made = answer(error, self._request.asked, Places() if bearer else self._settings.places)
        return challenge(made, error, self.state) if self._settings.bearer else made

    async def _concluded(self, made: Answer) -> Answer:
        """Return *made* as a handler's answer leaves: with what was changed committed, and the cookie."""
        try:
            headers = await self.conclude(made.status, forbid_storing(made.headers))
        except CoatcheckError as other:
            return await self._replaced(other)
        return Answer(made.status, headers, made.body)

    async def _replaced(self, error: CoatcheckError) -> Answer:
        """Answer an error that came up when a guard's answer was concluded."""
        if not isinstance(error, _LIKE_A_HANDLERS):
            return await self.answer(error)
        return self._whole(self._made(error), saving.ticket_outcome(self.state))

    def failed(self) -> Answer | None:
        """Return the answer to a handler's own exception, where one must carry a cookie home; ``None`` elsewhere.

        A ticket that was changed or ended in this request is no longer the browser's, whatever failed afterwards.
        """
        if self._answered or self.state.cookie is Cookie.KEEP:
            return None
        return self._whole(_FAILED, saving.ticket_outcome(self.state))

    def drop(self) -> None:
        """Drop the changes: the handler failed. What sign-in, rotation or sign-out did to the ticket holds."""
        live = self.state.live
        self.state.data = Data({} if live is None else live.data)

    def close(self) -> None:
        """End the exchange, and tell of changes that nobody will commit."""
        self.state.phase = Phase.ANSWERED
        tell_lost_changes(self.state)

    def _whole(self, made: Answer, outcome: Outcome) -> Answer:
        """Replace the answer. Nothing is committed."""
        self.drop()
        self.state.looked = True
        return Answer(made.status, forbid_storing(self._settle(made.headers, outcome)), made.body)

    def _settle(self, headers: Iterable[tuple[bytes, bytes]], outcome: Outcome) -> RawHeaders:
        """Add the cookie, what keeps it out of caches, and what the answer varies by."""
        self._answered = True
        self.state.phase = Phase.ANSWERED
        cookie = self._request.cookie if self.state.visit.carrier == "cookie" else None
        if outcome.cookie is not Cookie.KEEP and cookie is not None:
            if outcome.cookie is Cookie.SEND and outcome.token is not None:
                age = None
                if outcome.deadline is not None:
                    age = max_age_seconds(outcome.deadline, self.state.core.now())
                text = cookie.write(outcome.token, max_age=age)
            else:
                text = cookie.delete()
            headers = [
                *forbid_storing(drop_set_cookie(headers, cookie.name)),
                (b"set-cookie", text.encode("ascii")),
            ]
        if self._settings.legacy is not None:
            headers = self._settings.legacy.settle(list(headers), self.state, self._request, outcome)
        settled = admitting.marked(self._allowed, self._request.settle_aside(list(headers), self.state))
        return settle(settled, self.state, offered=self._settings.bearer) if self.state.looked else settled


async def admit(
    state: State, request: Request, settings: Settings, read_body: ReadBody, *, lazy: bool = False
) -> Allow | None:
    """Judge a request and load its session, in the order that costs a refused one nothing; say how it was let in.

    Raises:
        CsrfRefused, StoreUnavailable: as `coatcheck.web.csrf_shield.Shield.admit`.
        SignInRequired, RoleRequired, StepUpRequired, PathRefused, PathDenied: as `coatcheck.web.gate.admitting`.
    """
    state.browser = request
    gate, shield = settings.gate, settings.shield
    case = None if gate is None else admitting.arrive(gate, request)
    if shield is not None and shield.concerns(request) and settings.covers(request.scope["path"]):
        await shield.admit(
            request,
            state,
            read_body,
            partial(load_into, state, request, settings, lazy=lazy),
            carrier=state.visit.carrier,
        )
    else:
        await load_into(state, request, settings, lazy=lazy)
    return None if gate is None or case is None else await admitting.admit(gate, case, request, state)


async def load_into(state: State, request: Request, settings: Settings, *, lazy: bool = False) -> None:
    """Load what the cookie opens. What goes wrong is kept and raised when somebody looks (ruling 7)."""
    if settings.legacy is not None:
        await settings.legacy.open(state.core)
    if not settings.covers(request.scope["path"]):
        state.problem = NotLoaded(_OUTSIDE)
        state.outside = True
    elif state.loads:
        if lazy:
            state.problem, state.lazy = NotLoaded(_NOT_LOADED), partial(_load_now, state)
            return
        if settings.on_demand:
            state.problem = NotLoaded(_NOT_LOADED)
            return
        await fill(state)


async def fill(state: State) -> None:
    """Load what the ticket opens, keeping what goes wrong for whoever looks."""
    try:
        await opening.fill(state)
    except (StoreUnavailable, UnreadableRecord) as problem:
        state.problem = problem


def _load_now(state: State) -> None:
    """Load at the first look, in the caller's thread."""
    state.problem = None
    finish(fill(state))


def tell_lost_changes(state: State) -> None:
    """Warn of changes that were made where nobody commits them: after the answer, or in a snapshot."""
    if state.data.idle or state.problem is not None:
        return
    try:
        change = state.data.delta()
    except CoatcheckError:
        keys = "a value that cannot be encoded"
    else:
        if not change:
            return
        keys = ", ".join(sorted({*change.set, *change.unset}))
    owner = state.live.user_id if state.live else None
    state.core.emit("session.changes_lost", session_id=state.id, user_id=owner, keys=keys)
