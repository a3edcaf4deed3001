"""What every part of the manager shares: the store, the policy, the clock, randomness and the listeners."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from msgspec import Struct

from coatcheck import tokens
from coatcheck.devices import Describe
from coatcheck.errors import StoreUnavailable, UnreadableRecord
from coatcheck.events import Detail, Event, Listener
from coatcheck.manager.clock import JUMP, Watch
from coatcheck.model import Device, Millis, Tombstone
from coatcheck.origin import Carrier
from coatcheck.policy import Policy
from coatcheck.runtime import Runtime
from coatcheck.state import Visit
from coatcheck.stores.contract import Store

if TYPE_CHECKING:
    from coatcheck.manager.counting import Counter
    from coatcheck.manager.cutoffs import Window

_log = logging.getLogger("coatcheck")

_UNTIMED = nullcontext()

CLOCK_TRIES = 3
"""How often the store's clock is asked for at most, where its answers take long."""

DRIFT_ALARM: Millis = 2000
"""A worker's clock this far from the store's, in milliseconds, raises ``store.clock_drift``."""


class PendingLogout(Struct, eq=False):
    """A sign-out that the store did not answer; kept until it does, in a bounded queue of this process.

    Attributes:
        id: the session.
        presented: the digest of the ticket that asked.
        verified: the ticket had opened the session before; else it must still be judged.
        asked: the moment that the store was told last without an answer. A tombstone of that moment is this sign-out's.
        tries: how often it was tried again. What was tried least goes first, so that none holds up the others.
    """

    id: str
    presented: bytes
    verified: bool
    asked: Millis | None = None
    tries: int = 0

    def __repr__(self) -> str:
        """Show the public handle, never the digest."""
        return f"PendingLogout(id={self.id!r})"

    def __rich_repr__(self) -> list[tuple[str, str]]:
        """Show no more than that, as `coatcheck.discreet.Discreet` does."""
        return [("id", self.id)]


