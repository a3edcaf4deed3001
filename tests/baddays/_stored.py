"""What lies in a networked store, seen and changed behind the store's back as another release of coatcheck would."""

from __future__ import annotations

from typing import Any, Final, Protocol

from coatcheck.model import RECORD_SCHEMA
from tests.baddays.conftest import Engine

NEWS: Final = "of-a-later-release"
"""What a later release keeps with a session and this one knows nothing of."""


class Stored(Protocol):
    """One engine's sessions."""

    def raw(self, session_id: str) -> Any:
        """Return all that is stored of a session."""
        ...

    def set_schema(self, session_id: str, schema: int) -> None:
        """Change the format's number."""
        ...

    def add_news(self, session_id: str) -> None:
        """Add `NEWS` where a later release may add something."""
        ...

    def has_news(self, session_id: str) -> bool:
        """Whether `NEWS` is still there."""
        ...

    def write_first(self, session_id: str, digest: bytes, user_id: str, key: str, value: bytes, at: int) -> None:
        """Write a session with the fewest fields that the first release's format has."""
        ...


def stored(engine: Engine) -> Stored:
    """Return what lies in *engine*."""
    return InRedis(engine) if engine.name == "redis" else InPostgres(engine)


class InRedis:
    """Strings; `coatcheck.stores.redis.layout` documents their format, which is written out here by hand."""

    def __init__(self, engine: Engine) -> None:
        """Use the prefix of the engine's URL."""
        self._server = engine.server
        self._prefix = engine.url.partition("prefix=")[2].partition("&")[0]

    def raw(self, session_id: str) -> bytes:
        """Return the string."""
        with self._server.client() as client:
            found: bytes = client.get(self._name(session_id))
            return found

    def set_schema(self, session_id: str, schema: int) -> None:
        """Change the second byte."""
        with self._server.client() as client:
            client.setrange(self._name(session_id), 1, bytes((schema,)))

    def add_news(self, session_id: str) -> None:
        """Add a part after the seventh, which is the origin and may be missing."""
        raw = self.raw(session_id)
        at = 108 + int.from_bytes(raw[106:108], "big")
        at += 2 + raw[at]
        start, count = at, raw[at]
        at += 1
        for _ in range(count):
            at += 2 + int.from_bytes(raw[at : at + 2], "big")
        parts = bytes(2) * (7 - count) + len(NEWS).to_bytes(2, "big") + NEWS.encode()
        made = raw[:start] + bytes((8,)) + raw[start + 1 : at] + parts + raw[at:]
        made = made[:5] + len(made).to_bytes(4, "big") + made[9:]
        with self._server.client() as client:
            client.set(self._name(session_id), made, keepttl=True)

    def has_news(self, session_id: str) -> bool:
        """Look for the part with its length."""
        return len(NEWS).to_bytes(2, "big") + NEWS.encode() in self.raw(session_id)

    def write_first(self, session_id: str, digest: bytes, user_id: str, key: str, value: bytes, at: int) -> None:
        """Write head, user, no address, six empty parts, one key; and the id into the user's index."""
        never, user, moment = (2**53).to_bytes(7, "big"), user_id.encode(), at.to_bytes(7, "big")
        times = bytes(7) + moment + moment + never + never + never + moment + never
        parts = bytes((0, 255)) + bytes((6,)) + bytes(12)
        data = len(key).to_bytes(2, "big") + len(value).to_bytes(3, "big") + key.encode() + value
        tail = times + digest + len(user).to_bytes(2, "big") + user + parts + data
        size = 17 + len(tail)
        one = (1).to_bytes(4, "big")
        raw = b"L" + bytes((1, 0, 0, 255)) + size.to_bytes(4, "big") + one + one + tail
        with self._server.client() as client:
            client.set(self._name(session_id), raw)
            client.append(f"{self._prefix}::u:{{{session_id[1:4]}}}{user_id}", session_id[0] + session_id[4:])

    def _name(self, session_id: str) -> str:
        return f"{self._prefix}::s:{session_id[0]}{{{session_id[1:4]}}}{session_id[4:]}"


class InPostgres:
    """Rows; the columns are those of ``migrations/0001_tables.sql``."""

    def __init__(self, engine: Engine) -> None:
        """Use the schema of the engine's URL."""
        self._server = engine.server
        self._table = engine.url.partition("schema=")[2].partition("&")[0] + ".coatcheck_sessions"

    def raw(self, session_id: str) -> Any:
        """Return the row."""
        return self._run("SELECT * FROM {t} WHERE id = %s", session_id)

    def set_schema(self, session_id: str, schema: int) -> None:
        """Change the column."""
        self._run("UPDATE {t} SET schema = %s WHERE id = %s", schema, session_id)

    def add_news(self, session_id: str) -> None:
        """Add a column, as a migration that only adds something does."""
        self._run("ALTER TABLE {t} ADD COLUMN IF NOT EXISTS news text")
        self._run("UPDATE {t} SET news = %s WHERE id = %s", NEWS, session_id)

    def has_news(self, session_id: str) -> bool:
        """Look at the column."""
        return bool(self._run("SELECT news FROM {t} WHERE id = %s", session_id) == [(NEWS,)])

    def write_first(self, session_id: str, digest: bytes, user_id: str, key: str, value: bytes, at: int) -> None:
        """Write the columns that must have a value, the user and one key."""
        columns = {
            "id": session_id, "tenant": "", "schema": 1, "secret_digest": digest, "created_at": at,
            "last_seen_at": at, "rotated_at": at, "version": 1, "generation": 1, "epoch": 0, "rotate_due": False,
            "locks": False, "persistent": False, "had_data": False, "roles": [], "amr": [], "lifetime": "default",
            "user_id": user_id, "data_keys": [key], "data_values": [value],
        }  # fmt: skip
        statement = "INSERT INTO {t} ({c}) VALUES ({v})".replace("{c}", ", ".join(columns))
        self._run(statement.replace("{v}", ", ".join(["%s"] * len(columns))), *columns.values())

    def _run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._server.execute(statement.replace("{t}", self._table), *values)
        return rows


NEWER: Final = RECORD_SCHEMA + 1
"""The format of the release after this one."""
