"""What a Redis says about itself at start: what may lose sessions is a warning, what cannot work is refused."""

from __future__ import annotations

import logging

import pytest

from coatcheck.errors import ConfigurationError, StoreUnavailable
from coatcheck.stores.redis.address import read_url
from coatcheck.stores.redis.routing import Routing
from coatcheck.stores.redis.routing import Sentinels as SentinelRouting
from coatcheck.stores.redis.starting import Facts, judge, read_facts
from tests.servers.cluster import RedisCluster
from tests.servers.redis import RedisServer
from tests.servers.sentinels import Sentinels
from tests.stores.redis_links import driven

GOOD = Facts(
    name="Redis 7.2.0",
    version=(7, 2),
    cluster=False,
    primary=True,
    replicas=2,
    max_bytes=0,
    policy="noeviction",
    append_only=True,
    snapshots="",
)


def judged(url: str = "redis://cache", **facts: object) -> tuple[list[str], list[str]]:
    """Judge a good server of which some facts are otherwise."""
    known = {name: getattr(GOOD, name) for name in GOOD.__struct_fields__}
    return judge(Facts(**(known | facts)), read_url(url))


def test_a_good_server_has_nothing_to_say() -> None:
    """Append-only, never evicting, as many replicas as asked for."""
    assert judged() == ([], [])
    assert judged("redis://cache?replicas=2&confirm=2") == ([], [])
    assert judged(max_bytes=1000) == ([], [])
    assert judged(policy="allkeys-lru") == ([], []), "without a bound nothing is evicted"


@pytest.mark.parametrize(
    ("facts", "url", "said"),
    [
        ({"max_bytes": 1000, "policy": "allkeys-lru"}, "redis://cache", "maxmemory-policy allkeys-lru"),
        ({"max_bytes": 1000, "policy": "volatile-ttl"}, "redis://cache", "set maxmemory-policy noeviction"),
        ({"append_only": False}, "redis://cache", "a restart signs everybody out"),
        ({"append_only": False, "snapshots": "3600 1"}, "redis://cache", "a crash loses what came after"),
        ({"replicas": 1}, "redis://cache?replicas=2", "has 1 replicas connected and replicas=2"),
        ({"replicas": 0, "cluster": True}, "redis+cluster://cache?confirm=1", "confirm=1 asks for 1"),
        ({"primary": False}, "redis://cache", "which is never asked"),
        ({"policy": None}, "redis://cache", "does not tell its maxmemory-policy"),
        ({"append_only": None, "snapshots": None}, "redis://cache", "could not be checked"),
    ],
)
def test_what_may_lose_sessions_is_said(facts: dict[str, object], url: str, said: str) -> None:
    """One warning each, with what to set."""
    faults, warnings = judged(url, **facts)
    assert faults == []
    assert len(warnings) == 1
    assert said in warnings[0]


@pytest.mark.parametrize(
    ("facts", "url", "said"),
    [
        ({"version": (6, 2), "name": "Redis 6.2.7"}, "redis://cache", "is Redis 6.2.7; sessions need Redis 7.0"),
        ({"cluster": True}, "redis://cache", "write redis+cluster://"),
        ({"replicas": 1}, "redis://cache?confirm=2", "confirm=2 asks for 2"),
        ({"version": (7, 0), "name": "Redis 7.0.15"}, "redis://cache?confirm_disk=yes", "needs Redis 7.2"),
        ({"append_only": False, "snapshots": "1 1"}, "redis://cache?confirm_disk=yes", "set appendonly yes"),
    ],
)
def test_what_cannot_work_is_refused(facts: dict[str, object], url: str, said: str) -> None:
    """A fault names what the server is and what to do."""
    faults, _ = judged(url, **facts)
    assert len(faults) == 1
    assert said in faults[0]


def test_what_is_not_told_is_unknown() -> None:
    """Answers that were refused, and fields that are not there, are facts nobody knows."""
    refused = Exception("NOPERM")
    assert read_facts([refused] * 6) == Facts(name="Redis None")
    assert read_facts([b"# Server\r\nredis_version:7.2.4\r\nvalkey_version:9.1.2\r\n", *[refused] * 5]).name == (
        "Valkey 9.1.2"
    )


@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "asyncio"])
def test_a_server_that_may_lose_sessions_says_so_at_start(caplog: pytest.LogCaptureFixture, *, blocking: bool) -> None:
    """On the log of coatcheck and in ``warnings``, for the command line, with the server's name (bad days)."""
    config = {"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"}
    with (
        RedisServer(config=config) as server,
        caplog.at_level(logging.WARNING, "coatcheck"),
        driven(f"{server.url}?replicas=1", blocking=blocking) as (link, run),
    ):
        run(link.open())
        run(link.open())
        assert len(link.warnings) == 3
        for part in (f"127.0.0.1:{server.port}", "allkeys-lru", "a restart signs everybody out", "replicas=1"):
            assert part in "\n".join(link.warnings)
        assert [record.message for record in caplog.records] == link.warnings


def test_the_wrong_kind_of_url_is_named(redis_cluster: RedisCluster, redis_server: RedisServer) -> None:
    """A Cluster's node by redis://, a single server by redis+cluster://, and a server that is no sentinel."""
    node = redis_cluster.nodes[0]
    with (
        driven(node.url, blocking=True) as (link, run),
        pytest.raises(ConfigurationError, match=r"write redis\+cluster://"),
    ):
        run(link.open())
    with (
        driven(f"redis+cluster://127.0.0.1:{redis_server.port}", blocking=True) as (link, run),
        pytest.raises(ConfigurationError, match="is no Cluster"),
    ):
        run(link.open())
    with (
        driven(f"redis+sentinel://127.0.0.1:{redis_server.port}/main", blocking=True) as (link, run),
        pytest.raises(StoreUnavailable, match="none of the sentinels"),
    ):
        run(link.open())


@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "asyncio"])
def test_a_replica_is_not_read_for_the_primary(sentinels: Sentinels, *, blocking: bool) -> None:
    """Sentinels that are behind name a server that is a replica by now: reading there is refused (promise 2)."""
    primary = sentinels.primary()
    replica = next(server for server in sentinels.servers if server is not primary)

    async def behind(_: Routing, _deadline: float) -> tuple[str, int]:
        return "127.0.0.1", replica.port

    with (
        driven(f"{sentinels.url}?timeout=300ms", blocking=blocking) as (link, run),
        pytest.MonkeyPatch.context() as patch,
    ):
        assert run(link.get([b"a"])) == [None]
        run(link.close())
        patch.setattr(SentinelRouting, "_ask_sentinels", behind)
        link._opened = True
        with pytest.raises(StoreUnavailable, match="is a replica"):
            run(link.get([b"a"]))


def test_a_service_that_no_sentinel_knows_is_refused(sentinels: Sentinels) -> None:
    """The sentinels answer, and know no primary of that name: a person has to set it right."""
    addresses = ",".join(f"{host}:{port}" for host, port in sentinels.addresses)
    with (
        driven(f"redis+sentinel://{addresses}/nobody", blocking=True) as (link, run),
        pytest.raises(ConfigurationError, match="know no service 'nobody'"),
    ):
        run(link.open())