class Core:
    """The manager's collaborators. Built once for each `AsyncSessions` or `Sessions`."""

    def __init__(
        self,
        store: Store,
        *,
        policy: Policy,
        tenant: str,
        clock: Callable[[], float],
        random: tokens.Randomness,
        listeners: Sequence[Listener],
        runtime: Runtime,
        describe: Describe,
    ) -> None:
        """Keep the collaborators; nothing is opened."""
        self.store = store
        self.policy = policy
        self.tenant = tenant
        self.random = random
        self.runtime = runtime
        self.listeners = list(listeners)
        self.counter: Counter | None = None
        self.window: Window | None = None
        # Apart, so that a stranger's tickets, which nobody has judged, push no verified sign-out out.
        self.pending: deque[PendingLogout] = deque(maxlen=1000)
        self.unjudged: deque[PendingLogout] = deque(maxlen=1000)
        self.next_retry: Millis = 0
        self.retrying = False
        self.offset: Millis = 0
        self.next_sweep: Millis = 0
        # A clock made for tests is the time itself, whatever the store's says.
        self.follows = not getattr(clock, "authoritative", False)
        self.watch: Watch | None = Watch(clock, runtime.elapsed) if self.follows else None
        self._clock = clock
        self._told: Millis = 0
        self._describe = describe

    def now(self) -> Millis:
        """Return the time as the store sees it, in milliseconds since the Unix epoch."""
        return int(self._clock() * 1000) + self.offset

    async def sync_clock(self) -> None:
        """Take the store's clock as ours, where it has one; an alarm tells of more than `DRIFT_ALARM` between them."""
        if self.follows:
            self._correct(*await self._ask_clock())

    async def follow_clock(self) -> None:
        """Ask for the store's clock again because ours was set since: ``watch`` says so, ``None`` where it has none.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        stored, wall = await self._ask_clock()
        if self.is_off():  # else another task has asked meanwhile
            self._correct(stored, wall)

    def is_off(self) -> bool:
        """Whether `follow_clock` is needed before the next verdict."""
        watch = self.watch  # read once: another thread may take it away
        return watch is not None and watch.is_off()

    async def moment(self) -> Millis:
        """Return `now` for a verdict or a write, after `follow_clock` where that is needed."""
        if self.is_off():
            await self.follow_clock()
        return self.now()

    async def _ask_clock(self) -> tuple[Millis | None, float]:
        """Return the store's clock and ours when the answer came.

        An answer may lie unread while this process does something else, and would set us back by as long. So one that
        took long is asked for again, and the quickest counts.
        """
        best, shortest = await self._timed_clock()
        for _ in range(CLOCK_TRIES - 1):
            if best[0] is None or shortest <= JUMP:
                break
            answer, took = await self._timed_clock()
            if took < shortest:
                best, shortest = answer, took
        return best

    async def _timed_clock(self) -> tuple[tuple[Millis | None, float], float]:
        """Ask once; return the store's clock, ours, and the seconds it took."""
        began = self.runtime.elapsed()
        stored = await self.store.clock()
        return (stored, self._clock()), self.runtime.elapsed() - began

    def _correct(self, stored: Millis | None, wall: float) -> None:
        """Go by the store's clock, which read *stored* when ours read *wall*; the same difference is told once."""
        if stored is None:
            self.watch = None
            return
        self.offset = stored - int(wall * 1000)
        self.watch = self.watch or Watch(self._clock, self.runtime.elapsed)
        self.watch.mark(wall)
        if abs(self.offset) <= DRIFT_ALARM:
            self._told = 0
        elif abs(self.offset - self._told) > DRIFT_ALARM:
            self._told = self.offset
            self.emit("store.clock_drift", millis=self.offset)

    def writing(self) -> AbstractContextManager[None]:
        """Count how long the store takes to write in this block."""
        return self.counter.timing("write") if self.counter else _UNTIMED

    def emit(self, name: str, *, session_id: str | None = None, user_id: str | None = None, **details: Detail) -> None:
        """Tell the listeners; what they raise is logged and breaks nothing."""
        event = Event(
            name=name, at=self.now(), session_id=session_id, user_id=user_id, tenant=self.tenant, details=details
        )
        for listener in self.listeners:
            try:
                listener(event)
            except Exception:  # noqa: BLE001 - whatever a listener raises, the request goes on
                _log.exception("a listener failed on %s", name)

    def tell_outage(self, fault: StoreUnavailable) -> None:
        """Tell that the store did not answer, and why, once for each fault.

        Stores' messages name a place and a cause, never a secret.
        """
        if not fault.told:
            fault.told = True
            self.emit("store.unavailable", error=type(fault).__name__, cause=str(fault))

    @contextmanager
    def telling_unreadable(self, session_id: str | None = None) -> Generator[None]:
        """Tell of a change that the store refused because a newer release wrote the session (promise 12).

        Of *session_id* where the store does not say which.
        """
        try:
            yield
        except UnreadableRecord as fault:
            self.emit("session.record_unreadable", session_id=fault.session_id or session_id, schema=fault.schema)
            raise

    def emit_end(self, tombstone: Tombstone) -> None:
        """Tell that a session is over, under the name that its reason has."""
        names = {"absolute": "session.expired", "idle": "session.abandoned"}
        facts: dict[str, Detail] = {"signed_in": tombstone.user_id is not None, "had_data": tombstone.had_data}
        if tombstone.reason not in names:
            facts["reason"] = tombstone.reason
        self.emit(
            names.get(tombstone.reason, "session.ended"),
            session_id=tombstone.id,
            user_id=tombstone.user_id,
            **facts,
        )

    async def key(self) -> bytes:
        """Return the store's own key. The store remembers it, and knows when it has become another."""
        return await self.store.key()

    async def mint(self, user_id: str | None) -> tokens.Ticket:
        """Make a ticket whose id carries the owner's tag."""
        if user_id is None:
            return tokens.mint(self.random)
        return tokens.mint(self.random, tag=tokens.user_tag(await self.key(), user_id, tenant=self.tenant))

    def digest(self, ticket: tokens.Ticket, carrier: Carrier = "cookie") -> bytes:
        """Return what the store may know of a ticket's secret: another one for each carrier (ASVS 9.2.2)."""
        return tokens.digest(ticket, tenant=self.tenant if carrier == "cookie" else f"{self.tenant}\0{carrier}")

    async def device(self, visit: Visit) -> Device | None:
        """Describe the browser behind a visit; ``None`` when nothing is known of it."""
        if visit.user_agent is None and visit.address is None:
            return None
        browser, system = self._describe(visit.user_agent) if visit.user_agent else (None, None)
        agent_hash = tokens.keyed_hash(await self.key(), "user-agent", visit.user_agent) if visit.user_agent else b""
        return Device(
            browser=browser,
            system=system,
            agent_hash=agent_hash,
            first_address=visit.address,
            last_address=visit.address,
        )
