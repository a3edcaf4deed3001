"""One connection to one server, and the pool it comes from: what the blocking and the asyncio side have in common.

Everything above is written once, as ``async def``, over these protocols. The blocking side never suspends in them.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeAlias

from msgspec import Struct

from coatcheck.stores.redis.address import Address, HostPort, where

Command: TypeAlias = "tuple[bytes | int | str, ...]"
"""A command with its arguments."""


class Identity(Struct, frozen=True):
    """Which server a connection leads to; another one may have lost what this one did.

    Attributes:
        run: the server's run, new with each start.
        history: its replication's history, new with each promotion.
        primary: whether it takes writes.
    """

    run: str
    history: str
    primary: bool = True


class Wire(Protocol):
    """One connection. Whoever took it from its pool has it alone."""

    identity: Identity | None
    greeted_at: float

    @property
    def connected(self) -> bool:
        """Whether it is open, and was not found closed by the server."""
        ...

    async def connect(self, deadline: float) -> None:
        """Connect, encrypt, sign in and choose the database before *deadline*, a moment of `time.monotonic`.

        Raises:
            Unreached: nobody answered in time.
            ConfigurationError: wrong password, certificate or database.
        """
        ...

    async def ask(self, commands: Sequence[Command], deadline: float, *, wait: float = 0.0) -> list[Any]:
        """Send *commands* together and return their answers; an error the server answered with is one of them.

        *wait* seconds are added to *deadline*, for a command that waits on purpose. Whatever else comes in between (a
        cancellation, a signal, an exception of somebody else's timer), the connection is closed: answers that are
        still to come are nobody's.

        Raises:
            Lost: the connection broke, or the answers did not come in time.
        """
        ...

    def drop(self) -> None:
        """Close at once; harmless when closed."""
        ...


class Pool(Protocol):
    """The connections of this process to one server, bounded in number."""

    async def take(self, deadline: float) -> Wire:
        """Return a connection that nobody else has; it may not be connected yet.

        Raises:
            Crowded: all are in use, and none came back before *deadline*.
        """
        ...

    def give(self, wire: Wire) -> None:
        """Put a connection back."""
        ...

    async def clear(self) -> None:
        """Close those that nobody uses; the others when they come back."""
        ...


class Door(Protocol):
    """Lets one caller of a process or an event loop in at a time, for what one does for all."""

    def turn(self, deadline: float, busy: str) -> AbstractAsyncContextManager[None]:
        """Return the wait for one's turn.

        Raises:
            Crowded: it lasted until *deadline*; its text is *busy*.
        """
        ...


class World(Protocol):
    """Threads or an event loop: what cannot be written once for both."""

    @property
    def blocking(self) -> bool:
        """Whether nothing here ever suspends."""
        ...

    def pool(self, address: Address, at: HostPort) -> Pool:
        """Return a new pool of connections to the server *at*."""
        ...

    def door(self) -> Door:
        """Return a new door."""
        ...

    async def pause(self, seconds: float) -> None:
        """Let *seconds* pass."""
        ...

    async def each(self, work: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
        """Do all of *work*, at the same time where that is possible; an exception is one of the answers."""
        ...


def arguments(address: Address, at: HostPort) -> dict[str, Any]:
    """Return redis-py's arguments for a connection to the server *at*."""
    options = address.options
    given: dict[str, Any] = {
        "host": at[0],
        "port": at[1],
        "db": address.db,
        "username": address.username,
        "password": address.password,
        "decode_responses": False,
        "protocol": 2,
        "health_check_interval": 0,
        "socket_keepalive": True,
    }
    if options.tls:
        given |= {"ssl_ca_certs": options.ca, "ssl_certfile": options.cert, "ssl_keyfile": options.key}
        given |= {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
    return given


def crowded(at: HostPort, size: int) -> str:
    """Say that a pool had no connection to give."""
    return f"all {size} connections to Redis at {where(*at)} were in use for too long; raise pool="
