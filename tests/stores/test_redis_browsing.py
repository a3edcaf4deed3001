"""Everybody's sessions on a Redis whose keys are in partitions: pages in order, whole, in few round trips."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

import pytest

from coatcheck.errors import StoreUnavailable
from coatcheck.model import Record
from coatcheck.runtime import finish
from coatcheck.stores.redis import RedisStore
from coatcheck.stores.redis.browsing import TOGETHER
from coatcheck.stores.redis.keys import slot_of
from coatcheck.stores.redis.link import Call
from coatcheck.stores.redis.opening import open_url
from coatcheck.testing._make import IDLE, NOW, Maker, active
from coatcheck.verbs import Created
from tests.servers.cluster import RedisCluster
from tests.servers.process import wait_for
from tests.servers.redis import RedisServer
from tests.stores.redis_plain import PlainLink
from tests.stores.test_redis_migrating import moving

PARTITIONS = 320


class Counted(PlainLink):
    """A link that counts its round trips."""

    trips = 0

    async def run_many(self, calls: Sequence[Call], *, confirm: bool = False) -> list[Any]:
        """Run them, and count one."""
        self.trips += 1
        return await super().run_many(calls, confirm=confirm)


@pytest.fixture
def link(redis_server: RedisServer) -> Iterator[Counted]:
    """Give a link to an empty server with five groups of partitions."""
    link = Counted(redis_server.url, partitions=PARTITIONS)
    link.client.flushall()
    yield link
    link.client.close()


@pytest.fixture
def store(link: Counted) -> RedisStore:
    """Give an empty store."""
    return RedisStore(link)


@pytest.fixture
def make(store: RedisStore) -> Maker:
    """Give a maker of records for it."""
    return Maker(finish(store.key()))


@pytest.fixture
def cluster_store(redis_cluster: RedisCluster) -> Iterator[RedisStore]:
    """Give a store on an emptied Cluster."""
    for node in redis_cluster.primaries():
        with node.client() as client:
            client.flushall()
    store = open_url(f"{redis_cluster.url}?timeout=5s", blocking=True)
    yield store
    finish(store.close())


def add(store: RedisStore, record: Record) -> Record:
    """Add a session."""
    answer = finish(store.create(record, now=NOW))
    assert isinstance(answer, Created)
    return answer.record


def walked(store: RedisStore, limit: int) -> list[str]:
    """Read all pages."""
    ids: list[str] = []
    cursor: str | None = None
    for _ in range(200):
        page = finish(store.browse(limit=limit, after=cursor))
        ids += [row.id for row in page.items]
        cursor = page.next
        if cursor is None:
            return ids
    pytest.fail("browse never comes to an end")


def newest_first(records: Sequence[Record]) -> list[str]:
    """Return ids in the order of pages."""
    return [name for _, name in sorted(((record.created_at, record.id) for record in records), reverse=True)]


@pytest.mark.parametrize("seed", range(4))
def test_pages_of_many_partitions_are_merged_in_order(store: RedisStore, make: Maker, seed: int) -> None:
    """Whoever has few or many, at one moment or spread out: pages of any size are the one list, cut (ruling 12)."""
    chosen = random.Random(seed)  # noqa: S311  (a test's choices, not secrets)
    moments = chosen.choice((1, 5, 200))
    users = [None, "ann", *[f"user{number}" for number in range(chosen.choice((1, 60)))]]
    rows = [
        add(store, make.record(chosen.choice(users), created_at=NOW + chosen.randrange(moments))) for _ in range(150)
    ]
    for limit in (3, 40, 149, 150, 1000):
        assert walked(store, limit) == newest_first(rows)


def test_a_cursor_whose_session_is_gone_keeps_its_place(store: RedisStore, link: Counted, make: Maker) -> None:
    """Of a moment that many share, those after the place come, and none before it (ruling 12)."""
    rows = newest_first([add(store, make.record("ann", created_at=NOW)) for _ in range(20)])
    for place in (0, 7, 18):
        link.client.delete(store._engine.keys.session(rows[place]))
        finish(store.browse(limit=20))
        assert not any(link.client.zscore(store._engine.keys.begun(own), rows[place]) for own in _owns(store))
        rest = finish(store.browse(limit=99, after=f"{NOW}.{rows[place]}")).items
        assert [row.id for row in rest] == rows[place + 1 :]


def test_a_page_is_few_round_trips(store: RedisStore, link: Counted, make: Maker) -> None:
    """One where sessions are spread, two where one partition has them all, however long the page (ruling 12)."""
    spread = [add(store, make.record(created_at=NOW + number)) for number in range(40)]
    link.trips = 0
    assert [row.id for row in finish(store.browse(limit=3)).items] == newest_first(spread)[:3]
    assert link.trips == 1
    crowd = [add(store, make.record("ann", created_at=NOW + 100 + number)) for number in range(60)]
    link.trips = 0
    assert [row.id for row in finish(store.browse(limit=50)).items] == newest_first(crowd)[:50]
    assert link.trips == 2
    link.trips = 0
    assert finish(store.count(now=NOW)) == 100
    assert link.trips == 1


def test_what_an_index_names_in_vain_is_dropped(store: RedisStore, link: Counted, make: Maker) -> None:
    """A session that Redis forgot is left out of its page and then out of the index, and ends no walk."""
    rows = newest_first([add(store, make.record(created_at=NOW + number)) for number in range(12)])
    for gone in rows[:6]:
        link.client.delete(store._engine.keys.session(gone))
    assert walked(store, 2) == rows[6:]
    assert sum(link.client.zcard(store._engine.keys.begun(own)) for own in _owns(store)) == 6


def test_renewed_sessions_count_beyond_their_due_time(store: RedisStore, make: Maker) -> None:
    """The index of due times is a lower bound: who was active since is alive, in every partition (S-31)."""
    rows = [add(store, make.record()) for _ in range(30)]
    for record in rows[:20]:
        assert finish(store.touch(record.id, generation=1, seen=active(NOW + 1000), now=NOW)) is None
    assert finish(store.count(now=NOW + IDLE)) == 20


def test_a_store_without_the_index_does_not_browse(redis_server: RedisServer, make: Maker) -> None:
    """With `browse=no` nothing is kept for it, in partitions too (ruling 12)."""
    link = PlainLink(redis_server.url, partitions=PARTITIONS)
    store = RedisStore(link, browse=False)
    add(store, make.record())
    assert not list(link.client.scan_iter("coatcheck::c:*"))
    assert {each.value for each in store.traits.capabilities} == {"list", "sweep", "side", "lease", "counters"}
    link.client.close()


def test_pages_are_whole_while_a_slot_moves(redis_cluster: RedisCluster, cluster_store: RedisStore) -> None:
    """A partition that another node has, or is about to have, is asked by itself: nobody is missing (ruling 12)."""
    store, make = cluster_store, Maker(finish(cluster_store.key()))
    rows = [add(store, make.record(f"user{number}", created_at=NOW + number)) for number in range(60)]
    name = store._engine.keys.session(rows[30].id)
    with moving(redis_cluster, name):
        assert walked(store, 20) == newest_first(rows)
    assert walked(store, 25) == newest_first(rows)
    assert finish(store.count(now=NOW)) == 60


def test_pages_are_whole_where_nodes_border(redis_cluster: RedisCluster, cluster_store: RedisStore) -> None:
    """Neighbouring slots that lie on two nodes are read from both, and each of them once (ruling 12)."""
    store, make = cluster_store, Maker(finish(cluster_store.key()))
    starts = [start for start, *_ in redis_cluster.primaries()[0].client().execute_command("CLUSTER", "SLOTS")]
    group = max(starts) // TOGETHER
    assert max(starts) % TOGETHER, "the border lies within a group"
    users = (f"user{number}" for number in range(9999))
    near = list(islice((user for user in users if slot_of(make.tag(user)) // TOGETHER == group), 12))
    assert len({redis_cluster.primary_of(f"{{{make.tag(user)}}}").port for user in near}) == 2
    rows = [add(store, make.record(user, created_at=NOW + number // 3)) for number, user in enumerate(near * 6)]
    for limit in (20, 99):
        assert walked(store, limit) == newest_first(rows)
    assert finish(store.count(now=NOW)) == len(rows)


def test_pages_are_whole_after_a_failover(redis_cluster: RedisCluster, cluster_store: RedisStore) -> None:
    """Rows and the index that names them lie in one slot: the promoted replica has both (ruling 12, guarantees)."""
    store, make = cluster_store, Maker(finish(cluster_store.key()))
    rows = [add(store, make.record(created_at=NOW + number)) for number in range(60)]
    ended = finish(store.end(rows[3].id, reason="revoked", now=NOW))
    wait_for(lambda: all(_replicated(node) for node in redis_cluster.primaries()), what="the replicas to catch up")
    redis_cluster.kill_primary(store._engine.keys.session(rows[0].id).decode())
    with suppress(StoreUnavailable):  # it is whole or refused, however soon the replica is promoted
        assert len(finish(store.browse(limit=99)).items) == len(rows)
    redis_cluster.wait_failed_over()
    page = _resumed(lambda: store.browse(limit=99))
    assert [row.id for row in page.items] == newest_first(rows)
    assert ended in page.items
    assert _resumed(lambda: store.count(now=NOW)) == 59
    redis_cluster.restart_dead()


def _replicated(node: RedisServer) -> bool:
    """Whether a primary's replicas have all that it has."""
    told = node.info("replication")
    return told["slave0"]["offset"] == told["master_repl_offset"]


def _resumed(ask: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Ask until there is an answer."""
    for _ in range(60):
        try:
            return finish(ask())
        except StoreUnavailable:
            continue
    pytest.fail("the store never came back")


def _owns(store: RedisStore) -> tuple[str, ...]:
    return store._engine.keys.partitions()
