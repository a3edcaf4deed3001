"""The store while a slot moves to another node of a Cluster: each verb is whole or refused, and none is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from redis.crc import key_slot

from coatcheck.errors import StoreUnavailable
from coatcheck.model import Record, Tombstone
from coatcheck.runtime import finish
from coatcheck.stores.redis import RedisStore
from coatcheck.stores.redis.opening import open_url
from coatcheck.testing._make import NOW, Maker, put
from coatcheck.verbs import Created, Limit
from tests.servers.cluster import RedisCluster
from tests.servers.redis import RedisServer
from tests.stores.test_redis_cluster import begin_move, end_move


@pytest.fixture
def store(redis_cluster: RedisCluster) -> Iterator[RedisStore]:
    """Give a store on an emptied Cluster, where every slot is its node's again at the end."""
    for node in redis_cluster.primaries():
        with node.client() as client:
            client.flushall()
    store = open_url(f"{redis_cluster.url}?timeout=300ms", blocking=True)
    yield store
    finish(store.close())


def keys_in(server: RedisServer, slot: int) -> list[bytes]:
    """Return the keys of a slot that a node has."""
    with server.client() as client:
        found: list[bytes] = client.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 1000)
        return found


@contextmanager
def moving(cluster: RedisCluster, name: bytes) -> Iterator[RedisServer]:
    """Have the slot of a key move while the body runs, and arrive after it; give the node that it leaves."""
    slot, source = key_slot(name), cluster.primary_of(name.decode())
    target = next(server for server in cluster.primaries() if server is not source)
    begin_move(slot, source, target)
    try:
        yield source
    finally:
        end_move(slot, source, target, *keys_in(source, slot))
        begin_move(slot, target, source)
        end_move(slot, target, source, *keys_in(target, slot))


def add(store: RedisStore, record: Record, **terms: Any) -> Record:
    """Add a session."""
    answer = finish(store.create(record, now=NOW, **terms))
    assert isinstance(answer, Created)
    return answer.record


@pytest.fixture
def make(store: RedisStore) -> Maker:
    """Give a maker of records."""
    return Maker(finish(store.key()))


def test_no_session_outlives_its_end_in_a_moving_slot(
    redis_cluster: RedisCluster, store: RedisStore, make: Maker
) -> None:
    """A session that has not moved yet is not taken for missing: ending it is refused, loudly (promises 2, 9)."""
    record = add(store, make.record("ann"))
    with moving(redis_cluster, store._engine.keys.session(record.id)):
        with pytest.raises(StoreUnavailable, match="moving"):
            finish(store.end(record.id, reason="signed_out", now=NOW))
        with pytest.raises(StoreUnavailable, match="moving"):
            finish(store.end_user("ann", reason="revoked", now=NOW))
        assert finish(store.find([record.id])) == [record]
    finish(store.end(record.id, reason="signed_out", now=NOW))
    [row] = finish(store.find([record.id]))
    assert isinstance(row, Tombstone)


def test_a_limit_holds_in_a_moving_slot(redis_cluster: RedisCluster, store: RedisStore, make: Maker) -> None:
    """An index that has not moved yet is not taken for empty, and no second one is begun (promise 4)."""
    one, limit = add(store, make.record("ann")), Limit(1, "reject")
    with moving(redis_cluster, store._engine.keys.session(one.id)), pytest.raises(StoreUnavailable, match="moving"):
        finish(store.create(make.record("ann"), now=NOW, limit=limit))
    assert [row.id for row in finish(store.list_user("ann", now=NOW))] == [one.id]


def test_a_moving_slot_holds_up_no_other(redis_cluster: RedisCluster, store: RedisStore, make: Maker) -> None:
    """What is owed to a slot that moves keeps nobody from sessions of the same node; changes of one session go on."""
    keys = store._engine.keys
    one = add(store, make.record("ann"))
    others = [add(store, make.record(f"user{number}")) for number in range(12)]
    with moving(redis_cluster, keys.session(one.id)) as node:
        with pytest.raises(StoreUnavailable, match="moving"):
            finish(store.end(one.id, reason="revoked", now=NOW))
        near = [each for each in others if redis_cluster.primary_of(keys.session(each.id).decode()) is node]
        assert near
        for each in near:
            assert finish(store.end(each.id, reason="revoked", now=NOW)) is not None
        assert finish(store.commit(one.id, generation=1, change=put(a=b"1"), now=NOW)) == 2
