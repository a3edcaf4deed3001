"""The scale benchmark loads sessions in bulk: what lies in the engine is what `create` would have put there."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bench.scale.engines import Engine, open_store, start
from bench.scale.people import People
from coatcheck.model import Record
from coatcheck.stores.redis.keys import ONE, Keys
from tests.conftest import Gap
from tests.servers import binaries
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer

NOW = 1_900_000_000_000
KEY = bytes(range(32))


def records() -> list[Record]:
    """Return 100 sessions, three a user, some expired, in the order in which people signed in."""
    people = People(KEY, now=NOW, per_user=3)
    mixed = [people.record(number) for number in range(80)] + [people.expired(number) for number in range(20)]
    return sorted(mixed, key=lambda record: record.created_at)


async def create(url: str, sessions: list[Record]) -> None:
    """Sign everybody in through the store's own verb."""
    store = open_store(url)
    for record in sessions:
        await store.create(record, now=record.created_at)
    await store.close()


def of_sqlite(engine: Any) -> list[Any]:
    """Return every row of sessions and users."""
    with closing(sqlite3.connect(engine.url.removeprefix("sqlite:///"))) as connection:
        tables = ("sessions", "users", "sides")
        return [sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in tables]  # noqa: S608


def of_postgresql(engine: Any) -> list[Any]:
    """Return every row of sessions and users."""
    server: PostgresServer = engine._server
    tables = ("coatcheck_sessions", "coatcheck_users", "coatcheck_sides")
    return [sorted(server.execute(f"SELECT * FROM coatcheck.{name}"), key=repr) for name in tables]  # noqa: S608


def of_redis(engine: Any) -> list[Any]:
    """Return every key with its value and its time of expiry, but for the store's own key."""
    server: RedisServer = engine._server
    client: Any = server.client()
    with client:
        names = sorted(set(client.keys("*")) - {Keys("coatcheck", "", 1).key})
        return [(name, _value(client, name), client.pexpiretime(name)) for name in names]


def _value(client: Any, name: bytes) -> Any:
    """Return what a key holds: the bytes of a string, the members of an index."""
    return client.get(name) if client.type(name) == b"string" else client.zrange(name, 0, -1, withscores=True)


@pytest.fixture(params=["sqlite", "redis", "postgresql"])
def name(request: pytest.FixtureRequest, gap: Gap) -> str:
    """Return a store's name, where its server can be started."""
    wanted: str = request.param
    try:
        {"sqlite": Path, "redis": binaries.redis, "postgresql": lambda: binaries.postgres(15)}[wanted]()
    except binaries.Missing as missing:
        gap(missing.what, missing.remedy)
    return wanted


@pytest.fixture
def engines(name: str, tmp_path: Path) -> Iterator[tuple[Engine, Engine]]:
    """Return two engines of a kind; those of Redis have one store key, which ids carry tags of, and one epoch."""
    both: list[Engine] = []
    try:
        for place in ("loaded", "created"):
            (tmp_path / place).mkdir()
            both.append(start(name, tmp_path / place))
            server = getattr(both[-1], "_server", None)
            if isinstance(server, RedisServer):
                with server.client() as client:
                    names = Keys("coatcheck", "", 1)
                    client.mset({names.key: KEY, names.everybody(ONE): "7 7"})
        yield both[0], both[1]
    finally:
        for engine in both:
            engine.stop()


CONTENTS: dict[str, Callable[[Any], list[Any]]] = {
    "sqlite": of_sqlite,
    "redis": of_redis,
    "postgresql": of_postgresql,
}


def test_a_store_that_was_loaded_equals_one_that_people_signed_in_to(name: str, engines: tuple[Engine, Engine]) -> None:
    """100 sessions loaded in bulk leave the same bytes and rows as 100 sign-ins, indexes and expiry included."""
    loaded, created = engines
    sessions = records()
    loaded.load(sessions)
    loaded.settle()
    asyncio.run(create(created.url, sessions))
    content = CONTENTS[name]
    assert content(loaded) == content(created)
    assert len(content(loaded)) >= 3
    assert sessions[0].id in repr(content(loaded)).replace("{", "").replace("}", "")
