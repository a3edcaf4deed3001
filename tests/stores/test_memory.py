"""The memory store: the contract, plain and giving way, and what is its own."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from coatcheck.model import Record, Tombstone
from coatcheck.stores import _memory_rows
from coatcheck.stores.contract import EPOCH_KEPT
from coatcheck.stores.memory import MemoryStore
from coatcheck.testing._make import IDLE, MINUTE, NOW, Maker, active
from coatcheck.testing.contract import OpenStore, StoreContract
from coatcheck.testing.giving_way import yielding
from coatcheck.verbs import Change, Created, Limit

T = TypeVar("T")


class TestMemoryStore(StoreContract):
    """Memory: the reference keeps the contract."""

    @pytest.fixture
    def open_store(self) -> OpenStore:
        """Give memory stores."""
        return lambda tenant="": MemoryStore(tenant=tenant)


class TestYieldingMemoryStore(StoreContract):
    """Memory, with other tasks around every verb."""

    @pytest.fixture
    def open_store(self) -> OpenStore:
        """Give memory stores that give way."""
        return lambda: yielding(MemoryStore(), seed=7)


def now(coroutine: Coroutine[Any, Any, T]) -> T:
    """Finish a verb of a blocking store in one step."""
    with pytest.raises(StopIteration) as stop:
        coroutine.send(None)
    answer: T = stop.value.value
    return answer


@pytest.fixture
def store() -> MemoryStore:
    """Give an empty store."""
    return MemoryStore()


@pytest.fixture
def make(store: MemoryStore) -> Maker:
    """Give a maker of records for it."""
    return Maker(now(store.key()))


@pytest.fixture
def impatient_threads() -> Iterator[None]:
    """Let threads change as often as the interpreter can, so that a missing lock shows."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def in_threads(count: int, work: Callable[[int], None]) -> None:
    """Run *work* in *count* threads that start together, and raise what any of them raised."""
    start = threading.Barrier(count)

    def begin(number: int) -> None:
        start.wait()
        work(number)

    with ThreadPoolExecutor(count) as pool:
        for future in [pool.submit(begin, number) for number in range(count)]:
            future.result()


@pytest.mark.usefixtures("impatient_threads")
class TestThreads:
    """A lock around each verb makes the store safe under threads."""

    def test_a_limit_holds_under_threads(self, store: MemoryStore, make: Maker) -> None:
        """240 sign-ins from eight threads with a limit of 5 leave five sessions (promise 4, S-51)."""
        records = [make.record("alice") for _ in range(240)]

        def work(number: int) -> None:
            for record in records[number::8]:
                assert isinstance(now(store.create(record, now=NOW, limit=Limit(5, "evict_oldest"))), Created)

        in_threads(8, work)
        assert len(now(store.list_user("alice", now=NOW))) == 5
        assert len(now(store.list_ended("alice", limit=999))) == 235

    def test_no_update_is_lost_under_threads(self, store: MemoryStore, make: Maker) -> None:
        """800 commits from eight threads to keys of their own are all there (promise 3)."""
        record = make.record("alice")
        now(store.create(record, now=NOW))

        def work(number: int) -> None:
            for count in range(100):
                change = Change({f"{number}-{count}": b""})
                assert isinstance(now(store.commit(record.id, generation=1, change=change, now=NOW)), int)

        in_threads(8, work)
        [found] = now(store.find([record.id]))
        assert isinstance(found, Record)
        assert (len(found.data), found.version) == (800, 801)

    def test_a_session_never_vanishes_while_it_ends(self, store: MemoryStore, make: Maker) -> None:
        """A read without the lock sees the record or its tombstone, never neither (promise 2)."""
        records = [make.record("alice") for _ in range(400)]
        for record in records:
            now(store.create(record, now=NOW))

        def work(number: int) -> None:
            for record in records:
                if number == 0:
                    now(store.end(record.id, reason="revoked", now=NOW))
                else:
                    assert now(store.find([record.id])) != [None]

        in_threads(3, work)
        assert len(now(store.list_ended("alice", limit=999))) == 400


