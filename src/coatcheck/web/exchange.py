"""One HTTP request and its answer: load, hand over, conclude before the first byte, rewrite the headers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

from coatcheck.awaiting import AsyncSession, Calls
from coatcheck.cookies import max_age_seconds
from coatcheck.data import Data
from coatcheck.errors import CoatcheckError, NotLoaded, SessionGone, SignInRequired, StoreUnavailable, UnreadableRecord
from coatcheck.lifecycle import Cookie
from coatcheck.manager import opening, saving
from coatcheck.sessions import AsyncSessions
from coatcheck.state import Outcome, Phase, State
from coatcheck.web.answers import Answer, answer
from coatcheck.web.caching import RawHeaders, add_vary_cookie, drop_set_cookie, forbid_storing
from coatcheck.web.request import Request
from coatcheck.web.settings import Settings

Message = MutableMapping[str, Any]

FAILED: Final = Answer(
    500,
    [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"0")],
    b"",
)

_OUTSIDE: Final = "this path lies outside SessionMiddleware(paths=...); add it there to use sessions here"
_NOT_LOADED: Final = 'the session is loaded on demand here: write "await session.load()" before using it'


class Exchange:
    """See the module's text."""

    __slots__ = ("_calls", "_replaced", "_request", "_send", "_settings", "_started", "state")

    def __init__(self, sessions: AsyncSessions, settings: Settings, request: Request) -> None:
        """Begin; nothing is loaded yet."""
        core = sessions._core  # noqa: SLF001 - the adapter drives the manager's parts
        self._settings = settings
        self._request = request
        self._calls = Calls()
        self._started = self._replaced = False
        self.state: State = opening.accept(core, request.token, request.visit)

    async def serve(
        self,
        app: Callable[..., Awaitable[None]],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Run *app*, turn what coatcheck raises into answers, and carry a changed ticket home on any failure."""
        self._send = send
        await load_into(self.state, self._request, self._settings)
        self._request.scope["session"] = AsyncSession(self.state, self._calls)
        try:
            await app(self._request.scope, receive, self._forward)
        except CoatcheckError as error:
            if self._started:
                raise
            await self._answer(error)
            if error.status == 500:
                self._calls.explain(error)
                raise
        except Exception as error:
            self._calls.explain(error)
            # A ticket that was changed or ended in this request is no longer the browser's, whatever failed afterwards.
            if not self._started and self.state.cookie is not Cookie.KEEP:
                await self._send_whole(FAILED, saving.ticket_outcome(self.state))
            raise
        finally:
            self.state.phase = Phase.ANSWERED
            tell_lost_changes(self.state)
            self._calls.log()

    async def _forward(self, message: Message) -> None:
        """Pass a message on; the first one is preceded by the commit and carries the cookie."""
        if self._replaced:
            return
        if message["type"] != "http.response.start" or self._started:
            await self._send(message)
            return
        try:
            self._calls.conclude(message["status"])
            outcome = await saving.conclude(self.state)
        except CoatcheckError as error:
            self._replaced = True
            await self._answer(error)
            if error.status == 500:
                raise
            return
        self._started = True
        self.state.phase = Phase.ANSWERED
        message["headers"] = self._headers(message.get("headers", ()), outcome)
        await self._send(message)

    async def _answer(self, error: CoatcheckError) -> None:
        """Send our own answer. Being sent to sign in is an answer like a handler's: changes before it are kept."""
        if isinstance(error, StoreUnavailable):
            self.state.core.tell_outage(error)
        if isinstance(error, SignInRequired) and not self._replaced:
            made = answer(error, self._request.asked, self._settings.sign_in_url)
            self._require_look()
            headers = forbid_storing(made.headers)
            await self._forward({"type": "http.response.start", "status": made.status, "headers": headers})
            await self._forward({"type": "http.response.body", "body": made.body})
            return
        outcome = saving.NO_COOKIE if isinstance(error, SessionGone) else saving.ticket_outcome(self.state)
        await self._send_whole(answer(error, self._request.asked, self._settings.sign_in_url), outcome)

    async def _send_whole(self, made: Answer, outcome: Outcome) -> None:
        """Replace the answer. Nothing is committed; what sign-in, rotation or sign-out did to the ticket holds."""
        state = self.state
        state.data = Data({})
        state.phase = Phase.ANSWERED
        self._started = True
        self._require_look()
        headers = forbid_storing(self._headers(made.headers, outcome))
        await self._send({"type": "http.response.start", "status": made.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": made.body})

    def _require_look(self) -> None:
        self.state.looked = True

    def _headers(self, headers: Iterable[tuple[bytes, bytes]], outcome: Outcome) -> RawHeaders:
        """Add the cookie, what keeps it out of caches, and what the answer varies by."""
        cookie = self._request.cookie
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
        return add_vary_cookie(headers) if self.state.looked else list(headers)


async def load_into(state: State, request: Request, settings: Settings) -> None:
    """Load what the cookie opens. What goes wrong is kept and raised when somebody looks (ruling 7)."""
    if not settings.covers(request.scope["path"]):
        state.problem = NotLoaded(_OUTSIDE)
        state.outside = True
    elif state.ticket is not None:
        if settings.on_demand:
            state.problem = NotLoaded(_NOT_LOADED)
            return
        try:
            await opening.fill(state)
        except (StoreUnavailable, UnreadableRecord) as problem:
            state.problem = problem


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
