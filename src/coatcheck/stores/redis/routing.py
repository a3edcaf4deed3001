"""Which server to ask: one that the URL names, or the one that the sentinels name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from coatcheck.errors import ConfigurationError, StoreUnavailable
from coatcheck.stores.redis.address import Address, HostPort
from coatcheck.stores.redis.ledger import Ledger
from coatcheck.stores.redis.link import Call
from coatcheck.stores.redis.node import Node, is_fault
from coatcheck.stores.redis.once import Once, half_way, in_turn
from coatcheck.stores.redis.wire import Command, World

Finder: TypeAlias = Callable[[bytes | None], Node]


class Routing(Protocol):
    """Finds the server for a key, and takes hints that it was the wrong one."""

    @property
    def partitions(self) -> int:
        """In how many parts the keys are kept."""
        ...

    @property
    def patient(self) -> bool:
        """Whether another server may soon take over, so that it is worth asking again."""
        ...

    async def look(self, deadline: float) -> Finder:
        """Return what tells the primary of a key, and any primary for ``None``.

        If that is in doubt, look first who serves. However many ask, one looks, and it takes no longer than half of
        the time until *deadline*. The finder raises `StoreUnavailable` for a key that no server has at the moment.

        Raises:
            StoreUnavailable: nobody says who serves, so it is of no use to ask for another key.
        """
        ...

    async def primaries(self, deadline: float) -> list[Node]:
        """Return every primary; see `look`."""
        ...

    async def doubt(self, node: Node) -> None:
        """Take note that *node* did not answer, or is no primary: look again."""
        ...

    async def moved(self, node: Node, error: Exception) -> None:
        """Take note that *node* said with *error* who has the key now."""
        ...

    async def asked(self, node: Node, error: Exception) -> Node:
        """Return whom to ask this once, by what *node* said with *error*."""
        ...

    async def close(self) -> None:
        """Let go of every connection."""
        ...


class OneServer:
    """The server that the URL names."""

    partitions = 1
    patient = False

    def __init__(self, world: World, address: Address, ledger: Ledger) -> None:
        """Connect to nothing yet."""
        self._node = Node(world, address, address.hosts[0], ledger, _all, primary_only=True)

    async def look(self, deadline: float) -> Finder:  # noqa: ARG002 - it is known
        """Return the server for every key."""
        return lambda _key: self._node

    async def primaries(self, deadline: float) -> list[Node]:  # noqa: ARG002 - it is known
        """Return the server."""
        return [self._node]

    async def doubt(self, node: Node) -> None:
        """Let go of the connections, so that the name is looked up again: it may lead to another server."""
        await node.clear()

    async def moved(self, node: Node, error: Exception) -> None:
        """Refuse: a single server that sends elsewhere is a Cluster's."""
        raise ConfigurationError(f"Redis at {node.where} belongs to a Cluster; write redis+cluster://") from error

    async def asked(self, node: Node, error: Exception) -> Node:
        """Refuse, as `moved`."""
        raise ConfigurationError(f"Redis at {node.where} belongs to a Cluster; write redis+cluster://") from error

    async def close(self) -> None:
        """Let go of the connections."""
        await self._node.clear()


class Sentinels:
    """The primary that the sentinels name, asked again whenever it is in doubt."""

    partitions = 1
    patient = True

    def __init__(self, world: World, address: Address, ledger: Ledger) -> None:
        """Ask nobody yet."""
        self._world, self._address, self._ledger = world, address, ledger
        there = _sentinel_address(address)
        self._sentinels = [Node(world, there, at, Ledger(), _all, primary_only=False) for at in address.hosts]
        self._nodes: dict[HostPort, Node] = {}
        self._primary: Node | None = None
        self._once = Once(world, f"the sentinels of {address.text} are still being asked")

    async def look(self, deadline: float) -> Finder:
        """Return the primary for every key.

        Raises:
            StoreUnavailable: no sentinel answers, or none knows a primary.
            ConfigurationError: the sentinels know no such service, or refuse the password.
        """

        async def ask() -> None:
            self._primary = self._node(await self._ask_sentinels(half_way(deadline)))

        await self._once.do(lambda: self._primary is None, ask, deadline)
        primary = self._primary

        def find(_key: bytes | None) -> Node:
            if primary is None:  # another thread has just come to doubt it
                raise StoreUnavailable(f"the primary of {self._address.text} does not answer")
            return primary

        return find

    async def primaries(self, deadline: float) -> list[Node]:
        """Return the primary."""
        return [(await self.look(deadline))(None)]

    async def doubt(self, node: Node) -> None:
        """Ask the sentinels again before the next question."""
        if self._primary is node:
            self._primary = None
        await node.clear()

    async def moved(self, node: Node, error: Exception) -> None:
        """Refuse: a Cluster has no sentinels."""
        raise ConfigurationError(f"Redis at {node.where} belongs to a Cluster; write redis+cluster://") from error

    async def asked(self, node: Node, error: Exception) -> Node:
        """Refuse, as `moved`."""
        raise ConfigurationError(f"Redis at {node.where} belongs to a Cluster; write redis+cluster://") from error

    async def close(self) -> None:
        """Let go of every connection."""
        self._primary = None
        for node in [*self._sentinels, *self._nodes.values()]:
            await node.clear()

    def _node(self, at: HostPort) -> Node:
        """Return the node *at*, the same one each time, so that its connections are found again."""
        if at not in self._nodes:
            self._nodes[at] = Node(self._world, self._address, at, self._ledger, _all, primary_only=True)
        return self._nodes[at]

    async def _ask_sentinels(self, deadline: float) -> HostPort:
        """Return where the primary is, by the first sentinel that knows; it is asked first the next time."""
        unknown = 0
        question: Command = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._address.service)
        for sentinel, until in in_turn(tuple(self._sentinels), deadline):
            try:
                (answer,), _ = await sentinel.ask([question], plain=True, deadline=until)
            except StoreUnavailable:
                self._sentinels.sort(key=lambda other: other is sentinel)  # asked last the next time
                continue
            if answer is None:
                unknown += 1
            elif not is_fault(answer):
                self._sentinels.sort(key=lambda other: other is not sentinel)
                return answer[0].decode(), int(answer[1])
        if unknown == len(self._sentinels):
            raise ConfigurationError(f"the sentinels know no service {self._address.service!r}; check the URL")
        raise StoreUnavailable(f"none of the sentinels of {self._address.text} names a primary")


def _all(_node: Node, _call: Call) -> bool:
    """Say that every call concerns the one primary."""
    return True


def _sentinel_address(address: Address) -> Address:
    """Return how to sign in at the sentinels."""
    options = address.options
    return Address(
        kind="single",
        hosts=address.hosts,
        username=options.sentinel_username,
        password=options.sentinel_password,
        options=options,
    )
