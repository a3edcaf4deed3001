"""One Redis and one PostgreSQL for the whole stage, each seen through a proxy whose network a test breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, NoReturn

import pytest

from coatcheck.stores.postgres.migrating import migrate
from tests.servers import binaries
from tests.servers.fixtures import needed
from tests.servers.postgres import PostgresServer
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer

Gap = Callable[[str, str], NoReturn]

PASSWORD = "hunter2-or-so"
"""What must never be seen in any output."""
USER = "shop"
TIMEOUT = "1s"
"""The stores' timeout: less than a person's patience, and enough for a busy machine."""

_numbers = count()


@dataclass
class Engine:
    """A server, the proxy before it, and the store's URL through the proxy."""

    name: str
    server: Any
    proxy: Proxy
    url: str

    def direct(self) -> str:
        """Return the URL that no fault of the network is on."""
        return self.url.replace(f":{self.proxy.port}/", f":{self.server.port}/")

    def mend(self) -> None:
        """End every fault."""
        self.proxy.heal()
        self.server.thaw()
        self.server.start()


@pytest.fixture(scope="package")
def strict_redis(gap: Gap) -> Iterator[RedisServer]:
    """Serve a Redis that asks for a password and loses nothing in a crash."""
    with RedisServer(binary=needed(binaries.redis, gap), appendonly="always", password=PASSWORD) as server:
        yield server


@pytest.fixture(scope="package")
def strict_postgres(gap: Gap) -> Iterator[PostgresServer]:
    """Serve a PostgreSQL that asks for a password."""
    needed(lambda: binaries.postgres(15), gap)
    with PostgresServer(15) as server:
        server.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'")
        server.execute(f"GRANT CREATE ON DATABASE postgres TO {USER}")
        yield server


def redis_at(server: RedisServer, proxy: Proxy) -> Engine:
    """Give an empty store on a Redis."""
    place = f"{server.url_of()}".replace(f":{server.port}/", f":{proxy.port}/")
    return Engine("redis", server, proxy, f"{place}?prefix=day{next(_numbers)}&timeout={TIMEOUT}")


def postgres_at(server: PostgresServer, proxy: Proxy) -> Engine:
    """Give an empty store on a PostgreSQL."""
    place = server.url_of(user=USER, password=PASSWORD)
    tail = f"?schema=day{next(_numbers)}&timeout={TIMEOUT}"
    migrate(place + tail)
    return Engine("postgres", server, proxy, place.replace(f":{server.port}/", f":{proxy.port}/") + tail)


@pytest.fixture(params=["redis", "postgres"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Give an empty store on each engine in turn; mended afterwards."""
    server = request.getfixturevalue(f"strict_{request.param}")
    with Proxy("127.0.0.1", server.port) as proxy:
        made = redis_at(server, proxy) if request.param == "redis" else postgres_at(server, proxy)
        yield made
        made.mend()


@pytest.fixture
def redis(strict_redis: RedisServer) -> Iterator[Engine]:
    """Give an empty store on Redis."""
    with Proxy("127.0.0.1", strict_redis.port) as proxy:
        made = redis_at(strict_redis, proxy)
        yield made
        made.mend()


@pytest.fixture
def postgres(strict_postgres: PostgresServer) -> Iterator[Engine]:
    """Give an empty store on PostgreSQL."""
    with Proxy("127.0.0.1", strict_postgres.port) as proxy:
        made = postgres_at(strict_postgres, proxy)
        yield made
        made.mend()
