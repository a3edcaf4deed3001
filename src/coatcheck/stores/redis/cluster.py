"""Which node of a Cluster has a slot: a map that is read from any node, and read again whenever it was wrong."""

from __future__ import annotations

from typing import Any, Final

from redis.crc import key_slot

from coatcheck.errors import ConfigurationError, StoreUnavailable
from coatcheck.stores.redis.address import Address, HostPort
from coatcheck.stores.redis.faults import target_of
from coatcheck.stores.redis.ledger import Ledger
from coatcheck.stores.redis.link import Call
from coatcheck.stores.redis.node import Node, Transient, is_fault
from coatcheck.stores.redis.wire import World

SLOTS: Final = 16_384


class Slots:
    """The nodes of a Cluster by slot."""

    partitions = SLOTS
    patient = True

    def __init__(self, world: World, address: Address, ledger: Ledger) -> None:
        """Ask nobody yet."""
        self._world, self._address, self._ledger = world, address, ledger
        self._nodes: dict[HostPort, Node] = {}
        self._seeds = [self._node(at) for at in address.hosts]
        self._map: list[Node | None] = []
        self._doubtful: Node | None = None
        self._stale = True

    async def find(self, key: bytes | None) -> Node:
        """Return the primary that has *key*.

        Raises:
            StoreUnavailable: no node answers, or none has the key's slot.
            ConfigurationError: the servers are no Cluster.
        """
        if self._stale:
            await self._read_map()
        node = next(filter(None, self._map), None) if key is None else self._map[key_slot(key)]
        if node is None:
            self._stale = True
            raise StoreUnavailable(f"no node of {self._address.text} has the slot of a session")
        return node

    async def primaries(self) -> list[Node]:
        """Return every primary, in the order of their slots."""
        await self.find(None)
        return list(dict.fromkeys(filter(None, self._map)))

    async def doubt(self, node: Node) -> None:
        """Read the map again before the next question, from another node if there is one."""
        self._doubtful, self._stale = node, True
        await node.clear()

    async def moved(self, node: Node, error: Exception) -> None:
        """Move one slot at once, and read the whole map before the next question."""
        target = target_of(error)
        if target is not None:
            slot, host, port = target
            self._map[slot] = self._node((host or node.at[0], port))
            self._ledger.unsettle()
        self._stale = True

    async def asked(self, node: Node, error: Exception) -> Node:
        """Return the node that has the key already, while its slot is on the way."""
        target = target_of(error)
        return node if target is None else self._node((target[1] or node.at[0], target[2]))

    async def close(self) -> None:
        """Let go of every connection."""
        self._stale = True
        for node in self._nodes.values():
            await node.clear()

    def _node(self, at: HostPort) -> Node:
        """Return the node *at*, the same one each time."""
        if at not in self._nodes:
            self._nodes[at] = Node(self._world, self._address, at, self._ledger, self._owns, primary_only=False)
        return self._nodes[at]

    def _owns(self, node: Node, call: Call) -> bool:
        """Whether *node* has the slot of *call*'s keys."""
        return bool(self._map) and self._map[key_slot(call.keys[0])] is node

    async def _read_map(self) -> None:
        """Read the map from the first node that answers; one in doubt is asked last."""
        candidates = dict.fromkeys([*filter(None, self._map), *self._seeds, *self._nodes.values()])
        fault: Exception | None = None
        for node in sorted(candidates, key=lambda node: node is self._doubtful):
            try:
                (answer,), _ = await node.ask([("CLUSTER", "SLOTS")], plain=True)
            except (StoreUnavailable, Transient) as error:
                fault = error
                continue
            if not is_fault(answer):
                await self._use(node, answer)
                return
            if "cluster support disabled" in str(answer):
                raise ConfigurationError(f"Redis at {node.where} is no Cluster; write redis:// or redis+sentinel://")
        raise StoreUnavailable(f"no node of {self._address.text} answers") from fault

    async def _use(self, told_by: Node, answer: list[Any]) -> None:
        """Take the map that *told_by* answered with."""
        fresh: list[Node | None] = [None] * SLOTS
        for first, last, primary, *_replicas in answer:
            host = (primary[0] or b"").decode()
            node = self._node((host if host not in {"", "?"} else told_by.at[0], int(primary[1])))
            fresh[first : last + 1] = [node] * (last + 1 - first)
        before, self._map = self._map, fresh
        self._stale, self._doubtful = False, None
        if before != fresh:
            self._ledger.unsettle()
            for node in set(filter(None, before)) - set(filter(None, fresh)):
                await node.clear()  # it may come back as a primary of another history
