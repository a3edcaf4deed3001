"""A Redis Cluster of three primaries with a replica each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self
from urllib.parse import quote

from redis.crc import key_slot

from tests.servers.folders import scratch
from tests.servers.ports import HOST, free_port
from tests.servers.process import ServerError, wait_for
from tests.servers.redis import RedisServer

SLOTS: Final = 16_384
PRIMARIES: Final = 3


class RedisCluster:
    """Six processes; a replica takes over some 3.7 s after its primary dies (node timeout 2 s)."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        binary: Path | None = None,
        appendonly: Literal["always", "everysec", "no"] = "no",
        password: str | None = None,
        node_timeout: int = 2000,
        config: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare the cluster; nothing runs before `start`.

        Args:
            folder: an existing folder for its files; a new one when left out.
            binary: ``redis-server`` or ``valkey-server``; the machine's Redis when left out.
            appendonly: as for `RedisServer`, on every node; so are *password* and *config*.
            password: as above.
            node_timeout: milliseconds of silence after which nodes take one for dead.
            config: as above.
        """
        self.folder = folder or scratch("cluster")
        self.nodes: list[RedisServer] = []
        self._binary = binary
        self._password = password
        self._durability: dict[str, Any] = {"appendonly": appendonly, "password": password}
        self._config = {"cluster-enabled": "yes", "cluster-node-timeout": str(node_timeout), **(config or {})}

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """The nodes' hosts and ports."""
        return [(HOST, node.port) for node in self.nodes]

    @property
    def url(self) -> str:
        """The address for coatcheck: all nodes."""
        account = f":{quote(self._password, safe='')}@" if self._password else ""
        return f"redis+cluster://{account}{','.join(f'{host}:{port}' for host, port in self.addresses)}"

    def start(self) -> Self:
        """Start all six, join them and wait until every slot is served and every replica linked.

        Raises:
            ServerError: one did not start, or they did not join.
        """
        if not self.nodes:
            self._start_nodes()
            self._join()
        self.restart_dead()
        return self

    def primary_of(self, key: str) -> RedisServer:
        """Return the node that serves a key's slot now.

        Raises:
            ServerError: none does.
        """
        slot = key_slot(key.encode())
        for node in self.primaries():
            if any(first <= slot <= last for first, last in self._slots_of(node)):
                return node
        raise ServerError(f"nobody serves slot {slot}")

    def primaries(self) -> list[RedisServer]:
        """Return the nodes that run, are not frozen, and serve slots in their own eyes."""
        return [node for node in self.nodes if node.awake and self._slots_of(node)]

    def kill_primary(self, key: str | None = None) -> RedisServer:
        """End a primary with SIGKILL, that of *key* or the first, and return it."""
        node = self.primary_of(key) if key is not None else self.primaries()[0]
        node.kill()
        return node

    def wait_failed_over(self) -> None:
        """Wait until the nodes that are up and not frozen agree that every slot is served by one of them.

        Raises:
            ServerError: 30 s passed.
        """
        wait_for(self._served, what="failover of the cluster")

    def restart_dead(self) -> None:
        """Start in place whatever is not running, and wait until the whole cluster is `settled`."""
        for node in self.nodes:
            if not node.running:
                node.start()
        self.wait_settled()

    def wait_settled(self) -> None:
        """Wait until `settled`.

        Raises:
            ServerError: 60 s passed.
        """
        wait_for(self.settled, timeout=60, what="slots and links of the cluster")

    def settled(self) -> bool:
        """Whether every slot is served in the eyes of every node, and every primary has its replica linked."""
        roles = [node.info("replication") for node in self.nodes]
        linked = [about for about in roles if about["role"] == "slave" and about["master_link_status"] == "up"]
        leading = [about for about in roles if about["role"] == "master" and about["connected_slaves"] >= 1]
        return len(linked) == PRIMARIES and len(leading) == PRIMARIES and self._served()

    def stop(self) -> None:
        """End all. Stopping twice is harmless."""
        for node in self.nodes:
            node.stop()

    def __enter__(self) -> Self:
        """Start."""
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def _start_nodes(self) -> None:
        for number in range(2 * PRIMARIES):
            folder = self.folder / f"node{number}"
            folder.mkdir()
            # The bus is the port plus 10000 by default, which may be taken or beyond the range.
            config = self._config | {"cluster-port": str(free_port())}
            node = RedisServer(folder, binary=self._binary, config=config, **self._durability)
            self.nodes.append(node.start())

    def _join(self) -> None:
        """Do what ``redis-cli --cluster create`` does, which not every package brings."""
        bounds = [SLOTS * number // PRIMARIES for number in range(PRIMARIES + 1)]
        for number, node in enumerate(self.nodes):
            # Epochs of their own spare the nodes from settling collisions first.
            self._command(node, "CLUSTER SET-CONFIG-EPOCH", number + 1)
            if number < PRIMARIES:
                self._command(node, "CLUSTER ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
        first = self.nodes[0]
        for node in self.nodes[1:]:
            self._command(node, "CLUSTER MEET", HOST, first.port, first.config["cluster-port"])
        wait_for(lambda: all(self._known(node) == len(self.nodes) for node in self.nodes), what="meeting of the nodes")
        for primary, replica in zip(self.nodes[:PRIMARIES], self.nodes[PRIMARIES:], strict=True):
            self._command(replica, "CLUSTER REPLICATE", self._command(primary, "CLUSTER MYID").decode())

    @staticmethod
    def _command(node: RedisServer, name: str, *values: str | int) -> Any:
        with node.client() as client:
            return client.execute_command(*name.split(), *values)

    def _about(self, node: RedisServer) -> dict[str, str]:
        text = self._command(node, "CLUSTER INFO")
        # redis-py parses the answer of some spellings and not of others.
        if isinstance(text, dict):
            return {str(name): str(value) for name, value in text.items()}
        return dict(line.split(":", 1) for line in text.decode().splitlines() if ":" in line)

    def _known(self, node: RedisServer) -> int:
        return int(self._about(node)["cluster_known_nodes"])

    def _served(self) -> bool:
        """Whether all nodes that are awake call the cluster whole, and hold every slot between them."""
        awake = [node for node in self.nodes if node.awake]
        held = sum(last - first + 1 for node in awake for first, last in self._slots_of(node))
        return held == SLOTS and all(self._about(node)["cluster_state"] == "ok" for node in awake)

    def _slots_of(self, node: RedisServer) -> list[tuple[int, int]]:
        """Return the ranges a node itself claims to serve; a replica serves none."""
        me = f"{HOST}:{node.port}"
        found: list[tuple[int, int]] = []
        with node.client() as client:
            for first, last, (host, port, *_), *_ in client.execute_command("CLUSTER SLOTS", NEVER_DECODE=True):
                if f"{host.decode()}:{port}" == me:
                    found.append((first, last))
        return found
