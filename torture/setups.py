"""What a run can be made against: the store's URL, and the faults that can be done to it.

Servers are private ones on free loopback ports, started for the run and stopped after it (``tests.servers``). A URL of
your own is used as it is, and has no faults.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from torture.faults import Fault, Pair


class Setup(Struct, frozen=True):
    """A store that is ready: its name in the table of guarantees, its URL, its faults."""

    name: str
    url: str
    faults: Mapping[str, Fault] = {}


PATIENCE: Final = "30s"
"""What clients wait for in a run without faults, where every step is to be answered, however busy the machine is."""


@contextmanager
def ready(store: str, folder: Path, *, faults: bool = False) -> Generator[Setup]:
    """Prepare a store by its name, or by its URL; *faults* says that some are going to be done to it."""
    if store == "memory":
        yield Setup(store, "memory://")
    elif store == "sqlite":
        yield Setup(store, f"sqlite:///{folder / 'sessions.db'}")
    elif store in _SERVERS:
        with _SERVERS[store]() as setup:
            yield setup if faults else replace(setup, url=_patient(setup.url))
    else:
        yield Setup(urlsplit(store).scheme, store)


def _patient(url: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}timeout={PATIENCE}"


@contextmanager
def _proxied(name: str, server: Any) -> Generator[Setup]:
    """Put a proxy before a server, so that the network between can fail too."""
    from tests.servers.proxy import Proxy

    with server, Proxy("127.0.0.1", server.port) as proxy:
        faults = {
            "kill": Pair(server.kill, server.start),
            "freeze": Pair(server.freeze, server.thaw),
            "cut": Pair(proxy.cut, proxy.heal),
            "stall": Pair(proxy.stall, proxy.heal),
            "slow": Pair(lambda: proxy.delay(20), proxy.heal),
        }
        yield Setup(name, server.url.replace(f":{server.port}/", f":{proxy.port}/"), faults)


@contextmanager
def _redis(name: str, valkey: int | None = None) -> Generator[Setup]:
    from tests.servers import binaries
    from tests.servers.redis import RedisServer

    binary = binaries.redis() if valkey is None else binaries.valkey(valkey)
    with _proxied(name, RedisServer(binary=binary, appendonly="everysec")) as setup:
        yield setup


@contextmanager
def _postgres(version: int) -> Generator[Setup]:
    from coatcheck.stores.postgres.migrating import migrate
    from tests.servers.postgres import PostgresServer

    with _proxied(f"postgres{version}", PostgresServer(version)) as setup:
        migrate(setup.url)
        yield setup


@contextmanager
def _promoted(name: str, *, synchronous: bool) -> Generator[Setup]:
    """Kill the primary and promote its replica, which then gets a replica of its own."""
    from torture.killing import on_postgres

    with closing(on_postgres.Pair(synchronous=synchronous)) as servers:

        def end() -> None:
            servers.replica_leads()
            servers.mend()

        yield Setup(name, servers.url, {"promote": Pair(servers.primary_dies, end)})


@contextmanager
def _sentinels(name: str, options: str = "") -> Generator[Setup]:
    from tests.servers.sentinels import Sentinels

    with Sentinels(appendonly="everysec", hasty=True) as servers:
        yield Setup(name, servers.url + options, {"failover": _failover(servers)})


@contextmanager
def _cluster(name: str, options: str = "") -> Generator[Setup]:
    from tests.servers.cluster import RedisCluster

    with RedisCluster(appendonly="everysec") as servers:

        def end() -> None:
            servers.wait_failed_over()
            servers.restart_dead()
            servers.wait_settled()

        yield Setup(name, servers.url + options, {"failover": Pair(servers.kill_primary, end)})


def _failover(servers: Any) -> Pair:
    """Kill the primary; wait for its successor, then let it come back as a replica."""
    killed: list[Any] = []

    def end() -> None:
        servers.wait_failed_over(killed.pop())
        servers.restart_dead()

    return Pair(lambda: killed.append(servers.kill_primary()), end)


_SERVERS: Final[Mapping[str, Callable[[], AbstractContextManager[Setup]]]] = {
    "redis": lambda: _redis("redis"),
    "valkey9": lambda: _redis("valkey9", 9),
    "sentinels": lambda: _sentinels("sentinels"),
    "sentinels-confirmed": lambda: _sentinels("sentinels-confirmed", "?confirm=1"),
    "cluster": lambda: _cluster("cluster"),
    "cluster-confirmed": lambda: _cluster("cluster-confirmed", "?confirm=1"),
    "postgres15": lambda: _postgres(15),
    "postgres18": lambda: _postgres(18),
    "postgres-replica": lambda: _promoted("postgres-replica", synchronous=False),
    "postgres-synchronous": lambda: _promoted("postgres-synchronous", synchronous=True),
}

NAMES: Final = ("memory", "sqlite", *_SERVERS)
"""The stores that can be asked for by name."""
