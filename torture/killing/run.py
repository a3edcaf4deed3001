"""Kill after kill: witnesses work, a server dies, another takes over, and what is left is counted."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Self

from coatcheck.errors import StoreUnavailable
from coatcheck.runtime import finish
from torture.killing.deployments import Deployment
from torture.killing.steps import Sight, Step
from torture.killing.tally import Count, Found, count
from torture.killing.witness import LIMIT, millis, opened, seen, work

WITNESSES = 2
SERVES = 30.0
"""Seconds that the store gets to answer again after a failover."""


class Kills:
    """Some witnesses on one deployment."""

    def __init__(
        self, deployment: Deployment, fault: str, seed: int, *, lag: int = 0, witnesses: int = WITNESSES
    ) -> None:
        """Prepare; nothing runs before the ``with``."""
        self._deployment, self._fault, self._lag = deployment, deployment.faults[fault], lag
        self._draw = random.Random(f"kills {seed}")  # noqa: S311 - a run that can be repeated
        context = multiprocessing.get_context("spawn")
        self._halt = context.Event()
        self._pipes: list[Connection] = []
        self._workers: list[Any] = []
        for number in range(witnesses):
            mine, theirs = context.Pipe()
            arguments = (deployment.url, number, seed, theirs, self._halt)
            self._workers.append(context.Process(target=work, args=arguments, daemon=True))
            self._pipes.append(mine)

    def __enter__(self) -> Self:
        """Start the witnesses."""
        for worker in self._workers:
            worker.start()
        for pipe in self._pipes:
            _received(pipe)
        return self

    def __exit__(self, *_: object) -> None:
        """End them."""
        for worker in self._workers:
            worker.kill()
            worker.join()

    def one(self, round: int) -> Count:
        """Do one kill, and mend what it broke."""
        self._halt.clear()
        for pipe in self._pipes:
            pipe.send(("play", round))
        time.sleep(self._draw.uniform(0.5, 0.9))  # the witnesses work meanwhile
        safe_at, killed_at = self._strike()
        time.sleep(0.1)
        self._halt.set()
        steps: list[Step] = [step for pipe in self._pipes for step in _received(pipe)]
        self._fault.recover()
        ids = sorted({step.session for step in steps if step.session})
        users = sorted({step.user for step in steps})
        before = self._found(ids, users)
        for pipe in self._pipes:
            self._repeat(pipe, ids)
        after = self._found(ids, users)
        self._fault.mend()
        return count(steps, safe_at=safe_at, killed_at=killed_at, limit=LIMIT, before=before, after=after)

    def _strike(self) -> tuple[int, int]:
        """Do the fault, with the replicas behind if that was asked for.

        Returns:
            The last moment before which everything is in the snapshot and on the replicas, and when the fault was done.
        """
        safe_at = time.monotonic_ns()
        self._deployment.settle()
        if self._deployment.save is not None:
            self._deployment.save()
            time.sleep(0.2)  # what comes after the snapshot is what a restart loses
        if self._lag and self._deployment.lag is not None:
            self._deployment.lag()
            time.sleep(self._lag / 1000)
        self._fault.strike()
        killed_at = time.monotonic_ns()
        if self._lag:
            self._deployment.catch_up()
        return safe_at, killed_at

    def _repeat(self, pipe: Connection, ids: list[str]) -> None:
        """Let a witness look: it repeats its revocations first."""
        pipe.send(("look", ids))
        _received(pipe)

    def _found(self, ids: list[str], users: list[str]) -> Found:
        """Look with a client that nobody has used, and that remembers nothing."""

        def look(store: Any) -> Found:
            sights: dict[str, Sight] = finish(seen(store, ids))
            live = {user: [each.id for each in finish(store.list_user(user, now=millis()))] for user in users}
            return Found(sights=sights, live=live, epochs={user: finish(store.epoch(user)) for user in users})

        return patiently(self._deployment.plain_url, look)


def patiently(url: str, look: Callable[[Any], Found]) -> Found:
    """Look with a new client, and with another one while the store is not ready.

    Raises:
        StoreUnavailable: `SERVES` seconds passed.
    """
    deadline = time.monotonic() + SERVES
    while True:
        store: Any = opened(url, blocking=True)
        try:
            return look(store)
        except StoreUnavailable:
            if time.monotonic() > deadline:
                raise
        finally:
            finish(store.close())
        time.sleep(0.05)


def _received(pipe: Connection) -> Any:
    """Return what a witness sends.

    Raises:
        RuntimeError: it says nothing for a minute, or has died.
    """
    if not pipe.poll(60):
        raise RuntimeError("a witness says nothing")
    try:
        return pipe.recv()
    except EOFError:
        raise RuntimeError("a witness has died; its own message says why") from None
