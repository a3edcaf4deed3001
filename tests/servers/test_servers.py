"""The private servers: each kind starts, answers, survives a kill and a restart, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import redis
from redis.exceptions import NoPermissionError

from tests.servers import binaries, descendants, folders
from tests.servers.cluster import RedisCluster
from tests.servers.fixtures import Gap, needed
from tests.servers.pgbouncer import PgBouncer
from tests.servers.ports import HOST
from tests.servers.postgres import PostgresServer
from tests.servers.process import ServerError, wait_for
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer
from tests.servers.sentinels import Sentinels
from tests.servers.tls import certificates

REDISES: dict[str, Callable[[], Path]] = {
    "redis": binaries.redis,
    "valkey8": lambda: binaries.valkey(8),
    "valkey9": lambda: binaries.valkey(9),
}
ROOT = Path(__file__).resolve().parents[2]


# --- one Redis


@pytest.mark.parametrize("kind", REDISES)
def test_a_redis_comes_back_in_place(kind: str, gap: Gap, record_property: Callable[[str, object], None]) -> None:
    """With an append-only file synced always, what was acknowledged before SIGKILL is there after it."""
    with RedisServer(binary=needed(REDISES[kind], gap), appendonly="always") as server:
        record_property("version", server.version)
        assert server.version.startswith(kind.rstrip("89"))
        with server.client() as client:
            client.set("kept", "1")
            port = server.port

            server.kill()
            with pytest.raises(redis.ConnectionError):
                client.ping()
            server.restart()

            assert server.port == port
            assert client.get("kept") == b"1"
    assert not server.running


@pytest.mark.parametrize("snapshots", [False, True])
def test_a_redis_without_a_file_comes_back_empty(snapshots: bool, gap: Gap) -> None:
    """Without an append-only file SIGKILL loses everything since the last snapshot, which is honest of the server."""
    with RedisServer(binary=needed(binaries.redis, gap), snapshots=snapshots) as server, server.client() as client:
        client.set("lost", "1")

        server.kill()
        server.restart()

        assert client.get("lost") is None


def test_a_frozen_redis_is_silent_and_goes_on(gap: Gap) -> None:
    """SIGSTOP leaves connections open and answers nothing; SIGCONT answers what was asked meanwhile."""
    with RedisServer(binary=needed(binaries.redis, gap)) as server, server.client(socket_timeout=0.2) as client:
        server.freeze()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        server.thaw()

        assert server.ping()


def test_a_redis_takes_passwords_rules_and_limits(gap: Gap) -> None:
    """Password, access rules and memory limit reach the server."""
    rules = ["reader on >word ~a:* +get +ping"]
    limits = {"maxmemory": "2mb", "maxmemory-policy": "noeviction"}
    with RedisServer(binary=needed(binaries.redis, gap), password="sesame 1", users=rules, config=limits) as server:
        with server.client() as client:
            assert client.config_get("maxmemory*")["maxmemory-policy"] == "noeviction"
        with redis.Redis.from_url(server.url_of(password="wrong")) as client, pytest.raises(redis.AuthenticationError):
            client.ping()
        with redis.Redis.from_url(server.url_of("reader", "word")) as client, pytest.raises(NoPermissionError):
            client.get("b:1")


def test_a_redis_speaks_tls(tmp_path: Path, gap: Gap) -> None:
    """A client that trusts the authority gets through, and one that does not is refused."""
    with RedisServer(binary=needed(binaries.redis, gap), tls=certificates(tmp_path)) as server:
        assert server.url.startswith("rediss://")
        assert server.ping()
        with redis.Redis.from_url(server.url) as stranger, pytest.raises(redis.ConnectionError, match="CERTIFICATE"):
            stranger.ping()


def test_a_server_that_cannot_start_says_why(gap: Gap) -> None:
    """The error of a failed start ends with the server's own words."""
    with pytest.raises(ServerError, match=r"(?s)ended by itself.*nonsense 1"):
        RedisServer(binary=needed(binaries.redis, gap), config={"nonsense": "1"}).start()