class TestItsOwn:
    """What the memory store promises beyond the contract."""

    def test_what_it_hands_out_cannot_be_changed(self, store: MemoryStore, make: Maker) -> None:
        """Data from `create`, `find`, `rotate` and lists is read-only, also after a commit (promise 3)."""
        record = make.record("alice", data={"a": b"1"})
        made = now(store.create(record, now=NOW))
        now(store.commit(record.id, generation=1, change=Change({"b": b"2"}), now=NOW))
        rotated = now(
            store.rotate(record.id, generation=1, rotation=make.rotation(record), change=Change({"c": b"3"}), now=NOW)
        )
        assert isinstance(made, Created)
        [found] = now(store.find([record.id]))
        for row in (made.record, rotated, found, *now(store.list_user("alice", now=NOW))):
            assert isinstance(row, Record)
            with pytest.raises(TypeError, match="does not support item assignment"):
                row.data["a"] = b"x"  # type: ignore[index]

    def test_ended_sessions_do_not_pile_up_before_their_deadline(self, store: MemoryStore, make: Maker) -> None:
        """10,000 sign-ins and sign-outs, swept while there is more, leave rows, indexes and deadlines bounded."""
        for _ in range(10_000):
            record = make.record(make.digest().hex())
            now(store.create(record, now=NOW))
            now(store.end(record.id, reason="signed_out", now=NOW))
        calls = 1
        while now(store.sweep(now=NOW, limit=10, forget_before=0, max_ended=100)).more:
            calls += 1
        assert calls == 100, "each forgets a hundred; the last has none left"
        rows = store._rows
        kept = [rows.live, rows.ended, rows._live_of, rows._ended_of, rows._ends, store._sides]
        assert [len(each) for each in kept] == [0, 100, 0, 100, 100, 0]
        assert len(rows._deadlines) <= 1_000

    def test_a_sweep_looks_at_a_bounded_number_of_deadlines(
        self, store: MemoryStore, make: Maker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Renewed sessions are filed again a slice at a time; the next sweep goes on where this one stopped."""
        monkeypatch.setattr(_memory_rows, "_FILED_AGAIN", 10)
        for _ in range(25):
            record = make.record()
            now(store.create(record, now=NOW))
            now(store.touch(record.id, generation=1, seen=active(NOW + MINUTE), now=NOW))
        over = make.record(idle_expires_at=NOW + IDLE)
        now(store.create(over, now=NOW))
        swept: list[Tombstone] = []
        for filed_again in (11, 22, 25):
            buried = now(store.sweep(now=NOW + IDLE, limit=1, forget_before=0, max_ended=9))
            assert buried.more or filed_again == 25
            swept += buried.ended
            assert sum(due > NOW + IDLE for due, _ in store._rows._deadlines) <= filed_again
        assert [row.id for row in swept] == [over.id]
        assert all(due > NOW + IDLE for due, _ in store._rows._deadlines)
        assert not now(store.sweep(now=NOW + IDLE, limit=1, forget_before=0, max_ended=9)).more

    def test_old_epochs_are_forgotten_while_there_is_more(self, store: MemoryStore) -> None:
        """Users whose last raise lies long ago leave nothing behind, however many they are."""
        for number in range(25):
            now(store.end_user(f"user-{number}", reason="revoked", now=NOW))
        more = [
            now(store.sweep(now=NOW, limit=1, forget_before=NOW + EPOCH_KEPT + 1, max_ended=9)).more for _ in range(3)
        ]
        assert more == [True, True, False]
        assert store._epochs._users == {}

    def test_its_repr_counts(self, store: MemoryStore, make: Maker) -> None:
        """The repr says how much there is (promise 7)."""
        now(store.create(make.record("alice"), now=NOW))
        assert repr(store) == "MemoryStore(live=1, ended=0)"

    def test_two_stores_have_two_keys(self) -> None:
        """A key is random, not fixed (ASVS 11.5.1)."""
        assert now(MemoryStore().key()) != now(MemoryStore().key())
