"""The asyncio client of the PostgreSQL store: shared round trips, one event loop, callers that leave."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from coatcheck.errors import WrongEventLoop
from coatcheck.model import Found, Record
from coatcheck.stores.postgres import asynchronous
from coatcheck.testing._make import NOW, Maker, put
from coatcheck.verbs import Created
from tests.servers.postgres import PostgresServer
from tests.servers.process import wait_for
from tests.stores._postgres import Place, waiting


@pytest.fixture
def place(postgres15: PostgresServer) -> Place:
    """Give an empty schema."""
    place = Place(postgres15, "asynchronous")
    place.prepare()
    return place


def test_look_ups_of_one_tick_share_a_round_trip(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """64 requests at once are one statement, and each has its own answer, in its own order (the design's speed)."""
    asked: list[int] = []
    ask = asynchronous._Home.ask_many

    async def counted(home: asynchronous._Home, ids: Sequence[str]) -> dict[str, Found]:
        asked.append(len(ids))
        return await ask(home, ids)

    monkeypatch.setattr(asynchronous._Home, "ask_many", counted)

    async def story() -> None:
        store = place.asynchronous()
        make = Maker(await store.key())
        records = [make.record("ann") for _ in range(63)]
        for record in records:
            assert isinstance(await store.create(record, now=NOW), Created)
        wanted = [[record.id, make.id()] for record in records]
        answers = await asyncio.gather(*[store.find(ids) for ids in wanted], store.find([records[0].id]))
        assert [answer[0] for answer in answers] == [*records, records[0]]
        assert all(answer[1:] in ([None], []) for answer in answers)
        assert asked == [126]
        assert await store.find([records[0].id]) == [records[0]]
        assert asked == [126, 1]
        await store.close()

    asyncio.run(story())


def test_a_caller_that_leaves_takes_nobody_along(place: Place) -> None:
    """A cancelled look-up or change leaves the store as well as it was for all others."""

    async def story() -> None:
        store = place.asynchronous(pool="2")
        record = Maker(await store.key()).record("ann")
        await store.create(record, now=NOW)
        for _ in range(10):
            verbs = [store.find([record.id]), store.commit(record.id, generation=1, change=put(a=b"1"), now=NOW)]
            tasks = [asyncio.ensure_future(verb) for verb in verbs]
            staying = asyncio.ensure_future(store.find([record.id]))
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            [found] = await staying
            assert isinstance(found, Record)
        assert isinstance(await store.commit(record.id, generation=1, change=put(b=b"1"), now=NOW), int)
        await store.close()

    asyncio.run(story())


def test_the_first_event_loop_owns_the_store(place: Place) -> None:
    """A second loop is told so while the first one runs, and may have the store when that is closed."""
    store = place.asynchronous()

    async def use() -> None:
        await store.clock()

    def elsewhere(errors: list[BaseException]) -> None:
        try:
            asyncio.run(use())
        except WrongEventLoop as error:
            errors.append(error)

    async def story() -> None:
        await use()
        errors: list[BaseException] = []
        await asyncio.to_thread(lambda: threading.Thread(target=elsewhere, args=(errors,)).run())
        assert len(errors) == 1
        await use()

    asyncio.run(story())
    asyncio.run(use())
    asyncio.run(store.close())


def test_a_look_up_that_waits_while_the_store_is_closed_reopens_nothing(place: Place) -> None:
    """It is answered, on a connection that is closed behind it; the store stays closed until it is used again."""
    place.url += "&application_name=late"

    async def story() -> None:
        store = place.asynchronous()
        await store.open()
        lock = place.server.connect(autocommit=False)
        lock.execute(b"LOCK TABLE asynchronous.coatcheck_sessions")
        looks = [asyncio.ensure_future(store.find(["0" + "A" * 25]))]
        await asyncio.to_thread(wait_for, lambda: waiting(place, "coatcheck_sessions"), what="the look-up to wait")
        looks.append(asyncio.ensure_future(store.find(["0" + "B" * 25])))
        await asyncio.sleep(0)
        await store.close()
        lock.close()
        assert await asyncio.gather(*looks) == [[None], [None]]
        assert store._home is None
        left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'late'"
        await asyncio.to_thread(wait_for, lambda: place.execute(left) == [(0,)], what="every connection to be closed")

    asyncio.run(story())
