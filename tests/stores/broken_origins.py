"""Ways to lose how a session came to be, each of which the conformance suite must notice."""

from __future__ import annotations

from typing import Any

from coatcheck.model import Millis, Record, replace
from coatcheck.origin import PLAIN
from coatcheck.stores.memory import MemoryStore
from coatcheck.verbs import Change, Created, NotCreated, Page, Refusal, Replacing, Rotation, TooLarge


class DropsOrigins(MemoryStore):
    """`create` writes the columns that the release before knew."""

    async def create(self, record: Record, **terms: Any) -> Created | NotCreated:
        """Leave it out."""
        return await super().create(replace(record, origin=PLAIN), **terms)


class ForgetsOriginsInCommits(MemoryStore):
    """`commit` writes the whole row anew, without what it does not change."""

    async def commit(self, id: str, *, change: Change, **terms: Any) -> Any:
        """Write anew."""
        answer = await super().commit(id, change=change, **terms)
        if isinstance(answer, int):
            self._rows.live[id] = replace(self._rows.live[id], origin=PLAIN)
        return answer


class ForgetsOriginsInRotations(MemoryStore):
    """`rotate` makes a new row for the new secret."""

    async def rotate(self, id: str, *, rotation: Rotation, **terms: Any) -> Record | Refusal | TooLarge:
        """Write anew."""
        answer = await super().rotate(id, rotation=rotation, **terms)
        if not isinstance(answer, Record):
            return answer
        self._rows.live[id] = made = replace(answer, origin=PLAIN)
        return made


class HandsOriginsOn(MemoryStore):
    """`create` takes over whatever the replaced session had, not the data alone."""

    async def create(self, record: Record, *, replacing: Replacing | None = None, **terms: Any) -> Created | NotCreated:
        """Take over too much."""
        old = None if replacing is None else self._rows.live.get(replacing.id)
        if old is not None:
            record = replace(record, origin=old.origin)
        return await super().create(record, replacing=replacing, **terms)


class ListsWithoutOrigins(MemoryStore):
    """Lists and pages read fewer columns than `find`."""

    async def list_user(self, user_id: str, *, now: Millis) -> list[Record]:
        """Leave it out."""
        return [replace(record, origin=PLAIN) for record in await super().list_user(user_id, now=now)]

    async def browse(self, **terms: Any) -> Page:
        """Leave it out."""
        page = await super().browse(**terms)
        items = [replace(row, origin=PLAIN) if isinstance(row, Record) else row for row in page.items]
        return replace(page, items=tuple(items))
