"""What every test of the conformance suite stands on: the stores, an event loop, and the capabilities."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from typing import Any, Final, Literal, Self, TypeAlias, TypeVar, cast

import pytest

from coatcheck.model import Found, Millis, Record, Tombstone
from coatcheck.stores.contract import Browses, Capability, Counters, Leases, Lists, Sides, Store, Sweeps
from coatcheck.testing._make import NOW, Maker
from coatcheck.testing.giving_way import yielding
from coatcheck.verbs import Created, Limit, Replacing

T = TypeVar("T")

PLENTY: Final = 1_000_000
"""More tombstones than any test makes: a sweep forgets none for their number."""

Kind: TypeAlias = Literal["newer", "damaged"]
"""Why a session cannot be read: a newer release wrote it, or it is damaged."""

Plant: TypeAlias = Callable[[str, Kind], None]
"""Makes the stored session of an id unreadable, behind the store's back."""

OpenStore: TypeAlias = Callable[..., Store]
"""Returns a new store object. Called again in one test, it returns another one over the same data, if the store is
persistent or shared. It may take a keyword ``tenant``; then the suite also tests that tenants are apart."""


class Bench:
    """One test's stores and its event loop. Everything opened here is closed when the test ends."""

    def __init__(self, open_store: OpenStore, plant: Plant | None = None) -> None:
        """Open the first store."""
        self.open_store = open_store
        self._plant = plant
        self._runner = asyncio.Runner()
        self._opened: list[Store] = []
        self.store = self.another()
        self.make = Maker(self.run(self.store.key()))

    def __enter__(self) -> Self:
        """Return the bench, ready."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the stores and the loop."""
        try:
            for store in self._opened:
                self.run(store.close())
        finally:
            self._runner.close()

    def another(self, **options: str) -> Store:
        """Open one more store object."""
        store = self.open_store(**options)
        self._opened.append(store)
        return store

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end on this test's event loop."""
        return self._runner.run(coroutine)

    def clients(self, count: int) -> list[Store]:
        """Return *count* clients for a race: verbs give way, and a shared store is reached through two objects."""
        stores = [self.store, self.another()] if self.store.traits.shared else [self.store]
        return [yielding(stores[number % len(stores)], seed=number) for number in range(count)]

    def capable_clients(self, count: int) -> list[Any]:
        """Like `clients`, for verbs of a capability; ask for the capability first, so that the test is skipped."""
        return list(self.clients(count))

    @property
    def takes_tenants(self) -> bool:
        """Whether ``open_store`` takes a tenant."""
        return "tenant" in inspect.signature(self.open_store).parameters

    @property
    def lists(self) -> Lists:
        """The store, if it lists; otherwise the test is skipped. So with the other capabilities."""
        return cast("Lists", self._capable(Capability.LIST))

    @property
    def browses(self) -> Browses:
        """The store, if it browses."""
        return cast("Browses", self._capable(Capability.BROWSE))

    @property
    def sweeps(self) -> Sweeps:
        """The store, if it sweeps."""
        return cast("Sweeps", self._capable(Capability.SWEEP))

    @property
    def sides(self) -> Sides:
        """The store, if it keeps side records."""
        return cast("Sides", self._capable(Capability.SIDE))

    @property
    def leases(self) -> Leases:
        """The store, if it leases."""
        return cast("Leases", self._capable(Capability.LEASE))

    @property
    def counters(self) -> Counters:
        """The store, if it counts."""
        return cast("Counters", self._capable(Capability.COUNTERS))

    def _capable(self, capability: Capability) -> Store:
        if capability not in self.store.traits.capabilities:
            pytest.skip(f"store does not declare {capability.name}")
        return self.store

    def plant(self, id: str, kind: Kind) -> None:
        """Make a session unreadable, if the store's test file knows how; otherwise the test is skipped."""
        if self._plant is None:
            pytest.skip("the test file has no fixture plant")
        self._plant(id, kind)

    async def found(self, id: str) -> Found:
        """Return what the store knows of one id."""
        [row] = await self.store.find([id])
        return row

    async def live(self, id: str) -> Record:
        """Return a record that must be there."""
        row = await self.found(id)
        assert isinstance(row, Record), f"expected a live record, found {row!r}"
        return row

    async def add(self, user_id: str | None = None, **fields: Any) -> Record:
        """Make a record, insert it without a limit, and return it as stored."""
        return await self.sign_in(self.make.record(user_id, **fields))

    async def sign_in(self, record: Record, limit: Limit | None = None, replacing: Replacing | None = None) -> Record:
        """Insert a record that must be accepted, and return it as stored."""
        answer = await self.store.create(record, now=NOW, limit=limit, replacing=replacing)
        assert isinstance(answer, Created), f"expected the session to be made, got {answer!r}"
        return answer.record


async def all_at_once(verbs: list[Awaitable[T]]) -> list[T]:
    """Start everything before anything is finished, and return the answers in order."""
    return list(await asyncio.gather(*verbs))


async def sweep_all(
    sweeps: Sweeps, now: Millis, *, limit: int = 7, forget_before: Millis = 0, max_ended: int = PLENTY
) -> list[Tombstone]:
    """Sweep in batches for as long as there is more, and return what that ended."""
    swept: list[Tombstone] = []
    for _ in range(100):
        buried = await sweeps.sweep(now=now, limit=limit, forget_before=forget_before, max_ended=max_ended)
        assert len(buried.ended) <= limit
        swept += buried.ended
        if not buried.more:
            return swept
    pytest.fail("sweep never comes to an end")


def only(rows: Iterable[T]) -> T:
    """Return the one row that there must be."""
    found = list(rows)
    assert len(found) == 1, f"expected exactly one, got {len(found)}"
    return found[0]


def on_loop(story: Callable[[Any, Bench], Coroutine[Any, Any, None]]) -> Callable[[Any, Bench], None]:
    """Make a plain test of a coroutine: it runs on the bench's event loop, so no pytest plugin is needed."""

    @functools.wraps(story)
    def test(self: Any, bench: Bench) -> None:
        bench.run(story(self, bench))

    return test


class ContractBase:
    """The fixtures that the parts of the suite share."""

    @pytest.fixture
    def open_store(self) -> OpenStore:
        """Give the store under test: the one fixture that a subclass overrides."""
        pytest.fail("override the fixture open_store: it returns a function that returns a store")

    @pytest.fixture
    def plant(self) -> Plant | None:
        """Give nothing: a subclass may override it with a function that makes a session unreadable."""
        return None

    @pytest.fixture
    def bench(self, open_store: OpenStore, plant: Plant | None) -> Iterator[Bench]:
        """Open a store for one test and close it afterwards."""
        with Bench(open_store, plant) as bench:
            yield bench