# --- several Redises


def test_sentinels_fail_over(sentinels: Sentinels) -> None:
    """Another server takes over, and the killed one comes back as its replica."""
    old = sentinels.kill_primary()

    new = sentinels.wait_failed_over(old)
    sentinels.restart_dead()

    assert sentinels.primary() is new
    assert old.linked()


def test_a_cluster_fails_over(redis_cluster: RedisCluster) -> None:
    """A replica takes over its primary's slots with what they hold, and the killed one comes back as its replica."""
    host, port = redis_cluster.addresses[-1]
    with redis.RedisCluster(host=host, port=port) as client:
        client.set("kept", "1")
        client.wait(1, 1000, target_nodes=client.get_node_from_key("kept"))
    old = redis_cluster.kill_primary("kept")

    redis_cluster.wait_failed_over()

    new = redis_cluster.primary_of("kept")
    assert new is not old
    with redis.RedisCluster(host=host, port=new.port) as client:
        assert client.get("kept") == b"1"
    redis_cluster.restart_dead()
    assert old.linked()


def test_a_frozen_primary_of_a_cluster_is_replaced(redis_cluster: RedisCluster) -> None:
    """A primary that hangs is taken for dead, and becomes a replica when it goes on."""
    old = redis_cluster.primary_of("kept")
    old.freeze()
    try:
        redis_cluster.wait_failed_over()
        assert redis_cluster.primary_of("kept") is not old
    finally:
        old.thaw()
        redis_cluster.wait_settled()
    assert old.linked()


def test_a_redis_replica_is_parted_from_its_primary(gap: Gap) -> None:
    """A replica behind a proxy misses what is written during a cut, and catches up after it."""
    binary = needed(binaries.redis, gap)
    with (
        RedisServer(binary=binary) as primary,
        Proxy(HOST, primary.port) as proxy,
        RedisServer(binary=binary, replica_of=proxy) as replica,
        primary.client() as client,
        replica.client() as other,
    ):
        replica.wait_linked()
        proxy.cut()
        client.set("late", "1")
        assert client.wait(1, 100) == 0
        assert other.get("late") is None
        proxy.heal()

        wait_for(lambda: other.get("late") == b"1", timeout=10, what="late write")


# --- PostgreSQL


@pytest.mark.parametrize("version", [15, 18])
def test_a_postgres_comes_back_in_place(version: int, gap: Gap, record_property: Callable[[str, object], None]) -> None:
    """What was committed before SIGKILL is there after it, on the same port."""
    needed(lambda: binaries.postgres(version), gap)
    with PostgresServer(version) as server:
        record_property("version", server.execute("SHOW server_version")[0][0])
        server.execute("CREATE TABLE kept AS SELECT 1 AS one")

        server.kill()
        with pytest.raises(psycopg.OperationalError):
            server.ping()
        server.restart()

        assert server.execute("SELECT one FROM kept") == [(1,)]
    assert not server.running


@pytest.mark.parametrize("version", [15, 18])
def test_a_replica_is_promoted(version: int, gap: Gap) -> None:
    """A synchronous replica has what its killed primary acknowledged, and takes writes after promotion."""
    needed(lambda: binaries.postgres(version), gap)
    with PostgresServer(version) as primary, primary.make_replica(synchronous=True) as replica:
        primary.execute("CREATE TABLE kept AS SELECT 1 AS one")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            replica.execute("DELETE FROM kept")

        primary.kill()
        replica.promote()

        replica.execute("INSERT INTO kept VALUES (2)")
        assert replica.execute("SELECT count(*) FROM kept") == [(2,)]


