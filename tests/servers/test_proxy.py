"""The faults of the proxy, each seen by a real client of a real server."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.servers.ports import HOST
from tests.servers.postgres import PostgresServer
from tests.servers.process import wait_for
from tests.servers.proxy import Direction, Fault, Proxy
from tests.servers.redis import RedisServer

PATIENCE = 0.3
"""Seconds that a client waits for an answer that does not come."""


@pytest.fixture(name="proxy", scope="module")
def _proxy(redis_server: RedisServer) -> Iterator[Proxy]:
    with Proxy(HOST, redis_server.port) as proxy:
        yield proxy


@pytest.fixture(name="client")
def _client(proxy: Proxy) -> Iterator[redis.Redis]:
    """A client without patience or second tries, over a healthy network."""
    proxy.heal()
    with redis.Redis(port=proxy.port, socket_timeout=PATIENCE, retry=Retry(NoBackoff(), 0)) as client:
        client.delete("count")
        yield client
    proxy.heal()


def test_a_cut_ends_connections_and_refuses_new_ones(proxy: Proxy, client: redis.Redis) -> None:
    """What is open is reset, what is new too, and healing lets new connections through."""
    client.ping()
    proxy.cut()
    assert proxy.fault is Fault.CUT
    for _ in range(2):
        with pytest.raises(redis.ConnectionError):
            client.ping()

    proxy.heal()

    assert client.ping()
    assert str(proxy.fault) == Fault.NONE


def test_a_stall_keeps_connections_and_passes_nothing(
    proxy: Proxy, client: redis.Redis, redis_server: RedisServer
) -> None:
    """Half-open: a new connection is accepted, no byte reaches the server, and what was sent arrives in the end."""
    proxy.stall()
    assert proxy.fault is Fault.STALLED
    with pytest.raises(redis.TimeoutError):
        client.incr("count")
    with redis_server.client() as direct:
        assert direct.get("count") is None
        proxy.heal()
        wait_for(lambda: direct.get("count") == b"1", timeout=5, what="late request")


def test_answers_can_be_lost_alone(proxy: Proxy, client: redis.Redis, redis_server: RedisServer) -> None:
    """The write happens and its writer does not hear of it: what "unknown" means."""
    client.ping()
    proxy.stall(Direction.ANSWERS)
    with pytest.raises(redis.TimeoutError):
        client.incr("count")

    with redis_server.client() as direct:
        assert direct.get("count") == b"1"


def test_a_delay_lengthens_every_round_trip(proxy: Proxy, client: redis.Redis) -> None:
    """At least the delay each way; a pipeline of many commands still costs one."""
    client.ping()
    proxy.delay(30)
    assert proxy.fault is Fault.SLOW
    started = time.monotonic()
    with client.pipeline(transaction=False) as pipeline:
        for _ in range(20):
            pipeline.incr("count")
        assert pipeline.execute()[-1] == 20

    assert time.monotonic() - started >= 0.06


def test_a_throttle_bounds_the_rate(proxy: Proxy, client: redis.Redis) -> None:
    """Two thousand bytes at ten thousand a second take no less than 0.15 s."""
    client.ping()
    proxy.throttle(10_000)
    started = time.monotonic()
    client.echo("x" * 1000)  # there and back

    assert time.monotonic() - started >= 0.15


def test_a_proxy_follows_a_failover(proxy: Proxy, client: redis.Redis, valkey8_server: RedisServer) -> None:
    """A proxy sent elsewhere cuts the old connections and passes new ones to the new server."""
    host, port = proxy.host, valkey8_server.port
    old = client.info("server")["tcp_port"]
    try:
        proxy.retarget(host, port)
        with contextlib.suppress(redis.ConnectionError):
            client.ping()
        assert client.info("server")["tcp_port"] == port
    finally:
        proxy.retarget(host, old)


def test_a_server_that_ends_is_seen_to_end(proxy: Proxy, client: redis.Redis, redis_server: RedisServer) -> None:
    """A killed server's connections close through the proxy, and its successor in place is reached again."""
    client.ping()
    redis_server.kill()
    with pytest.raises(redis.ConnectionError):
        client.ping()

    redis_server.restart()

    assert client.ping()


def test_last_words_arrive(postgres15: PostgresServer) -> None:
    """What a server says before it closes reaches the client: PostgreSQL's refusals do."""
    with Proxy(HOST, postgres15.port) as proxy, pytest.raises(psycopg.OperationalError, match="authentication failed"):
        psycopg.connect(postgres15.url_of(password="wrong"), port=proxy.port)
