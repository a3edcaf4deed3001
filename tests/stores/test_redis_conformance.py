"""The Redis store keeps the contract over every link: blocking and asyncio; one server, Sentinel, Cluster; Valkey."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from coatcheck.stores import from_url
from coatcheck.testing.contract import OpenStore, Plant, StoreContract
from tests.servers.cluster import RedisCluster
from tests.servers.redis import RedisServer
from tests.servers.sentinels import Sentinels
from tests.stores.redis_plain import plant_in


def opener(url: str, *, blocking: bool) -> OpenStore:
    """Return what opens stores at *url*."""
    return lambda tenant="": from_url(url, blocking=blocking, tenant=tenant)


def emptied(server: RedisServer) -> str:
    """Empty one server and return its URL."""
    with server.client() as client:
        client.flushall()
    return server.url


class TestBlocking(StoreContract):
    """Redis, for threads."""

    @pytest.fixture
    def open_store(self, redis_server: RedisServer) -> OpenStore:
        """Give stores over one emptied server."""
        return opener(f"{emptied(redis_server)}?timeout=5s", blocking=True)

    @pytest.fixture
    def plant(self, redis_server: RedisServer) -> Iterator[Plant]:
        """Meddle with that server."""
        with redis_server.client() as client:
            yield plant_in(client)


class TestAsyncio(StoreContract):
    """Redis, for asyncio."""

    @pytest.fixture
    def open_store(self, redis_server: RedisServer) -> OpenStore:
        """Give stores over one emptied server."""
        return opener(f"{emptied(redis_server)}?timeout=5s", blocking=False)

    @pytest.fixture
    def plant(self, redis_server: RedisServer) -> Iterator[Plant]:
        """Meddle with that server."""
        with redis_server.client() as client:
            yield plant_in(client)


class TestValkey8(StoreContract):
    """Valkey 8, for asyncio."""

    @pytest.fixture
    def open_store(self, valkey8_server: RedisServer) -> OpenStore:
        """Give stores over one emptied server."""
        return opener(f"{emptied(valkey8_server)}?timeout=5s", blocking=False)

    @pytest.fixture
    def plant(self, valkey8_server: RedisServer) -> Iterator[Plant]:
        """Meddle with that server."""
        with valkey8_server.client() as client:
            yield plant_in(client)


class TestValkey8Blocking(StoreContract):
    """Valkey 8, for threads."""

    @pytest.fixture
    def open_store(self, valkey8_server: RedisServer) -> OpenStore:
        """Give stores over one emptied server."""
        return opener(f"{emptied(valkey8_server)}?timeout=5s", blocking=True)

    @pytest.fixture
    def plant(self, valkey8_server: RedisServer) -> Iterator[Plant]:
        """Meddle with that server."""
        with valkey8_server.client() as client:
            yield plant_in(client)


class TestValkey9(StoreContract):
    """Valkey 9, for asyncio."""

    @pytest.fixture
    def open_store(self, valkey9_server: RedisServer) -> OpenStore:
        """Give stores over one emptied server."""
        return opener(f"{emptied(valkey9_server)}?timeout=5s", blocking=False)

    @pytest.fixture
    def plant(self, valkey9_server: RedisServer) -> Iterator[Plant]:
        """Meddle with that server."""
        with valkey9_server.client() as client:
            yield plant_in(client)


class TestValkey9Blocking(StoreContract):
    """Valkey 9, for threads."""

    @pytest.fixture
    def open_store(self, valkey9_server: RedisServer) -> OpenStore:
        """Give stores over one emptied server."""
        return opener(f"{emptied(valkey9_server)}?timeout=5s", blocking=True)

    @pytest.fixture
    def plant(self, valkey9_server: RedisServer) -> Iterator[Plant]:
        """Meddle with that server."""
        with valkey9_server.client() as client:
            yield plant_in(client)


class TestSentinel(StoreContract):
    """Redis behind Sentinel with `confirm=1`, for asyncio."""

    @pytest.fixture
    def open_store(self, sentinels: Sentinels) -> OpenStore:
        """Give stores over the emptied primary."""
        emptied(sentinels.primary())
        return opener(f"{sentinels.url}?confirm=1&confirm_timeout=5s&timeout=5s", blocking=False)

    @pytest.fixture
    def plant(self, sentinels: Sentinels) -> Iterator[Plant]:
        """Meddle with the primary."""
        with sentinels.primary().client() as client:
            yield plant_in(client)


class TestSentinelBlocking(StoreContract):
    """Redis behind Sentinel, for threads."""

    @pytest.fixture
    def open_store(self, sentinels: Sentinels) -> OpenStore:
        """Give stores over the emptied primary."""
        emptied(sentinels.primary())
        return opener(f"{sentinels.url}?timeout=5s", blocking=True)

    @pytest.fixture
    def plant(self, sentinels: Sentinels) -> Iterator[Plant]:
        """Meddle with the primary."""
        with sentinels.primary().client() as client:
            yield plant_in(client)


class TestCluster(StoreContract):
    """Redis Cluster, for asyncio."""

    @pytest.fixture
    def open_store(self, redis_cluster: RedisCluster) -> OpenStore:
        """Give stores over emptied primaries."""
        for server in redis_cluster.primaries():
            emptied(server)
        return opener(f"{redis_cluster.url}?timeout=5s", blocking=False)


class TestClusterBlocking(StoreContract):
    """Redis Cluster, for threads."""

    @pytest.fixture
    def open_store(self, redis_cluster: RedisCluster) -> OpenStore:
        """Give stores over emptied primaries."""
        for server in redis_cluster.primaries():
            emptied(server)
        return opener(f"{redis_cluster.url}?timeout=5s", blocking=True)
