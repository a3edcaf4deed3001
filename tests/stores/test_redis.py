"""The Redis store keeps the contract, over the plainest link."""

from __future__ import annotations

import pytest

from coatcheck.stores.redis import RedisStore
from coatcheck.testing.contract import OpenStore, Plant, StoreContract
from tests.servers.redis import RedisServer
from tests.stores.redis_plain import PlainLink, plant_in


class TestRedisStore(StoreContract):
    """One server."""

    @pytest.fixture
    def open_store(self, redis_server: RedisServer) -> OpenStore:
        """Give stores over one emptied server."""
        PlainLink(redis_server.url).client.flushall()
        return lambda tenant="": RedisStore(PlainLink(redis_server.url), tenant=tenant)

    @pytest.fixture
    def plant(self, redis_server: RedisServer) -> Plant:
        """Meddle with that server."""
        return plant_in(PlainLink(redis_server.url).client)


class TestRedisStoreInPartitions(StoreContract):
    """One server whose keys are spread as on a Cluster: partitions are walked, and a sign-in may take four steps."""

    @pytest.fixture
    def open_store(self, redis_server: RedisServer) -> OpenStore:
        """Give stores over one emptied server."""
        PlainLink(redis_server.url).client.flushall()
        return lambda tenant="": RedisStore(PlainLink(redis_server.url, partitions=8), tenant=tenant)

    @pytest.fixture
    def plant(self, redis_server: RedisServer) -> Plant:
        """Meddle with that server."""
        return plant_in(PlainLink(redis_server.url).client)
