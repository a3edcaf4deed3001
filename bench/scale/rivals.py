"""What a session of two rivals takes on Redis, with what ours holds as far as they have a place for it.

fastapi-redis-sdk is measured through its own store, on Valkey 9 because it needs ``HEXPIRE``. connect-redis is
JavaScript; its layout is one JSON string a session, written here as it writes it. What cannot be measured is quoted.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bench.scale.people import People, now
from bench.scale.progress import say
from bench.scale.results import Rival
from tests.servers import binaries
from tests.servers.process import ServerError
from tests.servers.redis import RedisServer

SESSIONS: Final = 20_000
_SDK: Final = "fastapi-redis-sdk"
_QUOTED: Final = (
    Rival(name=f"{_SDK}, bare", bytes=776, contains="index by user, bare sample", source="0.9.1, measured earlier"),
    Rival(name="connect-redis", bytes=344, contains="no index, no device", source="measured earlier"),
)
_WEEK_S: Final = 7 * 24 * 3600


def measure_rivals() -> list[Rival]:
    """Measure whom this machine can, and quote the rest."""
    return [*_sdk(), *_connect()]


def _sdk() -> list[Rival]:
    """Measure fastapi-redis-sdk bare, and with what ours knows of the device in its index."""
    if importlib.util.find_spec("redis_fastapi") is None:
        return [_QUOTED[0]]
    try:
        binary = binaries.valkey(9)
    except binaries.Missing as missing:
        say(f"rivals: {missing}")
        return [_QUOTED[0]]
    return [
        _measured(_SDK, "index by user, device in it, two keys of data", binary, _sdk_writer(full=True)),
        _measured(f"{_SDK}, bare", "index by user; the user's id alone", binary, _sdk_writer(full=False)),
    ]


def _sdk_writer(*, full: bool) -> Callable[[RedisServer, People], None]:
    def fill(server: RedisServer, people: People) -> None:
        asyncio.run(_sdk_fill(server, people, full=full))

    return fill


async def _sdk_fill(server: RedisServer, people: People, *, full: bool) -> None:
    """Create and index sessions through the package's own store."""
    from redis.asyncio import Redis
    from redis_fastapi.session_backend import RedisSessionStore

    async with Redis.from_url(server.url) as client:
        store = RedisSessionStore(client, idle_ttl=_WEEK_S, absolute_ttl=4 * _WEEK_S)
        for number in range(SESSIONS):
            record, device = people.record(number), people.record(number).device
            data: dict[str, Any] = {"user_id": record.user_id}
            extra: dict[str, Any] = {}
            if full and device:
                data |= {"roles": list(record.roles), "cart": ["apples", "pears"], "theme": "dark"}
                extra = {"browser": device.browser, "system": device.system, "ip": device.last_address}
            handle, made = store.new_id(), store.new_record(data)
            await store.create(handle, made)
            await store.index(record.user_id or "", handle, made, absolute_remaining=4 * _WEEK_S, extra=extra)


def _connect() -> list[Rival]:
    """Measure one JSON string a session under ``sess:``, with a time to live, as connect-redis keeps it."""
    return [_measured("connect-redis", "no index, no device, two keys of data", None, _connect_fill)]


def _connect_fill(server: RedisServer, people: People) -> None:
    cookie = {"originalMaxAge": _WEEK_S * 1000, "expires": "2026-11-28T12:00:00.000Z", "secure": True}
    cookie |= {"httpOnly": True, "path": "/", "sameSite": "lax"}
    with server.client() as client, client.pipeline(transaction=False) as pipeline:
        for number in range(SESSIONS):
            record = people.record(number)
            own = {"user": record.user_id, "roles": ["user"], "cart": ["apples", "pears"], "theme": "dark"}
            text = json.dumps({"cookie": cookie, **own}, separators=(",", ":"))
            pipeline.set(f"sess:{record.id}123456", text, ex=_WEEK_S)
        pipeline.execute()


def _measured(name: str, contains: str, binary: Path | None, fill: Callable[[RedisServer, People], None]) -> Rival:
    """Start a server, fill it, and divide what its memory grew by."""
    say(f"rivals: {name}, {contains}")
    server = RedisServer(binary=binary).start()
    try:
        before = int(server.info("memory")["used_memory"])
        fill(server, People(bytes(32), now=now()))
        grown = int(server.info("memory")["used_memory"]) - before
        source = f"measured here, {server.version}, {SESSIONS:,} sessions, used_memory"
    except ServerError:
        server.kill()
        raise
    server.stop()
    return Rival(name=name, bytes=round(grown / SESSIONS, 1), contains=contains, source=source)
