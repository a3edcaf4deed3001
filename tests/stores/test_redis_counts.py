"""Counters on Redis: what memory answers, packed, in one slot, and gone when their time is over."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from redis.crc import key_slot

from coatcheck.counting import BOUNDS, KEPT, LENGTH, LIVE_SAMPLES, LIVE_SUM, NAMES, Every
from coatcheck.errors import StoreUnavailable
from coatcheck.runtime import finish
from coatcheck.stores.memory import MemoryStore
from coatcheck.stores.redis import RedisStore
from coatcheck.stores.redis.counts import BLOCK
from coatcheck.stores.redis.opening import open_url
from coatcheck.testing._make import NOW
from coatcheck.verbs import Tally
from tests.servers.cluster import RedisCluster
from tests.servers.redis import RedisServer
from tests.stores.redis_plain import PlainLink
from tests.stores.test_redis_migrating import keys_in, moving

CLASSES = tuple(f"{kind}.{number}" for kind in ("read", "write") for number in range(len(BOUNDS) + 1))
ALL_NAMES = (*NAMES, LIVE_SUM, LIVE_SAMPLES, *CLASSES)
DAY = LENGTH["day"]


@pytest.fixture
def link(redis_server: RedisServer) -> Iterator[PlainLink]:
    """Give a link to an empty server."""
    link = PlainLink(redis_server.url)
    link.client.flushall()
    yield link
    link.client.close()


@pytest.fixture
def store(link: PlainLink) -> RedisStore:
    """Give an empty store."""
    return RedisStore(link)


def names_of(link: PlainLink) -> list[str]:
    """Return the keys of counts."""
    return sorted(name.decode() for name in link.client.scan_iter("coatcheck:*:t:*", count=1000))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("partitions", [1, 8])
def test_redis_counts_what_memory_counts(redis_server: RedisServer, seed: int, partitions: int) -> None:
    """Random tallies at random times, by clocks that go forward, back and far ahead, are answered alike."""
    link = PlainLink(redis_server.url, partitions=partitions)
    link.client.flushall()
    stores, chosen, now = (MemoryStore(), RedisStore(link)), random.Random(seed), NOW  # noqa: S311  (not secrets)
    for _ in range(120):
        now += chosen.choice((0, 7_000, 61_000, 40 * 60_000, 9 * 3_600_000, -90_000, 40 * DAY))
        spans = (0, 60_000, 3_600_000, DAY, 31 * DAY, 366 * DAY)
        counts = [{name: chosen.randrange(1, 2**40) for name in chosen.sample(NAMES, 3)} for _ in range(3)]
        tallies = [Tally(now - chosen.choice(spans) + chosen.randrange(120_000), each) for each in counts]
        added = tallies[: chosen.randrange(4)]
        every: Every = chosen.choice(("minute", "hour", "day"))
        since = now - chosen.choice(spans) - chosen.randrange(DAY)
        answers = []
        for each in stores:
            finish(each.add_counts(added, now=now))
            answers.append(finish(each.read_counts(every, since=since, until=now + 1)))
        assert answers[0] == answers[1]
    finish(stores[1].close())


def test_old_blocks_leave_redis(store: RedisStore, link: PlainLink) -> None:
    """Three days of minutes leave one day's blocks, and what is forgotten is deleted, not only hidden."""
    for minute in range(0, 3 * 1440, 5):
        at = NOW + minute * 60_000
        finish(store.add_counts([Tally(at, {"created": 1})], now=at))
    index = store._engine.keys.counts("minute")
    blocks = [name for name in names_of(link) if name.startswith(f"{index}:")]
    assert len(blocks) <= 1440 // BLOCK + 1
    assert link.client.zcard(index) == len(blocks)
    assert sum(link.client.hlen(name) for name in blocks) <= 1440 // 5 + 1
    later = NOW + 800 * DAY
    finish(store.add_counts([], now=later))
    assert names_of(link) == []


@pytest.mark.parametrize("now", [NOW, 1_000])
def test_counts_expire_when_nobody_adds_any_more(store: RedisStore, link: PlainLink, now: int) -> None:
    """Every key of counts has a time, a day after the last that any of it is kept, and never one that is past."""
    finish(store.add_counts([Tally(now, {"created": 1})], now=now))
    names = names_of(link)
    assert len(names) == 6
    [seconds, _] = link.client.time()
    for every, length in LENGTH.items():
        index = store._engine.keys.counts(every)
        width = BLOCK * length
        due = max(now - now % width + width, seconds * 1000) + KEPT[every] + DAY
        for name in (name for name in names if name.startswith(index)):
            assert 0 <= link.client.pexpiretime(name) - due < 60_000
    first = link.client.pexpiretime(names[0])
    finish(store.add_counts([Tally(now, {"created": 1})], now=now))
    assert link.client.pexpiretime(names[0]) - first < 60_000
    assert len(finish(store.read_counts("day", since=0, until=now + 1))) == 1


