"""What happens to a session that is being moved when something gives way in between, on every store of ours."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from coatcheck import AsyncSessions, Policy, StoreUnavailable
from coatcheck.moving.marks import RESUME
from coatcheck.stores.memory import MemoryStore
from tests.servers.redis import RedisServer
from tests.stores._postgres import Place
from tests.web._moving import KINDS, Move, Starsessions, set_cookies, told

MonkeyPatch = pytest.MonkeyPatch


class Interrupted:
    """A store whose *n*-th call fails: before it was done, or after it was done and nobody heard of it."""

    def __init__(self, store: Any) -> None:
        """Wrap *store*; nothing fails yet."""
        self._store = store
        self.left: int | None = None
        self.done_first = False

    def __getattr__(self, name: str) -> Any:
        """Return the store's own, or its verb that may fail."""
        own = getattr(self._store, name)
        if not inspect.iscoroutinefunction(own):
            return own

        async def verb(*args: Any, **options: Any) -> Any:
            fails = self._counted()
            answer = await own(*args, **options) if not fails or self.done_first else None
            if fails:
                raise StoreUnavailable("the test interrupts here")
            return answer

        return verb

    def _counted(self) -> bool:
        if self.left is None:
            return False
        self.left -= 1
        return self.left == 0


@pytest.mark.parametrize("done_first", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_an_interruption_anywhere_signs_nobody_out(kind: str, done_first: bool, monkeypatch: MonkeyPatch) -> None:
    """Issue 5.1, promise 9: wherever our store gives way the answer is 503, and the next request is signed in, once."""

    async def story(nth: int) -> bool:
        store = Interrupted(MemoryStore())
        move = Move(KINDS[kind](), monkeypatch, store=store)
        credential = await move.credential()
        async with move.browser(credential) as client:
            store.left, store.done_first = nth, done_first
            answer = await client.get("/")
            interrupted, store.left = answer.status_code != 200, None
            if interrupted:
                assert (answer.status_code, set_cookies(answer)) == (503, {})
            assert (await client.get("/")).json()["user"] == "ada"
            assert len(await move.sessions.list("ada")) == 1
            assert await move.before.holds() in {0, None}
            assert (await client.post("/act?do=logout")).status_code == 200
        assert await move.whose(credential) is None
        return interrupted

    calls = [asyncio.run(story(nth)) for nth in range(1, 20)]
    assert sum(calls) >= 8  # all but those in which the window is opened, which may wait
    assert calls[-1] is False


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_begun_is_finished_soon_or_never(kind: str, monkeypatch: MonkeyPatch) -> None:
    """Promise 2: a mark without a session is finished within minutes; later nobody knows whether there was one."""

    async def story(waits: int) -> str | None:
        store = Interrupted(MemoryStore())
        move = Move(KINDS[kind](), monkeypatch, store=store, policy=Policy(keep_ended="1h"))
        await move.whose(await move.credential("/visit"))  # the window is open
        credential = await move.credential()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(MemoryStore, "create", _none_made(MemoryStore.create))
            assert await _status(move, credential) == 503
        move.clock.advance(f"{waits}ms")
        whose: str | None = await move.whose(credential)
        return whose

    assert asyncio.run(story(RESUME - 1)) == "ada"
    assert asyncio.run(story(RESUME)) is None


def _none_made(create: Callable[..., Any]) -> Callable[..., Any]:
    """Let nobody's session be made."""

    async def verb(self: Any, record: Any, **options: Any) -> Any:
        if record.user_id is not None:
            raise StoreUnavailable("the test interrupts here")
        return await create(self, record, **options)

    return verb


async def _status(move: Move, credential: str) -> int:
    async with move.browser(credential) as client:
        return (await client.get("/")).status_code


@pytest.mark.parametrize("begun", [False, True])
def test_a_row_that_another_tab_has_just_moved(begun: bool, monkeypatch: MonkeyPatch) -> None:
    """Issue 5.1: a tab that finds the old row gone, because another one moved it meanwhile, gets the same session."""
    before = Starsessions()
    move = Move(before, monkeypatch)

    async def story() -> None:
        credential, read = await move.credential(), before.store.read
        if begun:
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(MemoryStore, "create", _none_made(MemoryStore.create))
                assert await _status(move, credential) == 503

        others: list[str] = []

        async def slow(*args: Any, **options: Any) -> bytes:
            monkeypatch.setattr(before.store, "read", read)
            others.append(await move.moved(credential))
            row: bytes = await read(*args, **options)
            return row

        monkeypatch.setattr(before.store, "read", slow)
        assert [await move.moved(credential)] == others

    told(story)


@contextmanager
def places(name: str, folder: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the URL of an empty store of ours."""
    if name == "sqlite":
        yield f"sqlite:///{folder}/sessions.db"
    elif name == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        with server.client(db=5) as client:
            client.flushdb()
        yield server.url_of(database=5)
    elif name == "cluster":
        cluster = request.getfixturevalue("redis_cluster")
        yield f"{cluster.url}?timeout=5s&prefix={folder.name}"
    else:
        place = Place(request.getfixturevalue("postgres15"), "moving")
        place.prepare()
        yield place.url


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("store", ["sqlite", "redis", "cluster", "postgres"])
def test_many_workers_make_one_session(
    store: str, kind: str, monkeypatch: MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Issue 5.1: on every store, tabs that come to four workers at once get one session; after its end none."""
    with places(store, tmp_path, request) as url:
        policy, now = Policy(keep_ended="1s", max_sessions=3), datetime.now(UTC)  # servers have clocks of their own
        move = Move(KINDS[kind](), monkeypatch, store=url, policy=policy, start=now, until="2099-12-31")
        workers: list[AsyncSessions] = [move.manager(url, move.sessions.policy) for _ in range(4)]
        apps = [move.after(worker, moving=move.moving) for worker in workers]

        async def story() -> None:
            credential, visitor = await move.credential(), await move.credential("/visit")

            async def tab(app: Any, shown: str) -> tuple[Any, Any, str | None]:
                move.app = app
                async with move.browser(shown) as client:
                    answer = await client.get("/")
                    seen = answer.json()
                    return seen["user"], seen["id"], set_cookies(answer).get("__Host-session")

            for shown, user in ((credential, "ada"), (visitor, None)):
                came = await asyncio.gather(*[tab(app, shown) for app in apps * 5])
                assert (len(set(came)), came[0][0]) == (1, user), [(e.name, e.details) for e in move.events]
                assert came[0][1] is not None
            (info,) = await workers[0].list("ada")
            assert await workers[1].revoke(info.id)
            for _ in range(2):
                again = await asyncio.gather(*[tab(app, credential) for app in apps])
                assert {who for who, _, _ in again} == {None}
                move.clock.advance("1d")
                await workers[2].sweep() if store not in {"redis", "cluster"} else None
            for worker in (*workers, move.sessions):
                await worker.aclose()

        told(story)


def test_starsessions_on_redis(redis_server: RedisServer, monkeypatch: MonkeyPatch) -> None:
    """Issue 5.1: a session that starsessions kept in Redis moves, and its key is gone; 20 tabs get one."""
    import starsessions.stores.redis
    from redis.asyncio import Redis

    async def story() -> None:
        redis = Redis.from_url(redis_server.url_of(database=6))
        move = Move(Starsessions(starsessions.stores.redis.RedisStore(connection=redis)), monkeypatch)
        credential = await move.credential()
        assert len(await redis.keys()) == 1
        came = await asyncio.gather(*[move.moved(credential) for _ in range(20)])
        assert len(set(came)) == 1
        assert await redis.keys() == []
        await move.sessions.revoke(came[0])
        assert await move.whose(credential) is None
        await redis.aclose()

    told(story)
