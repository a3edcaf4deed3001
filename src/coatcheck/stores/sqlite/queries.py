"""Verbs that only read. Each asks the database once, so it sees one moment without a transaction of its own."""

from __future__ import annotations

import json
import sqlite3
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from coatcheck.model import RECORD_SCHEMA, Damaged, Found, FromTheFuture, Millis, Record, Tombstone
from coatcheck.stores.sqlite import sql, table
from coatcheck.stores.sqlite.rows import decode
from coatcheck.verbs import Page

_FIRST_PLACE: Final[tuple[Millis, str]] = (2**63 - 1, "")
_read_place: Final = msgspec.msgpack.Decoder(tuple[Millis, str])


class Epochs(NamedTuple):
    """The store-wide epoch, the user's own, and when either was last raised; ``None`` when neither ever was."""

    everybody: int
    own: int
    raised_at: Millis | None

    @property
    def total(self) -> int:
        """What a sign-in is measured by."""
        return self.everybody + self.own


def find(connection: sqlite3.Connection, tenant: str, ids: Sequence[str]) -> list[Found]:
    """Return what is known of each id, in order."""
    if len(ids) == 1:
        return [table.fetch(connection, tenant, ids[0])]
    rows = connection.execute(sql.FIND_MANY, (json.dumps(list(ids)), tenant))
    found = {row[0]: decode(row) for row in rows}
    return [found.get(wanted) for wanted in ids]


def epochs(connection: sqlite3.Connection, tenant: str, user_id: str | None) -> Epochs:
    """Return the epochs that concern a user, or the store-wide one for ``None``."""
    everybody, own, raised_at = connection.execute(sql.EPOCH, {"tenant": tenant, "user_id": user_id}).fetchone()
    return Epochs(everybody, own, raised_at if everybody or own else None)


def list_user(connection: sqlite3.Connection, tenant: str, user_id: str, now: Millis) -> list[Record]:
    """Return the user's live sessions, most recently seen first."""
    records = table.alive_of(connection, tenant, user_id, now)
    return sorted(records, key=lambda record: (record.last_seen_at, record.created_at, record.id), reverse=True)


def list_ended(connection: sqlite3.Connection, tenant: str, user_id: str, limit: int) -> list[Tombstone]:
    """Return the user's tombstones, most recent first."""
    found = table.select(connection, sql.ENDED_OF_USER, tenant, {"user_id": user_id, "limit": limit})
    return [row for row in found if isinstance(row, Tombstone)]


def browse(connection: sqlite3.Connection, tenant: str, *, limit: int, after: str | None, user_id: str | None) -> Page:
    """Return a page of everything, newest first. Rows that cannot be read are passed over.

    Raises:
        ValueError: *after* is not a cursor of an earlier page.
    """
    place = _FIRST_PLACE if after is None else _place(after)
    statement = sql.BROWSE if user_id is None else sql.BROWSE_USER
    terms = {
        "tenant": tenant, "schema": RECORD_SCHEMA, "user_id": user_id, "created_at": place[0], "id": place[1],
        "limit": limit + 1,
    }  # fmt: skip
    rows = connection.execute(statement, terms).fetchall()
    found = [row for row in map(decode, rows[:limit]) if not isinstance(row, Damaged | FromTheFuture)]
    return Page(tuple(found), _cursor(rows[limit - 1]) if limit and len(rows) > limit else None)


def count(connection: sqlite3.Connection, tenant: str, now: Millis) -> int:
    """Return how many live sessions there are."""
    terms = {"tenant": tenant, "schema": RECORD_SCHEMA, "now": now}
    return int(connection.execute(sql.COUNT, terms).fetchone()[0])


def get_side(connection: sqlite3.Connection, tenant: str, id: str, name: str) -> bytes | None:
    """Return what was put beside a session."""
    row = connection.execute(sql.GET_SIDE, (id, name, tenant)).fetchone()
    return None if row is None else bytes(row[0])


def key(connection: sqlite3.Connection) -> bytes | None:
    """Return the store's key if it has been made."""
    row = connection.execute(sql.KEY).fetchone()
    return None if row is None else bytes(row[0])


def _cursor(row: tuple[object, ...]) -> str:
    """Name the place of a row: its creation time and id, as text that nobody needs to read."""
    return urlsafe_b64encode(msgspec.msgpack.encode((row[4], row[0]))).decode().rstrip("=")


def _place(cursor: str) -> tuple[Millis, str]:
    """Return the place that a cursor names; only the one spelling that `_cursor` writes is accepted."""
    try:
        place = _read_place.decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if -(2**63) <= place[0] < 2**63 and _cursor((place[1], None, None, None, place[0])) == cursor:
            return place
    except (msgspec.MsgspecError, ValueError):
        pass
    raise ValueError("this is not a cursor of an earlier page")
