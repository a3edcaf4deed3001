"""One session in one request: what was loaded, what was changed, and what the answer will do with the cookie.

The session objects that applications hold are views of this; the manager reads and writes it. Nothing here does I/O.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

from coatcheck.accounts_state import AccountsState
from coatcheck.csrf_state import Browser, CsrfState, Leg
from coatcheck.data import Data
from coatcheck.discreet import Discreet
from coatcheck.errors import InsecureTransport, TooLate, WrongCarrier
from coatcheck.lifecycle import NO_TICKET, Cookie, Judgement, Verdict
from coatcheck.model import Millis, Record
from coatcheck.origin import Carrier, Pending
from coatcheck.tokens import Ticket

if TYPE_CHECKING:
    from coatcheck.manager.core import Core


class Visit(Discreet, frozen=True, kw_only=True):
    """What an adapter knows of a request.

    Attributes:
        address: the client's address, through trusted proxies only.
        user_agent: the ``User-Agent`` header; it is parsed and hashed, never stored.
        carrier: what brought the ticket, or was to bring one; a session made for another carrier stays shut.
        may_rotate: whether the browser may be given another ticket (not for prefetch, WebSocket, event streams).
        may_renew: whether the request counts as activity (not a prefetch: nobody has asked for the page yet).
        rejected: why the presented cookie or token was not even read: ``"duplicate"`` or ``"malformed"``.
        insecure: set when the request came over plain http on a host that is not local: the remedy, as text.
    """

    address: str | None = None
    user_agent: str | None = None
    carrier: Carrier = "cookie"
    may_rotate: bool = True
    may_renew: bool = True
    rejected: str | None = None
    insecure: str | None = None


NOWHERE = Visit()
"""A visit of which nothing is known: scripts, tests, background work."""


class Phase(enum.Enum):
    """How far the answer is."""

    OPEN = "open"
    ANSWERED = "answered"
    SNAPSHOT = "snapshot"


class Arriving(Protocol):
    """A credential of another library that stands for a ticket; see `coatcheck.manager.moving`."""

    @property
    def judged(self) -> bool:
        """Whether it opened something, or is refused for good."""
        ...

    async def bring(self, state: State) -> None:
        """Give *state* the ticket."""
        ...


class State:
    """See the module's text. ``record`` is the judged record, also when it is over; ``current`` the ticket to send."""

    __slots__ = (
        "accounts", "actor", "browser", "cookie", "core", "current", "data", "judged", "judgement", "lazy", "legacy",
        "looked", "outside", "phase", "presented", "problem", "record", "ticket", "visit",
    )  # fmt: skip

    def __init__(self, core: Core, visit: Visit = NOWHERE) -> None:
        """Begin as a visitor without a ticket."""
        self.core = core
        self.visit = visit
        self.data = Data({})
        self.judgement: Judgement = NO_TICKET
        self.record: Record | None = None
        self.ticket: Ticket | None = None
        self.legacy: Arriving | None = None
        self.current: Ticket | None = None
        self.actor: Record | None = None
        self.cookie = Cookie.KEEP
        self.presented = False
        self.looked = False
        self.outside = False
        self.phase = Phase.OPEN
        self.problem: Exception | None = None
        self.lazy: Callable[[], None] | None = None
        self.browser: Browser | None = None
        self.judged: CsrfState | None = None
        self.accounts: AccountsState | None = None

    def __repr__(self) -> str:
        """Show the public id, never a secret."""
        return f"State(id={self.id!r}, verdict={self.judgement.verdict.value!r})"

    @property
    def csrf(self) -> CsrfState:
        """What CSRF leaves to be done; ``judged`` is the same, ``None`` where nobody has asked for it."""
        if self.judged is None:
            self.judged = CsrfState()
        return self.judged

    @property
    def live(self) -> Record | None:
        """The record of a session that is live, else ``None``."""
        return self.record if self.judgement.verdict is Verdict.LIVE else None

    @property
    def id(self) -> str | None:
        """The public handle of a live session."""
        record = self.live
        return None if record is None else record.id

    @property
    def loads(self) -> bool:
        """Whether the request brought something to ask the store about."""
        return self.ticket is not None or self.legacy is not None

    @property
    def held(self) -> Ticket | None:
        """The ticket that the browser has or is about to be sent; never a successor that it may not have received."""
        return self.current if self.cookie is Cookie.SEND else self.ticket

    @property
    def may_be_anonymous(self) -> bool:
        """Whether a visitor may store data: the policy lets them, and a cookie can carry what comes of it."""
        if self.judged is not None and self.judged.leg is Leg.BEGINS:
            return True  # what is written makes no session: it is left for another site's answer
        return self.core.policy.anonymous and self.visit.carrier == "cookie"

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Wait for the tasks of this request that are writing: what each of them changed is told apart by turns."""
        return self.core.runtime.turn(f"state {id(self)}")

    def look(self) -> None:
        """Take note that somebody looks, and raise what went wrong when the session was loaded."""
        self.looked = True
        if self.problem is not None:
            self.load_if_lazy()
            self._raise_problem()

    def _raise_problem(self) -> None:
        if self.problem is not None:
            raise self.problem

    def load_if_lazy(self) -> None:
        """Load now what the first look was to load, in a blocking application; what goes wrong is kept."""
        if self.lazy is not None:
            load, self.lazy = self.lazy, None
            load()

    def may_write(self) -> None:
        """Refuse what would make a session travel over plain http, or begin one for a request of unknown origin.

        Raises:
            InsecureTransport: with the remedy.
            CsrfRefused: nothing shows that the request came from a page of ours (CS-16).
        """
        if self.visit.insecure is not None:
            raise InsecureTransport(self.visit.insecure)
        if self.judged is not None and self.judged.doubt is not None:
            self.judged.varies = True
            self.judged.doubt.refuse(self.core)

    def may_change_ticket(self, verb: str) -> None:
        """Refuse verbs that need a cookie when none can be sent, or not any more.

        Raises:
            WrongCarrier: the request came with a bearer token, which stays as it is for as long as it opens anything.
            TooLate: the headers have left, or this is a snapshot; says what to write instead.
        """
        if self.visit.carrier != "cookie" and verb != "logout":
            raise WrongCarrier(f"{verb}()")
        if self.phase is Phase.ANSWERED:
            raise TooLate(f"{verb}() came after the answer's headers left; call it before the response starts")
        if self.phase is Phase.SNAPSHOT:
            raise TooLate(
                f"{verb}() cannot reach the browser from a WebSocket or a background task; "
                "call it in an ordinary request, or end the session with sessions.revoke(session.id)"
            )

    def becomes(self, record: Record, judgement: Judgement, current: Ticket | None) -> None:
        """Go on as the holder of *record*, keeping the data object."""
        self.record, self.judgement, self.current = record, judgement, current

    def is_damaged(self, where: str) -> None:
        """Go on signed out: a stored value cannot be decoded (promise 12). The row is left for somebody to look at."""
        self.core.emit("session.record_damaged", session_id=self.id, why=f"the value of {where} cannot be decoded")
        self.forget()

    def take_over(self, fresh: State) -> None:
        """Go on as *fresh*, which was filled aside; the cookie, the looks and the phase are this request's own."""
        self.ticket, self.current, self.record = fresh.ticket, fresh.current, fresh.record
        self.judgement, self.data, self.problem = fresh.judgement, fresh.data, None
        self.actor = fresh.actor

    def forget(self) -> None:
        """Go on as a visitor without a ticket and without data."""
        self.record, self.current, self.ticket, self.actor = None, None, None, None
        self.judgement, self.data, self.problem = NO_TICKET, Data({}), None


def pending_of(state: State, now: Millis) -> Pending | None:
    """Return the half-finished sign-in of a live session, ``None`` when there is none or its time is over."""
    record = state.live
    pending = None if record is None else record.origin.pending
    return pending if pending is not None and (pending.until is None or now < pending.until) else None


class Outcome(Discreet, frozen=True):
    """What an adapter does with the cookie. The repr never shows the token.

    ``deadline`` is when a persistent cookie may die, ``None`` for one that ends with the browser.
    """

    cookie: Cookie
    token: str | None = None
    deadline: Millis | None = None

    def __repr__(self) -> str:
        """Show the directive alone."""
        return f"Outcome(cookie={self.cookie.value!r})"
