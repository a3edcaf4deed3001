"""A witness: a worker process of its own that signs in, commits and revokes, and writes down what it was answered."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from typing import Any, Final

from coatcheck.errors import StoreUnavailable, Unconfirmed
from coatcheck.model import Record, Tombstone
from coatcheck.stores.contract import Store
from coatcheck.testing._make import IDLE, Maker
from coatcheck.verbs import Change, Created, Limit
from torture.killing.steps import OK, UNCONFIRMED, UNKNOWN, Sight, Step

LIMIT: Final = 3
TASKS: Final = 6
PACE: Final = 0.004
"""Seconds between two steps of a task: a witness that hurries would only be busy repeating its own past."""

_LIMIT: Final = Limit(LIMIT, "evict_least_recent")


def millis() -> int:
    """Return the time of day."""
    return time.time_ns() // 1_000_000


def opened(url: str, *, blocking: bool) -> Store:
    """Return the store that *url* names."""
    if url.startswith("postgresql"):
        from coatcheck.stores.postgres.opening import open_url

        return open_url(url, blocking=blocking)
    from coatcheck.stores import from_url

    return from_url(url, blocking=blocking)


def work(url: str, number: int, seed: int, orders: Connection, halt: Event) -> None:
    """Serve orders until the pipe closes: ``("play", round)`` until *halt*, ``("look", ids, users)``."""
    asyncio.run(Witness(url, number, seed, halt).serve(orders))


class Witness:
    """One worker: a store, some tasks, and the steps they made."""

    def __init__(self, url: str, number: int, seed: int, halt: Event) -> None:
        """Open nothing yet."""
        self._store = opened(url, blocking=False)
        self._number, self._seed, self._halt = number, seed, halt
        self._steps: list[Step] = []
        self._maker: Maker | None = None

    async def serve(self, orders: Connection) -> None:
        """Say when ready, then do what is asked, one order after the other."""
        self._maker = Maker(await self._store.key(), seed=self._seed * 1000 + self._number)
        orders.send("ready")
        while True:
            try:
                order = await asyncio.to_thread(orders.recv)
            except EOFError:
                return
            if order[0] == "play":
                orders.send(await self._play(order[1]))
            else:
                orders.send(await seen(self._store, order[1]))

    async def _play(self, round: int) -> list[Step]:
        """Work until told to halt."""
        self._steps = []
        async with asyncio.TaskGroup() as group:
            for task in range(TASKS):
                group.create_task(self._task(f"r{round}-w{self._number}-t{task}", round))
        return self._steps

    async def _task(self, user: str, round: int) -> None:
        """Live one user's life, one step after the other."""
        draw = random.Random(f"{self._seed} {round} {user}")  # noqa: S311 - repeats a run
        mine: list[str] = []
        values: dict[str, int] = {}
        while not self._halt.is_set():
            chance = draw.random()
            if not mine or chance < 0.06:
                await self._sign_in(user, mine)
            elif chance < 0.93:
                await self._commit(user, draw.choice(mine), values)
            elif chance < 0.985:
                await self._revoke(user, mine.pop(draw.randrange(len(mine))))
            else:
                await self._revoke_user(user, mine)
            await asyncio.sleep(PACE)

    async def _sign_in(self, user: str, mine: list[str]) -> None:
        now = millis()
        assert self._maker is not None  # noqa: S101 - made by `serve`
        record = self._maker.record(
            user, created_at=now, last_seen_at=now, rotated_at=now, idle_expires_at=now + IDLE, expires_at=None
        )
        made = await self._step("sign_in", user, record.id, lambda: self._store.create(record, now=now, limit=_LIMIT))
        mine.append(record.id)
        if isinstance(made, Created):
            gone = {each.id for each in made.ended}
            mine[:] = [each for each in mine if each not in gone]

    async def _commit(self, user: str, id: str, values: dict[str, int]) -> None:
        value = values[id] = values.get(id, 0) + 1
        change = Change({"n": str(value).encode()})
        await self._step(
            "commit", user, id, lambda: self._store.commit(id, generation=1, change=change, now=millis()), value=value
        )

    async def _revoke(self, user: str, id: str) -> None:
        await self._step("revoke", user, id, lambda: self._store.end(id, reason="signed_out", now=millis()))

    async def _revoke_user(self, user: str, mine: list[str]) -> None:
        try:
            stale = await self._store.epoch(user)  # what a sign-in that is under way holds
        except StoreUnavailable:
            return
        mine.clear()
        await self._step(
            "revoke_user", user, "", lambda: self._store.end_user(user, reason="revoked", now=millis()), value=stale + 1
        )
        await asyncio.sleep(PACE)  # a sign-in in the same millisecond would be taken for an older one

    async def _step(
        self, verb: Any, user: str, session: str, ask: Callable[[], Awaitable[Any]], *, value: int = 0
    ) -> Any:
        """Make one step and write it down."""
        start = time.monotonic_ns()
        answer: Any = None
        try:
            answer = await ask()
            told, ended = _told(verb, answer)
        except Unconfirmed:
            told, ended = UNCONFIRMED, ()
        except StoreUnavailable:
            told, ended = UNKNOWN, ()
        self._steps.append(Step(start, time.monotonic_ns(), verb, told, user, session, value, ended))
        return answer


def _told(verb: str, answer: Any) -> tuple[str, tuple[str, ...]]:
    """Return a store's answer as a step has it: the word, and whom it ended."""
    if verb == "sign_in":
        return (OK, tuple(each.id for each in answer.ended)) if isinstance(answer, Created) else (answer.value, ())
    if verb == "commit":
        return (OK if isinstance(answer, int) else str(answer)), ()
    return OK, tuple(each.id for each in answer) if verb == "revoke_user" else ()


async def seen(store: Store, ids: Sequence[str]) -> dict[str, Sight]:
    """Look at sessions, a hundred at a time."""
    sights: dict[str, Sight] = {}
    for start in range(0, len(ids), 100):
        part = ids[start : start + 100]
        for session, found in zip(part, await store.find(part), strict=True):
            if isinstance(found, Record):
                sights[session] = Sight("live", int(found.data.get("n", b"0")))
            elif isinstance(found, Tombstone):
                sights[session] = Sight("dead", 0, found.reason)
            else:
                sights[session] = Sight("none" if found is None else "unreadable")
    return sights
