"""The servers as pytest fixtures: started by the first test that asks, one each for the session.

A test that empties or breaks one mends it before it ends, or starts its own from the classes. A program that is not
here is a gap (tests/conftest.py). The engines' clients are imported when a server is wanted, so that tests without one
do not pay for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NoReturn, TypeVar

import pytest

from tests.servers import binaries

if TYPE_CHECKING:
    from tests.servers.cluster import RedisCluster
    from tests.servers.pgbouncer import PgBouncer
    from tests.servers.postgres import PostgresServer
    from tests.servers.redis import RedisServer
    from tests.servers.sentinels import Sentinels

Gap = Callable[[str, str], NoReturn]
Found = TypeVar("Found")


def needed(find: Callable[[], Found], gap: Gap) -> Found:
    """Return what *find* finds, or name the gap."""
    try:
        return find()
    except binaries.Missing as missing:
        gap(missing.what, missing.remedy)


@pytest.fixture(scope="session")
def redis_server(gap: Gap) -> Iterator[RedisServer]:
    """Serve the machine's Redis, alone and without persistence."""
    from tests.servers.redis import RedisServer

    with RedisServer(binary=needed(binaries.redis, gap)) as server:
        yield server


@pytest.fixture(scope="session")
def valkey8_server(gap: Gap) -> Iterator[RedisServer]:
    """Serve Valkey 8, alone and without persistence."""
    from tests.servers.redis import RedisServer

    with RedisServer(binary=needed(lambda: binaries.valkey(8), gap)) as server:
        yield server


@pytest.fixture(scope="session")
def valkey9_server(gap: Gap) -> Iterator[RedisServer]:
    """Serve Valkey 9, alone and without persistence."""
    from tests.servers.redis import RedisServer

    with RedisServer(binary=needed(lambda: binaries.valkey(9), gap)) as server:
        yield server


@pytest.fixture(scope="session")
def sentinels(gap: Gap) -> Iterator[Sentinels]:
    """Serve a primary, two replicas and three Sentinels."""
    from tests.servers.sentinels import Sentinels

    with Sentinels(binary=needed(binaries.redis, gap), hasty=True) as servers:
        yield servers


@pytest.fixture(scope="session")
def redis_cluster(gap: Gap) -> Iterator[RedisCluster]:
    """Serve a Redis Cluster of three primaries and three replicas."""
    from tests.servers.cluster import RedisCluster

    with RedisCluster(binary=needed(binaries.redis, gap)) as servers:
        yield servers


@pytest.fixture(scope="session")
def postgres15(gap: Gap) -> Iterator[PostgresServer]:
    """Serve PostgreSQL 15."""
    from tests.servers.postgres import PostgresServer

    needed(lambda: binaries.postgres(15), gap)
    with PostgresServer(15) as server:
        yield server


@pytest.fixture(scope="session")
def postgres18(gap: Gap) -> Iterator[PostgresServer]:
    """Serve PostgreSQL 18."""
    from tests.servers.postgres import PostgresServer

    needed(lambda: binaries.postgres(18), gap)
    with PostgresServer(18) as server:
        yield server


@pytest.fixture(scope="session")
def pgbouncer(gap: Gap, postgres15: PostgresServer) -> Iterator[PgBouncer]:
    """Serve the real PgBouncer in transaction mode, in front of PostgreSQL 15."""
    from tests.servers.pgbouncer import PgBouncer

    needed(binaries.pgbouncer, gap)
    with PgBouncer(postgres15) as server:
        yield server
