"""Which node of a Cluster has a slot: a map that is read from any node, and read again whenever it was wrong."""

from __future__ import annotations

import time
from typing import Any

from coatcheck.errors import ConfigurationError, StoreUnavailable
from coatcheck.stores.redis.address import Address, HostPort
from coatcheck.stores.redis.faults import target_of
from coatcheck.stores.redis.keys import SLOTS, hash_tag, slot_of
from coatcheck.stores.redis.ledger import Ledger
from coatcheck.stores.redis.link import Call
from coatcheck.stores.redis.node import Node, Transient, is_fault
from coatcheck.stores.redis.once import Once, half_way, in_turn
from coatcheck.stores.redis.routing import Finder
from coatcheck.stores.redis.wire import World


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
        self._silent: dict[Node, float] = {}
        self._stale = True
        self._once = Once(world, f"the nodes of {address.text} are still being asked who has which slot")

    async def look(self, deadline: float) -> Finder:
        """Return who has which key, by a map that is read again where it was wrong.

        Raises:
            StoreUnavailable: no node answers.
            ConfigurationError: the servers are no Cluster.
        """
        await self._once.do(lambda: self._stale, lambda: self._read_map(half_way(deadline)), deadline)
        table = self._map

        def find(key: bytes | None) -> Node:
            node = next(filter(None, table), None) if key is None else table[slot_of(hash_tag(key))]
            if node is None:
                self._stale = True  # for the next to look
                raise StoreUnavailable(f"no node of {self._address.text} has the slot of a session")
            return node

        return find

    async def primaries(self, deadline: float) -> list[Node]:
        """Return every primary, in the order of their slots."""
        (await self.look(deadline))(None)
        return list(dict.fromkeys(filter(None, self._map)))

    async def doubt(self, node: Node) -> None:
        """Read the map again before the next question, from another node if there is one."""
        self._silent[node], self._stale = time.monotonic(), True
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
        return bool(self._map) and self._map[slot_of(hash_tag(call.keys[0]))] is node

    async def _read_map(self, deadline: float) -> None:
        """Read the map from the first node that answers; one that was silent lately is asked last."""
        candidates = dict.fromkeys([*filter(None, self._map), *self._seeds, *self._nodes.values()])
        fault: Exception | None = None
        for node, until in in_turn(sorted(candidates, key=lambda node: self._silent.get(node, 0.0)), deadline):
            try:
                (answer,), _ = await node.ask([("CLUSTER", "SLOTS")], plain=True, deadline=until)
            except (StoreUnavailable, Transient) as error:
                fault, self._silent[node] = error, time.monotonic()
                continue
            self._silent.pop(node, None)
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
        self._stale = False
        if before != fresh:
            self._ledger.unsettle()
            for node in set(filter(None, before)) - set(filter(None, fresh)):
                await node.clear()  # it may come back as a primary of another history
