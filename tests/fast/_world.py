"""A manager over a memory store that can be watched, made to fail and interrupted; and the browser in front of it."""

from __future__ import annotations

import asyncio
import atexit
import inspect
from collections.abc import Callable
from typing import Any, Final, Literal

from coatcheck import AsyncSessions, Policy, Sessions, StoreUnavailable
from coatcheck.cookies import max_age_seconds
from coatcheck.lifecycle import Cookie
from coatcheck.state import NOWHERE, Outcome, Visit
from coatcheck.stores.memory import MemoryStore
from coatcheck.testing import CapturedEvents, FrozenClock

Mode = Literal["async", "blocking"]

READS: Final = frozenset({"find", "epoch", "key", "list_user", "list_ended", "browse", "count", "get_side"})
_PLAIN: Final = frozenset({"traits", "tenant", "clock"})
"""What is not watched: properties, and the clock, which a manager asks for once and at its own time."""

_loop: Final = asyncio.new_event_loop()
atexit.register(_loop.close)


class Watched:
    """A memory store that counts its verbs, fails at chosen ones, and lets something happen just before others."""

    def __init__(self) -> None:
        """Begin empty, healthy and unseen."""
        self.inner = MemoryStore()
        self.calls: list[str] = []
        self.down: set[str] = set()
        self.before: dict[str, Callable[[], object]] = {}

    def __getattr__(self, name: str) -> Any:
        """Return the inner store's verb, watched."""
        inner = getattr(self.inner, name)
        if name in _PLAIN or name.startswith("_"):
            return inner

        async def verb(*args: Any, **options: Any) -> Any:
            self.calls.append(name)
            if name in self.down or "all" in self.down:
                raise StoreUnavailable("the test has switched this verb off")
            hook = self.before.pop(name, None)
            if hook is not None:
                hook()
            return await inner(*args, **options)

        return verb

    @property
    def writes(self) -> list[str]:
        """The calls that were not reads."""
        return [name for name in self.calls if name not in READS]

    def row(self) -> Any:
        """Return the only live record."""
        (record,) = self.inner._rows.live.values()
        return record

    def put(self, record: Any) -> None:
        """Put a record in the place of its earlier self, whatever it holds."""
        self.inner._rows.live[record.id] = record


class WorkersClock(FrozenClock):
    """A worker's clock that a test moves, and that is corrected by the store's where it has one."""

    authoritative = False


class World:
    """One manager of either kind, its clock, store and events. `run` finishes what is awaitable and passes the rest."""

    def __init__(self, mode: Mode, policy: Policy | None = None, **options: Any) -> None:
        """Build the manager; *options* are its own."""
        self.mode: Mode = mode
        self.clock = WorkersClock()
        self.events = CapturedEvents()
        self.store = Watched()
        kind: Any = AsyncSessions if mode == "async" else Sessions
        given: dict[str, Any] = {"store": self.store, "listeners": [self.events], **options}
        self.sessions: Any = kind(policy=policy, **{"clock": self.clock, **given})

    def run(self, it: Any) -> Any:
        """Return what *it* comes to."""
        return _loop.run_until_complete(it) if inspect.isawaitable(it) else it

    def load(self, token: str | None = None, visit: Visit = NOWHERE) -> Any:
        """Load what a token opens."""
        return self.run(self.sessions.load(token, visit))

    def save(self, session: Any) -> Outcome:
        """Answer the request."""
        outcome: Outcome = self.run(self.sessions.save(session))
        return outcome

    def sent(self, session: Any) -> str:
        """Answer the request and return the cookie's value, which there must be."""
        token = self.save(session).token
        assert token is not None
        return token

    def sign_in(self, user_id: str = "ada", token: str | None = None, *, data: Any = None, **options: Any) -> str:
        """Sign in, with *data* put in the session, and return the cookie's value."""
        session = self.load(token)
        self.run(session.login(user_id, **options))
        session.update(data or {})
        return self.sent(session)

    def visitor(self, **data: Any) -> str:
        """Store something as nobody in particular and return the cookie's value."""
        session = self.load()
        session.update(data)
        return self.sent(session)

    def visit(self, token: str | None, visit: Visit = NOWHERE) -> tuple[Any, Outcome]:
        """Make a whole request that looks at the session."""
        session = self.load(token, visit)
        _ = session.user_id
        return session, self.save(session)

    def data(self, token: str | None) -> dict[str, Any]:
        """Return what a new request reads."""
        return dict(self.load(token))

    def user(self, token: str | None) -> str | None:
        """Return whom a new request belongs to."""
        found: str | None = self.load(token).user_id
        return found


class Browser:
    """A cookie jar for one cookie: it obeys answers and forgets what has run out."""

    def __init__(self, world: World, token: str | None = None) -> None:
        """Begin with *token*, or with nothing."""
        self.world, self.token = world, token

    def request(self, do: Callable[[Any], Any] = lambda session: session.user_id, *, lost: bool = False) -> Any:
        """Make one request in which *do* happens; a *lost* answer never arrives."""
        session = self.world.load(self.token)
        result = self.world.run(do(session))
        outcome = self.world.save(session)
        if not lost:
            self.receive(outcome)
        return result

    def receive(self, outcome: Outcome) -> None:
        """Obey an answer's cookie directive."""
        if outcome.cookie is Cookie.DELETE:
            self.token = None
        elif outcome.cookie is Cookie.SEND:
            assert outcome.token is not None
            age = None if outcome.deadline is None else max_age_seconds(outcome.deadline, self.world.clock.now_ms)
            self.token = None if age == 0 else outcome.token
