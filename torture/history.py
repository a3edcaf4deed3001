"""What happened: every step of every actor with its own interval, and the terms it is judged by.

A step is *acknowledged* when its answer is ``"ok"``; ``"unknown"`` means that the store did not say, so that the step
may have happened at any time after its start, or never; any other answer is a refusal's code and changed nothing.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

FORMAT: Final = 1
"""The number of the history format; a file of another one is refused."""

UNKNOWN: Final = "unknown"
CRASHED: Final = "crashed"
"""The answer of a step in which the store raised what its contract does not know."""
UNSURE: Final = frozenset({UNKNOWN, CRASHED})
"""The answers after which nobody knows whether the step was made."""

ACTORS: Final = 1000
"""Numbers of actors that each process has."""

NEVER: Final = 1 << 62
"""A moment that never comes."""


class Op(Struct, array_like=True, omit_defaults=True, kw_only=True):
    """One step.

    Attributes:
        start: when it began, in nanoseconds of the system-wide monotonic clock.
        end: when its answer was there.
        clock: the sessions' own clock at its start, in milliseconds since the Unix epoch.
        until: the same at its end.
        actor: who did it; a number that no other task of any process has.
        request: ties the steps of one request of one actor together; 0 for a step outside of requests.
        verb: what was done, see `VERBS`.
        answer: ``"ok"``, ``"none"`` (nothing opened, nothing there), ``"unknown"``, or the code of a refusal.
        session: the session it was done to; for ``load`` the one that the ticket opened.
        user: the user it was done to; for ``load`` the one that the session belongs to.
        ticket: name of the presented ticket.
        sent: name of the ticket that the answer sets; empty for a deletion, ``None`` when the cookie is left alone.
        made: the session that it made.
        change: keys that it wrote, ``None`` for a removed one.
        data: keys that it read.
        roles: roles that it read or wrote.
        idle: the idle deadline as read, in milliseconds.
        expires: the absolute deadline as read, in milliseconds.
        seen: the recorded activity as read, in milliseconds.
        rotated: when the session's secret was made, as read, in milliseconds.
        due: whether the session as read asked for a write: a new secret, or a first sight of one.
        epoch_at: when the reading of the epoch that a sign-in passed on had ended, in nanoseconds.
        wrote: store verbs of change that this step called.
        note: what only this verb has, see `VERBS`.
        listed: the ids that a list answered.
    """

    start: int
    end: int
    clock: int
    until: int
    actor: int
    request: int = 0
    verb: str
    answer: str = "ok"
    session: str | None = None
    user: str | None = None
    ticket: str | None = None
    sent: str | None = None
    made: str | None = None
    change: dict[str, int | None] = {}
    data: dict[str, int] | None = None
    roles: tuple[str, ...] | None = None
    idle: int | None = None
    expires: int | None = None
    seen: int | None = None
    rotated: int | None = None
    due: bool = False
    epoch_at: int | None = None
    wrote: int = 0
    note: str = ""
    listed: tuple[str, ...] | None = None

    @property
    def ok(self) -> bool:
        """Whether it was acknowledged."""
        return self.answer == "ok"

    @property
    def over(self) -> int:
        """When it can have no effect any more: one whose answer is unknown may have it at any later time."""
        return NEVER if self.answer in UNSURE else self.end

    @property
    def maybe(self) -> bool:
        """Whether it may have happened."""
        return self.answer == "ok" or self.answer in UNSURE


VERBS: Final[dict[str, str]] = {
    "load": "a request presents a ticket; note `forged` for one that nobody minted",
    "save": "a request ends; note `loaded` while its session is the one that it had loaded",
    "login": "a sign-in; note `replaced` when it ends the session of its request",
    "logout": "a sign-out",
    "rotate": "a new secret for a new privilege",
    "transact": "one increment of the counter `n`; data holds the new value",
    "get": "one session by its id; note `forged` for an id that nobody minted; answer `dead` for one that ended",
    "list": "the live sessions of a user; note `quiet` when nothing else was going on",
    "revoke": "one session by its id; note `foreign` when another user's name was given; answer `none` when none ended",
    "revoke_user": "all sessions of a user; note holds the id that was kept",
    "revoke_all": "everybody",
    "set_roles": "the roles of a user",
    "sweep": "what has expired",
    "event": "an end event; note holds its name and reason",
    "leak": "a look for digests where none may be; answer `leaked` and note where",
    "fault": "something was done to the store; note says what",
}
"""Every verb and what its note means."""


class Terms(Struct, kw_only=True):
    """What a history is judged by. Times are milliseconds, ``None`` switches a clock or the limit off.

    ``promises`` are the numbers that are judged; ``exact`` says that every end event of the round was collected;
    ``allowed`` says what the configuration may lose: kind of fault, kind of loss, and how many milliseconds before the
    fault an acknowledged step may lie to be lost in it. ``repeated`` names the faults after which the process that
    acknowledged an end makes it again before it reads anything of the same user.
    """

    promises: frozenset[int] = frozenset({*range(1, 10), 12})
    limit: int | None = None
    at_limit: str = "evict_least_recent"
    idle: int | None = None
    absolute: int | None = None
    touch: int = 0
    rotate: int | None = None
    grace: int = 0
    roles: tuple[str, ...] = ("user",)
    exact: bool = True
    allowed: dict[str, dict[str, int]] = {}
    repeated: frozenset[str] = frozenset()


class History(Struct, kw_only=True):
    """One round: where it came from, its terms, and every step in order of its start."""

    format: int = FORMAT
    store: str
    seed: int
    round: int = 0
    command: str = ""
    terms: Terms
    ops: list[Op] = []


def process_of(op: Op) -> int:
    """Return the process that made a step; an event has its number alone."""
    return op.actor if op.verb == "event" else op.actor // ACTORS


def ticket_name(token: str | None) -> str | None:
    """Return what a history calls a ticket: its public id and eight characters of a hash, never the secret."""
    if token is None:
        return None
    return f"{token[:26]}:{hashlib.blake2s(token.encode(), digest_size=4).hexdigest()}"


def in_order(ops: Iterable[Op]) -> list[Op]:
    """Return steps by their start, as the checker wants them."""
    return sorted(ops, key=lambda op: (op.start, op.end))


def encode(value: Any) -> bytes:
    """Return msgpack of a history or of steps."""
    return msgspec.msgpack.encode(value)


def decode_ops(raw: bytes) -> list[Op]:
    """Read what a worker wrote of its part of a round."""
    return msgspec.msgpack.decode(raw, type=list[Op])


def keep(history: History, path: Path) -> None:
    """Write a history to a file; the same history gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(encode(history), mtime=0))


def read(path: Path) -> History:
    """Read a history from a file.

    Raises:
        ValueError: the file is no history of this format.
    """
    try:
        history = msgspec.msgpack.decode(gzip.decompress(path.read_bytes()), type=History)
    except (OSError, msgspec.MsgspecError) as error:
        raise ValueError(f"{path.name} is no history: {error}") from error
    if history.format != FORMAT:
        raise ValueError(f"{path.name} has format {history.format}; this release reads {FORMAT}")
    return history
