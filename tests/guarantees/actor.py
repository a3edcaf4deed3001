"""A real worker process: it prepares, acts at the last moment, looks, and dies when told to."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Awaitable
from multiprocessing.connection import Connection
from typing import Any, Self

from coatcheck.errors import StoreUnavailable, Unconfirmed
from coatcheck.stores.contract import Store
from coatcheck.testing._make import Maker
from coatcheck.verbs import Change, Created, NotCreated, Refusal, Rotation, TooLarge
from tests.guarantees.observing import LIMIT, NEW, VALUE, People, Prepared, new, now, observe, sign_in
from torture.killing.steps import OK, UNCONFIRMED, UNKNOWN
from torture.killing.witness import opened


class Actor:
    """The process, seen from the test."""

    def __init__(self, url: str, scene: str, *, forgetful: bool = False) -> None:
        """Prepare a worker on *url*; a *forgetful* one remembers no revocation, as if there were no ledger."""
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(url, scene, forgetful, theirs), daemon=True)

    def __enter__(self) -> Self:
        """Start it."""
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.kill()

    def ask(self, order: str) -> Any:
        """Have it do something and return what it tells.

        Raises:
            StoreUnavailable: the store was not there for it.
            RuntimeError: it failed, or says nothing for 40 s.
        """
        self._pipe.send(order)
        if not self._pipe.poll(40):
            raise RuntimeError(f"the worker says nothing to {order!r}")
        told = self._pipe.recv()
        if isinstance(told, Exception):
            raise told
        return told

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()
        self._process.join()


def work(url: str, scene: str, forgetful: bool, orders: Connection) -> None:
    """Serve orders until the process is killed."""
    asyncio.run(_serve(_Work(url, scene, forgetful), orders))


async def _serve(worker: _Work, orders: Connection) -> None:
    while True:
        name = await asyncio.to_thread(orders.recv)
        try:
            orders.send(await getattr(worker, name)())
        except StoreUnavailable as error:
            orders.send(StoreUnavailable(str(error)))
        except Exception as error:  # noqa: BLE001 - the test is told, whatever it was
            orders.send(RuntimeError(f"{type(error).__name__}: {error}"))


class _Work:
    """What the worker does."""

    def __init__(self, url: str, scene: str, forgetful: bool) -> None:
        self.store: Store = opened(url, blocking=False)
        if forgetful:
            self.store.link.ledger.note = lambda *_: None  # type: ignore[attr-defined]  # only Redis has one
        self.scene = scene

    async def prepare(self) -> Prepared:
        """Sign people in, long before anything happens."""
        store = self.store
        self.maker = maker = Maker(await store.key(), seed=hash(self.scene))
        people = self.people = People.of(self.scene, maker)
        committed, promoted, ended = [await sign_in(store, maker, who) for who in (people.ann, people.cat, people.ann)]
        self.rotating = new(maker, people.ann)
        assert isinstance(await store.create(self.rotating, now=now()), Created)
        self.signing = new(maker, people.ann)
        self.rotation = Rotation(
            replaces=self.rotating.secret_digest, secret_digest=maker.digest(), at=now(), nonce=None
        )
        self.prepared = Prepared(
            people=people,
            signing=self.signing.id,
            committed=committed,
            ended=ended,
            swept_out=tuple([await sign_in(store, maker, people.bob) for _ in range(2)]),
            stale=await store.epoch(people.bob),
            promoted=promoted,
            rotated=self.rotating.id,
            fresh_digest=self.rotation.secret_digest,
        )
        for _ in range(LIMIT.count):
            await sign_in(store, maker, people.dan)
        return self.prepared

    async def act(self) -> dict[str, list[str]]:
        """Do one of everything, and tell what was answered; those whose answer does not come wait together."""
        store, people = self.store, self.people
        extra = new(self.maker, people.dan)
        steps: dict[str, list[Awaitable[object]]] = {
            "sign-in": [store.create(self.signing, now=now())],
            "commit": [store.commit(self.prepared.committed, generation=1, change=Change({"n": VALUE}), now=now())],
            "revoke": [
                store.end(self.prepared.ended, reason="revoked", now=now()),
                store.end_user(people.bob, reason="revoked", now=now()),
            ],
            "privilege": [
                store.set_roles(people.cat, NEW, now=now()),
                store.rotate(
                    self.rotating.id, generation=1, rotation=self.rotation, change=Change({}), now=now()
                ),
            ],
            "limit": [store.create(extra, now=now(), limit=LIMIT)],
        }  # fmt: skip
        told = await asyncio.gather(*(_told(step) for each in steps.values() for step in each))
        answers = iter(told)
        return {verb: [next(answers) for _ in each] for verb, each in steps.items()}

    async def look(self) -> Any:
        """Look at everything through the store that acted."""
        return await observe(self.store, self.prepared)

    async def fill(self) -> int:
        """Sign somebody in as often as the limit allows, and once more; return how many are live."""
        maker = Maker(
            await self.store.key(), seed=hash(self.scene) + 1
        )  # a server that came back empty has another key
        for _ in range(LIMIT.count + 1):
            record = new(maker, self.people.dan)
            answer = await self.store.create(record, now=now(), limit=LIMIT)
            assert isinstance(answer, Created), answer
        return len(await self.store.list_user(self.people.dan, now=now()))  # type: ignore[attr-defined]


async def _told(step: Awaitable[object]) -> str:
    """Wait for a step and return its answer in a word."""
    try:
        answer = await step
    except Unconfirmed:
        return UNCONFIRMED
    except StoreUnavailable:
        return UNKNOWN
    return str(answer) if isinstance(answer, (Refusal, NotCreated, TooLarge)) else OK