def test_a_year_of_counts_is_packed(store: RedisStore, link: PlainLink) -> None:
    """All that is kept of one tenant, with 25 names in each bucket, takes less than 2 MB; every block is packed."""
    fill(store, ALL_NAMES[:25])
    assert {link.client.object("encoding", name) for name in names_of(link) if name.count(":") == 4} == {b"listpack"}
    assert sum(link.client.memory_usage(name, samples=0) for name in names_of(link)) < 2_000_000
    for every in LENGTH:
        rows = finish(store.read_counts(every, since=NOW - KEPT[every], until=NOW + 1))
        assert len(rows) in {KEPT[every] // LENGTH[every], KEPT[every] // LENGTH[every] + 1}
        assert all(len(row.counts) == 25 for row in rows)


def test_a_block_with_every_name_is_packed(store: RedisStore, link: PlainLink) -> None:
    """Ten buckets with all the names there are stay below the number of fields up to which Redis packs a hash."""
    start = NOW - NOW % (BLOCK * LENGTH["minute"])
    counts = dict.fromkeys(ALL_NAMES, 2**52)
    finish(store.add_counts([Tally(start + number * 60_000, counts) for number in range(BLOCK)], now=NOW))
    name = f"{store._engine.keys.counts('minute')}:{start}"
    assert link.client.hlen(name) == BLOCK * len(ALL_NAMES)
    assert link.client.object("encoding", name) == b"listpack"


def test_a_long_outage_is_written_at_once(store: RedisStore) -> None:
    """A day of minutes that waited for the store is one call, and all of it is there."""
    tallies = [Tally(NOW - minute * 60_000, dict.fromkeys(ALL_NAMES, 1)) for minute in range(1440)]
    finish(store.add_counts(tallies, now=NOW))
    rows = finish(store.read_counts("minute", since=0, until=NOW + 1))
    assert [row.at for row in rows] == sorted(tally.at - tally.at % 60_000 for tally in tallies)
    assert all(row.counts == dict.fromkeys(ALL_NAMES, 1) for row in rows)


def test_a_tenants_counts_lie_in_one_slot(redis_server: RedisServer) -> None:
    """Adding is one step on Cluster, and not every tenant's is at the same node (SM-15)."""
    link = PlainLink(redis_server.url, partitions=16_384)
    link.client.flushall()
    slots: set[int] = set()
    for tenant in ("", "red", "blue", "a:{b}"):
        store = RedisStore(link, tenant=tenant)
        finish(store.add_counts([Tally(NOW, {"created": 1})], now=NOW))
        names = [name for name in names_of(link) if name.startswith(store._engine.keys.prefix)]
        assert len(names) == 6
        assert {key_slot(name.encode()) for name in names} == {key_slot(store._engine.keys.everybody(_own(store)))}
        slots |= {key_slot(name.encode()) for name in names}
    assert len(slots) == 4
    link.client.close()


def test_counts_are_whole_while_their_slot_moves(redis_cluster: RedisCluster) -> None:
    """They are added to where they are, or refused and kept by the process: never begun anew at the other node."""
    for node in redis_cluster.primaries():
        with node.client() as client:
            client.flushall()
    store = open_url(f"{redis_cluster.url}?timeout=300ms", blocking=True)
    tally = Tally(NOW, {"created": 1})
    finish(store.add_counts([tally], now=NOW))
    name = store._engine.keys.counts("minute").encode()
    with moving(redis_cluster, name) as source:
        with pytest.raises(StoreUnavailable, match="moving"):
            finish(store.add_counts([tally], now=NOW))
        assert len(keys_in(source, key_slot(name))) == 6
        assert [row.counts for row in finish(store.read_counts("minute", since=0, until=NOW + 1))] == [tally.counts]
    finish(store.add_counts([tally], now=NOW))
    for every in LENGTH:
        assert [row.counts for row in finish(store.read_counts(every, since=0, until=NOW + 1))] == [{"created": 2}]
    finish(store.close())


def fill(store: RedisStore, names: tuple[str, ...]) -> None:
    """Fill every bucket that is kept."""
    counts = {name: 7919 * (number + 1) for number, name in enumerate(names)}
    for every in LENGTH:
        for ago in range(0, KEPT[every], 60 * LENGTH[every]):
            tallies = [Tally(NOW - ago - n * LENGTH[every], counts) for n in range(60)]
            finish(store.add_counts([tally for tally in tallies if tally.at > NOW - KEPT[every]], now=NOW))


def _own(store: RedisStore) -> str:
    return store._engine.keys.counting()
