"""Redis alone, with replicas, with Sentinels, as a Cluster."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any, Final

from tests.servers.cluster import RedisCluster
from tests.servers.ports import HOST
from tests.servers.process import wait_for
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer
from tests.servers.sentinels import Sentinels
from torture.killing.fault import Deployment, Fault

_SILENCE: Final = 500
"""Milliseconds after which Sentinel takes a server for dead: shorter than in earnest, which changes no outcome."""

_SLOT_0: Final = "3560"
"""A key in slot 0 of a Cluster."""


@contextmanager
def alone(*, snapshots: bool = False, appendonly: Any = "no") -> Generator[Deployment]:
    """One server, behind a network that can be cut."""
    with (
        RedisServer(snapshots=snapshots, appendonly=appendonly) as server,
        Proxy(HOST, server.port) as proxy,
    ):
        faults = {
            "restart": Fault(server.kill, server.restart),
            "partition": Fault(proxy.cut, proxy.heal),
            "hang": Fault(server.freeze, server.thaw),
        }
        url = server.url.replace(f":{server.port}/", f":{proxy.port}/")
        yield Deployment(url, faults, save=_saver(server) if snapshots else None)


@contextmanager
def replicated(options: str) -> Generator[Deployment]:
    """A primary that comes back by itself, and two replicas that only confirm; nobody is promoted."""
    with ExitStack() as stack:
        primary = stack.enter_context(RedisServer(snapshots=True))
        replicas = [stack.enter_context(RedisServer(snapshots=True, replica_of=primary)) for _ in range(2)]

        def linked() -> None:
            for replica in replicas:
                replica.wait_linked()

        linked()
        lag = Parted(lambda: [primary], lambda: replicas)
        faults = {"restart": Fault(primary.kill, primary.restart, linked)}
        yield lag.deployment(primary.url + options, faults, save=_saver(primary))


@contextmanager
def watched(options: str) -> Generator[Deployment]:
    """A primary, two replicas, three Sentinels; append-only files written every second.

    ``split`` leaves two primaries: the old one, which its clients still reach, and the one that the Sentinels chose.
    """
    with Sentinels(appendonly="everysec", hasty=True, down_after=_SILENCE) as servers:
        old: list[RedisServer] = []

        def kill() -> None:
            old.append(servers.kill_primary())

        def freeze() -> None:
            old.append(servers.primary())
            old[-1].freeze()

        def wake() -> None:
            for server in servers.servers:
                server.thaw()
            servers.restart_dead()

        def replaced() -> None:
            servers.wait_failed_over(old.pop())

        def split() -> None:
            old.append(servers.primary())
            lag.part()
            # Whoever gets no PONG takes a server for dead; its clients go on.
            _told(old[0], "ACL SETUSER", "default", "-ping")
            servers.wait_failed_over(old[0])
            lag.rejoin()

        def rejoined() -> None:
            _told(old.pop(), "ACL SETUSER", "default", "+ping")
            servers.wait_settled()

        lag = Parted(lambda: [servers.primary()], lambda: servers.servers)
        faults = {
            "failover": Fault(kill, replaced, servers.restart_dead),
            "hang": Fault(freeze, replaced, wake),
            "split": Fault(split, rejoined),
        }
        yield lag.deployment(servers.url + options, faults)


@contextmanager
def clustered(options: str) -> Generator[Deployment]:
    """Three primaries with a replica each; append-only files written every second.

    ``failover`` kills the primaries in turn, ``failover-first`` and ``hang`` strike the one that serves slot 0.
    """
    with RedisCluster(appendonly="everysec", node_timeout=2 * _SILENCE) as servers:
        turns = count()

        def kill() -> None:
            leading = servers.primaries()
            leading[next(turns) % len(leading)].kill()

        def wake() -> None:
            for node in servers.nodes:
                node.thaw()
            servers.restart_dead()

        lag = Parted(servers.primaries, lambda: servers.nodes)
        replaced, mend = servers.wait_failed_over, servers.restart_dead
        faults = {
            "failover": Fault(kill, replaced, mend),
            "failover-first": Fault(lambda: servers.kill_primary(_SLOT_0), replaced, mend),
            "hang": Fault(lambda: servers.primary_of(_SLOT_0).freeze(), replaced, wake),
        }
        yield lag.deployment(servers.url + options, faults)


class Parted:
    """Parts replicas from their primaries and lets them join again, as a network fault between the two would.

    A stopped replica would not do: its kernel goes on receiving. These are given a user that no primary knows.
    """

    def __init__(
        self, primaries: Callable[[], Sequence[RedisServer]], servers: Callable[[], Sequence[RedisServer]]
    ) -> None:
        """Work on *servers*, of which *primaries* lead now."""
        self._primaries, self._servers = primaries, servers

    def deployment(
        self, url: str, faults: Mapping[str, Fault], *, save: Callable[[], object] | None = None
    ) -> Deployment:
        """Return the deployment whose replicas these are."""
        return Deployment(url, faults, lag=self.part, settle=self.settle, catch_up=self.rejoin, save=save)

    def settle(self) -> None:
        """Wait until every replica has done all that its primary has done by now."""
        done = {server.port: server.info("replication")["master_repl_offset"] for server in self._primaries()}

        def has_all(replica: RedisServer) -> bool:
            about = replica.info("replication")
            return bool(about["slave_repl_offset"] >= done[about["master_port"]])

        replicas = self._followers()
        wait_for(lambda: all(map(has_all, replicas)), what="replicas that have everything")

    def part(self) -> None:
        """Keep links from coming back, then break them, all in the same moment."""
        for server in self._followers():
            _configure(server, masteruser="nobody", masterauth="nothing")
        with ExitStack() as stack:
            clients: list[Any] = [stack.enter_context(server.client()) for server in self._primaries()]
            for client in clients:
                client.ping()
            for client in clients:
                client.execute_command("CLIENT KILL TYPE replica")

    def rejoin(self) -> None:
        """Let them link again."""
        for server in self._servers():
            if server.running:
                _configure(server, masteruser="", masterauth="")

    def _followers(self) -> list[RedisServer]:
        leading = self._primaries()
        return [server for server in self._servers() if server not in leading]


def _configure(server: RedisServer, **settings: str) -> None:
    for name, value in settings.items():
        _told(server, "CONFIG SET", name, value)


def _told(server: RedisServer, *words: str) -> None:
    client: Any = server.client()
    with client:
        client.execute_command(*words)


def _saver(server: RedisServer) -> Callable[[], None]:
    return lambda: _told(server, "SAVE")
