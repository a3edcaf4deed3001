"""One process's part of a round: its manager over the watched store, its people, and what they know of one another."""

from __future__ import annotations

import random
from base64 import urlsafe_b64decode
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from msgspec import Struct

from coatcheck import AsyncSessions, Policy
from torture.history import Terms
from torture.recording import Recorder
from torture.shared import Shared
from torture.watching import Watched

_AGAIN: ContextVar[list[bytes] | None] = ContextVar("AGAIN", default=None)

BROWSERS: Final = 10
"""Cookie jars in use; tasks share them, as the parallel requests of a browser do."""
USERS: Final = 4
"""Users of a round."""


class Plan(Struct, frozen=True, kw_only=True):
    """What a round does. The same plan asks for the same operations.

    ``steps`` are those of this process, ``tick`` is after how many of them the clock moves.
    """

    seed: int
    round: int
    steps: int
    tasks: int
    processes: int = 1
    tick: int = 25
    pauses: float = 0.5
    exact: bool = True
    allowed: dict[str, dict[str, int]] = {}
    repeated: frozenset[str] = frozenset()


_LIMITS: Final = ((3, "evict_least_recent"), (2, "reject"), (3, "evict_oldest"), (None, "evict_least_recent"))


def policy_of(number: int) -> Policy:
    """Return the policy of a round: short clocks, so that everything happens within it, and each limit in turn."""
    count, at_limit = _LIMITS[number % len(_LIMITS)]
    return Policy(
        idle_timeout="20s",
        absolute_timeout="90s",
        touch_every="2s",
        rotate_every="10s",
        rotation_grace="3s",
        keep_ended="10m",
        allow_remember=False,
        max_sessions=count,
        at_limit=at_limit,  # type: ignore[arg-type]  # one of the three words
        sweep_every=None,
    )


def terms_of(plan: Plan) -> Terms:
    """Return what the checker judges the round by."""
    policy = policy_of(plan.round)
    span = policy.span("default")
    return Terms(
        limit=policy.max_sessions, at_limit=policy.at_limit, idle=span.idle, absolute=span.absolute,
        touch=span.touch_every, rotate=policy.rotate_ms, grace=policy.grace_ms, exact=plan.exact, allowed=plan.allowed,
        repeated=plan.repeated,
    )  # fmt: skip


class Randomness:
    """Seeded random bytes, which repeat an id when told to: a store must refuse it, whatever the generator does."""

    def __init__(self, seed: str) -> None:
        """Begin at *seed*."""
        self._draw = random.Random(seed).randbytes  # noqa: S311 - tickets of a test

    def __call__(self, count: int) -> bytes:
        """Return *count* bytes."""
        again = _AGAIN.get()
        return again.pop() if again and count == 16 else self._draw(count)


@contextmanager
def repeating(session_id: str) -> Generator[None]:
    """Let the next id that this task makes be *session_id*'s, as far as it is random."""
    mark = _AGAIN.set([urlsafe_b64decode(session_id[4:] + "==")])
    try:
        yield
    finally:
        _AGAIN.reset(mark)


class World:
    """What the actors of one process share."""

    def __init__(self, store: Watched, shared: Shared, recorder: Recorder, plan: Plan) -> None:
        """Build the manager of this round over *store*."""
        self.store, self.shared, self.recorder, self.plan = store, shared, recorder, plan
        self.users = tuple(f"r{plan.round}u{number}" for number in range(USERS))
        self.known: deque[tuple[str, str | None]] = deque(maxlen=40)
        self.old: deque[str] = deque(maxlen=60)
        self.until = len(recorder.ops) + plan.steps
        key = f"{plan.seed}.{plan.round}.{recorder.process}"
        self._draw = random.Random(key)  # noqa: S311 - how far the clock moves
        self._ticks = 0
        self.policy = policy_of(plan.round)
        verbs: Any = store  # every verb of the store behind it
        self.sessions = AsyncSessions(
            verbs,
            policy=self.policy,
            clock=shared.clock,
            random=Randomness(key),
            listeners=[recorder.event],
        )

    @property
    def over(self) -> bool:
        """Whether this process has done its steps."""
        return len(self.recorder.ops) >= self.until

    def tick(self) -> None:
        """Move the clock now and then; one process does it for all."""
        if self.recorder.process or len(self.recorder.ops) < self._ticks * self.plan.tick:
            return
        self._ticks += 1
        far = self._draw.random() < 0.01
        self.shared.advance(self._draw.randrange(8000, 25_000) if far else self._draw.randrange(50, 800))

    def meet(self, session_id: str, user_id: str | None) -> None:
        """Remember a session's id, for those who act by id."""
        self.known.append((session_id, user_id))

    def seeded(self, *parts: Any) -> random.Random:
        """Return a generator of this run's own, by what it is for."""
        return random.Random(".".join(map(str, (self.plan.seed, self.plan.round, *parts))))  # noqa: S311 - as above
