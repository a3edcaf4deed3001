"""Signing in on Cluster over a session of another slot: no script reaches both, so it takes four steps.

1. *found*: the old session is read.
2. *made*: the new one is inserted with the old one's data, the limit and the epoch as ever, but for a minute only.
3. *taken*: the old one ends.
4. *settled*: the new one gets what the old one held when it was taken, and its own deadlines.

A client that dies between any two of them leaves both for a minute at most, or the new one alone for as long: nobody
holds its ticket yet, so it must not live. Before the third step the old one has the data; after it the new one has it,
and when its minute is over, nobody.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from coatcheck import transitions
from coatcheck.errors import StoreUnavailable
from coatcheck.model import Millis, Record, Tombstone
from coatcheck.stores.redis import layout, scripts
from coatcheck.stores.redis.creating import Terms, ask
from coatcheck.stores.redis.engine import Engine
from coatcheck.stores.redis.link import Call
from coatcheck.verbs import Change, Created, NotCreated, Replacing

UNHELD: Final[Millis] = 60_000
"""How long a session lives at most that nobody holds."""


class Move:
    """One sign-in, step by step."""

    def __init__(self, engine: Engine, record: Record, terms: Terms, replacing: Replacing) -> None:
        """Prepare to insert *record* in the place of what *replacing* names."""
        self._engine = engine
        self._record = record
        self._terms = terms
        self._replacing = replacing
        self._old: Record | None = None
        self._made = Created(record=record)
        self._left: Tombstone | None = None
        self._taken: Record | None = None

    async def run(self) -> Created | NotCreated:
        """Take all the steps."""
        await self.found()
        refused = await self.made()
        if refused is not None:
            return refused
        await self.taken()
        return await self.settled()

    async def found(self) -> None:
        """Read the old session."""
        [old] = await self._engine.found([self._replacing.id])
        self._old = old if isinstance(old, Record) else None

    async def made(self) -> NotCreated | None:
        """Insert the new session with the old one's data, for a minute."""
        record, until = self._record, self._terms.now + UNHELD
        old = self._old if self._old is not None and self._replacing.matches(self._old) else None
        deadline = until if record.expires_at is None else min(record.expires_at, until)
        provisional = replace(record, data=self._data(old), expires_at=deadline)
        answer = await ask(self._engine, provisional, self._terms._replace(replacing=None))
        if isinstance(answer, NotCreated):
            return answer
        self._made = answer
        return None

    async def taken(self) -> None:
        """End the old session, unless its privilege changed since it was read."""
        call = self._engine.end(
            self._replacing.id, "superseded", self._terms.now, generation=self._replacing.generation
        )
        # Remembered and not waited for, as what a sign-in in one step replaces; and without the generation, for whoever
        # loses this may lose the change of privilege before it too, and the session would live.
        again = self._engine.end(self._replacing.id, "superseded", self._terms.now)

        def deaths(answer: Any) -> list[Call]:
            return [] if answer is None else [again]

        call = replace(call, deaths=deaths)
        answer = await self._engine.link.run(call)
        if answer is None:
            return
        left, was = (layout.decode(self._replacing.id, self._engine.tenant, raw) for raw in answer)
        self._left = left if isinstance(left, Tombstone) else None
        self._taken = was if isinstance(was, Record) else None

    async def settled(self) -> Created:
        """Give the new session what the old one held when it was taken, and its own deadlines.

        One that was revoked or evicted meanwhile stays dead, as if that had come just after the sign-in.

        Raises:
            StoreUnavailable: the steps took longer than the minute, and the new session has run out.
        """
        record = self._record
        times = (_or_never(record.idle_expires_at), _or_never(record.expires_at))
        frames, _ = layout.changes(self._data(self._taken), ())
        name = self._engine.keys.session(record.id)
        answer = await self._engine.link.run(Call(scripts.SETTLE, (name,), (record.secret_digest, *times, frames)))
        made = layout.decode(record.id, self._engine.tenant, answer[1]) if answer[0] == 0 else await self._revoked()
        if not isinstance(made, Record):
            raise StoreUnavailable("the sign-in took too long and was undone")
        ended = (*self._made.ended, *((self._left,) if self._left else ()))
        return Created(record=made, ended=ended)

    async def _revoked(self) -> Record | None:
        """Return the new session as it was made, if somebody has ended it since."""
        [row] = await self._engine.found([self._record.id])
        by_someone = isinstance(row, Tombstone) and row.reason not in {"idle", "absolute"}
        return self._made.record if by_someone else None

    def _data(self, old: Record | None) -> dict[str, bytes]:
        """Lay what *old* holds under the record's own data, where it may be carried and fits."""
        own = dict(self._record.data)
        if old is None or not self._replacing.carry or old.sweepable_at(self._terms.now) is not None:
            return own
        both = transitions.merged(old.data, Change(own, self._replacing.unset))
        most = self._terms.max_bytes
        return own if most is not None and transitions.data_size(both) > most else both


def _or_never(deadline: Millis | None) -> Millis:
    return layout.NEVER if deadline is None else deadline
