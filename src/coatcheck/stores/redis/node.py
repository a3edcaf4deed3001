"""One server: a connection is checked and brought up to date before anything is asked on it.

With the first question on a new connection goes another: which server is this? A connection cannot change its server,
but a primary may step down, and come back, while a connection stays open; so it is asked again at most once a second.
A server that has not done what the ledger holds does it first.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import uuid4

from redis.exceptions import ReadOnlyError, ResponseError

from coatcheck.stores.redis.address import Address, HostPort, where
from coatcheck.stores.redis.faults import Lost, Meaning, Unreached, as_fault, code_of, meaning_of, unreached
from coatcheck.stores.redis.ledger import Entry, Ledger
from coatcheck.stores.redis.link import Call
from coatcheck.stores.redis.wire import Command, Identity, Pool, Wire, World

STALE: Final = 1.0
"""Seconds after which a connection is asked again which server it leads to. A failover takes longer."""

_GROUP: Final = 500
_log: Final = logging.getLogger("coatcheck")


class Transient(Exception):
    """The server is not ready: its *error* says whether to wait or to look elsewhere."""

    def __init__(self, error: Exception) -> None:
        """Carry the server's *error*."""
        super().__init__(str(error))
        self.error = error


class Node:
    """One server and the connections to it.

    Args:
        world: threads or an event loop.
        address: how to sign in.
        at: its host and port.
        ledger: the deaths to bring back.
        owns: whether a call concerns this server; the node is handed over.
        primary_only: whether a replica is refused, also for reading.
    """

    def __init__(
        self,
        world: World,
        address: Address,
        at: HostPort,
        ledger: Ledger,
        owns: Callable[[Node, Call], bool],
        *,
        primary_only: bool,
    ) -> None:
        """Connect to nothing yet."""
        self.at, self.where = at, where(*at)
        self._pool: Pool = world.pool(address, at)
        self._door, self._timeout = world.door(), address.options.timeout / 1000
        self._ledger, self._owns = ledger, owns
        self._primary_only = primary_only

    async def ask(
        self, commands: Sequence[Command], *, wait: float = 0.0, plain: bool = False, deadline: float | None = None
    ) -> tuple[list[Any], Identity]:
        """Return the answers and the server that gave them.

        A free connection, connecting, who the server is and its answers: all of it has until *deadline*, which is the
        timeout from now if it is not given. Two things come on top: *wait* seconds, for a command that waits on
        purpose, and what it takes to bring the server up to date.

        *plain* questions are about the server, not about sessions: any server in any state may answer them.

        Raises:
            Unreached: nothing of it was sent.
            Lost: it was sent, and there was no answer.
            Transient: the server is not ready; nothing of it was sent.
            ConfigurationError: wrong password, certificate or database.
        """
        deadline = time.monotonic() + self._timeout if deadline is None else deadline
        wire = await self._pool.take(deadline)
        try:
            identity = await self._met(wire, deadline)
            if not plain:
                deadline += await self._caught_up(wire, identity)
            return await wire.ask(commands, deadline, wait=wait), identity
        except BaseException:
            if not isinstance(wire.identity, Identity):
                wire.drop()
            raise
        finally:
            self._pool.give(wire)

    async def clear(self) -> None:
        """Let go of the connections, so that the next question opens a new one."""
        await self._pool.clear()

    async def _met(self, wire: Wire, deadline: float) -> Identity:
        """Connect if need be, and learn which server this is."""
        if not wire.connected:
            await wire.connect(deadline)
        identity = wire.identity
        if identity is None or time.monotonic() - wire.greeted_at > STALE:
            identity = wire.identity = await self._greet(wire, deadline)
            wire.greeted_at = time.monotonic()
        return identity

    async def _caught_up(self, wire: Wire, identity: Identity) -> float:
        """Refuse a replica, bring the server up to date, and return how many seconds that took."""
        if self._primary_only and not identity.primary:
            wire.identity = None  # so that it is asked again: it may have been promoted since
            raise Transient(ReadOnlyError("READONLY"))
        if self._ledger.settled(identity):
            return 0.0
        began = time.monotonic()
        async with self._door.turn(began + self._timeout, f"Redis at {self.where} is still being brought up to date"):
            if not self._ledger.settled(identity):
                await self._replay(wire, identity)
        return time.monotonic() - began

    async def _greet(self, wire: Wire, deadline: float) -> Identity:
        """Ask which server this is; one that must not say counts as another for each connection."""
        try:
            answers = await wire.ask([("INFO", "server"), ("INFO", "replication")], deadline)
        except Lost as error:
            raise Unreached(str(error).partition(";")[0]) from None
        told: dict[str, str] = {}
        for answer in answers:
            if not isinstance(answer, Exception):
                told |= read_info(answer)
            elif code_of(answer) == "NOAUTH":
                raise unreached(answer, self.where, 0.0)
        if "run_id" not in told:
            run = wire.identity.run if wire.identity else f"unknown {uuid4().hex}"
            return Identity(run, "", told.get("role", "master") == "master")
        return Identity(told["run_id"], told.get("master_replid", ""), told.get("role", "master") == "master")

    async def _replay(self, wire: Wire, identity: Identity) -> None:
        """Have the server do what it has not done."""
        settled, repeated = False, 0
        while not settled:
            look = self._ledger.look(identity, lambda call: self._owns(self, call))
            for start in range(0, len(look.entries), _GROUP):
                repeated += await self._replay_some(wire, identity, look.entries[start : start + _GROUP])
            settled = self._ledger.settle(identity, look)
        if repeated:
            _log.warning(
                "Redis at %s is another server than before, or an answer was lost: %d ends of sessions were repeated",
                self.where,
                repeated,
            )

    async def _replay_some(self, wire: Wire, identity: Identity, due: Sequence[Entry]) -> int:
        """Run a group of calls, and return how many were done."""
        commands: list[Command] = [("SCRIPT", "LOAD", text) for text in {entry.call.script.text for entry in due}]
        loads = len(commands)
        commands += [evalsha(entry.call) for entry in due]
        try:
            answers = (await wire.ask(commands, time.monotonic() + self._timeout))[loads:]
        except Lost as error:
            raise Unreached(str(error).partition(";")[0]) from None
        told = list(zip(due, answers, strict=True))
        refused = [(entry, answer) for entry, answer in told if isinstance(answer, Exception)]
        self._ledger.did(identity, [(entry, answer) for entry, answer in told if not is_fault(answer)])
        for entry, fault in refused:
            meaning, moving = meaning_of(fault), code_of(fault) in {"TRYAGAIN", "ASK"}
            if meaning is Meaning.BUG:
                _log.error("Redis at %s cannot repeat %r: %s", self.where, entry.call, fault)
                self._ledger.drop(entry)
            elif entry.done_by is None and (moving or meaning in {Meaning.REFUSED, Meaning.ELSEWHERE}):
                self._ledger.postpone()  # nobody was told that it was done, so reading may go on
            elif meaning is Meaning.REFUSED:
                raise as_fault(fault, self.where)
            else:
                # Whoever asks now asks about other keys: where this one's are is not for them.
                raise Transient(ResponseError("TRYAGAIN") if moving else fault)
        return len(told) - len(refused)


def is_fault(answer: Any) -> bool:
    """Whether the server answered with an error."""
    return isinstance(answer, Exception)


def evalsha(call: Call) -> Command:
    """Return the command that runs a script the server knows."""
    return ("EVALSHA", call.script.sha, len(call.keys), *call.keys, *call.args)


def read_info(answer: Any) -> dict[str, str]:
    """Return the fields of an ``INFO`` answer."""
    lines = answer.decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))