def test_a_synchronous_primary_waits_for_a_parted_replica(gap: Gap) -> None:
    """Behind a cut, a commit waits; when the network heals, it is acknowledged and on both."""
    needed(lambda: binaries.postgres(15), gap)
    with PostgresServer(15) as primary, Proxy(HOST, primary.port) as proxy:
        primary.execute("CREATE TABLE kept (one int)")
        with primary.make_replica(synchronous=True, through=proxy) as replica:
            proxy.stall()
            with primary.connect() as writer, ThreadPoolExecutor(1) as pool:
                writing = pool.submit(writer.execute, "INSERT INTO kept VALUES (1)")
                wait_for(lambda: ("SyncRep",) in primary.execute("SELECT wait_event FROM pg_stat_activity"))
                assert not writing.done()
                proxy.heal()
                writing.result(30)
            # Flushed there when the commit returns, and seen there when it was replayed.
            wait_for(lambda: replica.execute("SELECT one FROM kept") == [(1,)], timeout=10, what="replay")


def test_a_frozen_postgres_is_silent_with_its_backends(gap: Gap) -> None:
    """SIGSTOP reaches the backends too, though each leads a process group of its own."""
    needed(lambda: binaries.postgres(15), gap)
    with PostgresServer(15) as server, server.connect() as open_before:
        pid = open_before.info.backend_pid
        server.freeze()
        frozen = descendants.state(pid)
        server.thaw()

        assert frozen == "T"
        assert open_before.execute("SELECT 1").fetchall() == [(1,)]


def test_a_postgres_speaks_tls(tmp_path: Path, gap: Gap) -> None:
    """A client that verifies against the authority gets through, and one that trusts another does not."""
    needed(lambda: binaries.postgres(15), gap)
    (tmp_path / "other").mkdir()
    mine, other = certificates(tmp_path), certificates(tmp_path / "other")
    with PostgresServer(15, tls=mine) as server:
        with server.connect(sslmode="verify-full", sslrootcert=str(mine.authority)) as connection:
            assert connection.pgconn.ssl_in_use
        with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
            server.connect(sslmode="verify-full", sslrootcert=str(other.authority))


def test_a_wrong_password_is_refused(postgres15: PostgresServer, postgres18: PostgresServer) -> None:
    """The servers ask for the password, as real ones do."""
    for server in (postgres15, postgres18):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.url_of(password="wrong"))


def test_pgbouncer_shares_its_connections(pgbouncer: PgBouncer) -> None:
    """In transaction mode the clients of one pool share the server's backends, and a killed one comes back."""
    with psycopg.connect(pgbouncer.url, autocommit=True) as one, psycopg.connect(pgbouncer.url, autocommit=True) as two:
        backends = {c.execute("SELECT pg_backend_pid()").fetchall()[0] for c in (one, two, one, two)}
        assert len(backends) == 1

    pgbouncer.kill()
    pgbouncer.restart()

    assert pgbouncer.ping()


# --- nothing stays behind

LEAVES = """
import os, sys
from tests.servers.redis import RedisServer
server = RedisServer().start()
print(server.process.pid, server.folder.parent, flush=True)
{how}
"""


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("", 0),
        ("raise SystemExit(3)", 3),
        pytest.param("os.kill(os.getpid(), 9)", -signal.SIGKILL, id="SIGKILL"),
        ("if os.fork() == 0:\n    sys.exit()\nos.wait()\nassert server.ping()", 0),
    ],
)
def test_no_server_outlives_its_process(how: str, code: int, gap: Gap) -> None:
    """Whoever forgets to stop a server leaves none, also when killed; a forked child does not stop its parent's."""
    needed(binaries.redis, gap)
    done = subprocess.run(
        [sys.executable, "-c", LEAVES.format(how=how)], capture_output=True, text=True, check=False, cwd=ROOT
    )

    assert done.returncode == code, done.stderr
    pid, folder = done.stdout.split()
    wait_for(lambda: not alive(int(pid)), timeout=5, what="end of the server")
    folders.remove_abandoned(Path(folder).parent)
    assert not Path(folder).exists()


def alive(pid: int) -> bool:
    """Whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
