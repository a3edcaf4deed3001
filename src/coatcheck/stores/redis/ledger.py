"""What this worker remembers of the deaths it was told of, so that no other server brings a session back.

Redis may acknowledge a revocation and lose it: a server restarted in place comes back as it was when it last saved, and
a promoted replica lacks what had not reached it. So each call that ends something is kept for ten minutes, with the
server that did it. A server that has not done it, because it is another one or another run of the same one, gets it
again before anything else is asked of it. The calls are such that this is harmless at any later time, in any order.

A call whose outcome is unknown was done by nobody: it is due at whatever server answers next.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from coatcheck.stores.redis.link import Call
from coatcheck.stores.redis.wire import Identity

KEEP: Final = 600.0
"""Seconds that a death is remembered."""

MOST: Final = 50_000
"""The most calls that are remembered; beyond it the oldest goes, with a warning."""

_log: Final = logging.getLogger("coatcheck")


class Entry:
    """One call, and the server that has done it; ``None`` when it may be that none has."""

    __slots__ = ("at", "call", "done_by")

    def __init__(self, call: Call, done_by: Identity | None, at: float) -> None:
        """Keep *call*, done by *done_by*, at the moment *at* of `time.monotonic`."""
        self.call, self.done_by, self.at = call, done_by, at


class Look(Struct, frozen=True):
    """What was due at a server at one moment; `Ledger.settle` finds out whether that still holds."""

    entries: list[Entry]
    version: int
    noted: int


class Ledger:
    """The deaths of the last ten minutes.

    Of calls with a rank it holds the highest for each of their keys, in a room of its own: raising an epoch in every
    slot of a Cluster again and again pushes no death out.

    Threads may share it without a lock (a lock does not survive ``fork()``): each step below is one of the
    interpreter's, and their order is what counts. A call is noted before its noter looks whether a server was looked
    at meanwhile; a look is announced before anybody looks whether a call was noted meanwhile. So one of the two sees
    the other, and what was settled is looked at again.

    Args:
        clock: seconds that only move forward.
        most: the most calls to remember.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = MOST) -> None:
        """Remember nothing yet."""
        self._clock, self._most = clock, most
        self._entries: deque[Entry] = deque()
        self._lasting: dict[tuple[bytes, ...], Entry] = {}
        self._ranked: dict[tuple[bytes, ...], dict[int, Entry]] = {}
        self._settled: dict[Identity, int] = {}
        self._numbers = itertools.count(1)
        self._version = self._noted = self._looked = 0
        self._warned_at = -KEEP
        self._again_at = math.inf
        self.replayed = 0

    def __len__(self) -> int:
        """Return how many calls are remembered, without those that last."""
        return len(self._entries) + sum(len(ranks) for ranks in list(self._ranked.values()))

    def begin(self) -> int:
        """Return what `note` wants to know of the moment before a call was sent."""
        return self._looked

    def note(self, calls: Sequence[Call], done_by: Identity | None, began: int) -> None:
        """Remember *calls*, which *done_by* has answered; ``None`` when it is unknown whether any server did them."""
        now = self._clock()
        for call in calls:
            entry = Entry(call.replayed(), done_by, now)
            if call.lasting:
                self._lasting[call.keys] = entry
            elif call.rank is not None:
                self._rank(call.rank, entry)
            else:
                self._entries.append(entry)
        self._noted = next(self._numbers)
        if done_by is None or self._looked != began:
            self.unsettle()
        self._forget(now)

    def settled(self, server: Identity) -> bool:
        """Whether *server* has done everything that concerns it."""
        if self._again_at < math.inf and self._clock() >= self._again_at:
            self._again_at = math.inf
            self.unsettle()
        return self._settled.get(server) == self._version

    def look(self, server: Identity, concerns: Callable[[Call], bool]) -> Look:
        """Return what *server* has not done and that *concerns* it, oldest first."""
        self._forget(self._clock())
        version, noted = self._version, self._noted
        known = [*list(self._lasting.values()), *self._highest(), *list(self._entries)]
        due = [entry for entry in known if entry.done_by != server and concerns(entry.call)]
        return Look(due, version, noted)

    def did(self, server: Identity, done: Sequence[tuple[Entry, Any]]) -> None:
        """Take note that *server* has done these, and what it answered."""
        for entry, answer in done:
            entry.done_by = server
            if entry.call.lasting:
                entry.call = replace(entry.call, args=(answer,))
            if entry.call.repeated is not None:
                entry.call.repeated(answer)
        self.replayed += len(done)

    def settle(self, server: Identity, look: Look) -> bool:
        """Take note that *server* has done all of *look*; ``False`` when more has come since, so look again."""
        self._looked = next(self._numbers)
        if self._noted != look.noted:
            return False
        if len(self._settled) > 1000:
            self._settled.clear()
        self._settled[server] = look.version
        return True

    def unsettle(self) -> None:
        """Look again at every server before it is asked: something is due, or keys have moved."""
        self._version = next(self._numbers)

    def postpone(self) -> None:
        """Look again in a second: a server refuses for now what nobody was told was done."""
        self._again_at = self._clock() + 1.0

    def drop(self, entry: Entry) -> None:
        """Forget one that no server will ever do."""
        if entry.call.lasting:
            self._lasting.pop(entry.call.keys, None)
        if entry.call.rank is not None:
            self._ranked.get(entry.call.keys, {}).pop(entry.call.rank, None)
        with contextlib.suppress(ValueError):  # it grew too old meanwhile
            self._entries.remove(entry)

    def _rank(self, rank: int, entry: Entry) -> None:
        """Keep one with a rank and let go of lower ones; whoever does the same meanwhile, the highest stays."""
        ranks = self._ranked.setdefault(entry.call.keys, {})
        ranks[rank] = entry
        for lower in sorted(ranks)[:-1]:
            ranks.pop(lower, None)

    def _highest(self) -> list[Entry]:
        """Return those with a rank that are not too old."""
        now = self._clock()
        entries = [entry for ranks in list(self._ranked.values()) for entry in list(ranks.values())]
        for entry in entries:
            if entry.at <= now - KEEP:
                self.drop(entry)
        return [entry for entry in entries if entry.at > now - KEEP]

    def _forget(self, now: float) -> None:
        """Let go of what is too old, and of the oldest beyond the bound.

        Each is taken out by itself and not by its place: another thread may have taken it out since it was looked at.
        """
        entries = self._entries
        while entries:
            try:
                oldest = entries[0]
                if oldest.at > now - KEEP and len(entries) <= self._most:
                    return
                entries.remove(oldest)
            except (IndexError, ValueError):
                continue  # another thread was faster
            if oldest.at > now - KEEP:
                self._warn(now)

    def _warn(self, now: float) -> None:
        """Say, at most once in ten minutes, that the bound was reached."""
        if now - self._warned_at >= KEEP:
            self._warned_at = now
            _log.warning(
                "more than %d sessions ended within ten minutes; the oldest of them are not brought back to their end "
                "if Redis loses them",
                self._most,
            )
