"""Two managers, one set of verbs; and the worlds that each of them belongs to."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Generator
from typing import Any, get_type_hints

import pytest

from coatcheck import AsyncSession, AsyncSessions, BlockingSession, ConfigurationError, Policy, Sessions, WrongEventLoop
from coatcheck.runtime import finish
from coatcheck.stores import SCHEMES, VARIABLES, url_from_env
from coatcheck.stores.memory import MemoryStore
from coatcheck.testing import FrozenClock, yielding
from tests.fast.conftest import Build

ONLY_ASYNC = {"aclose", "sweep_for_ever", "count_for_ever"}
"""Closing is named as asyncio names it; a blocking program has no task to sweep in."""
ONLY_BLOCKING = {"close"}


def public(kind: type[Any]) -> dict[str, Any]:
    """Return a class's public attributes, inherited ones included."""
    return {name: inspect.getattr_static(kind, name) for name in dir(kind) if not name.startswith("_")}


def shape(member: Any) -> object:
    """Return what a caller must know of a member: its parameters, or that it is a property."""
    function = getattr(member, "__func__", member)
    if not inspect.isfunction(function):
        return type(member)
    return [(each.name, each.kind, each.default) for each in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize(
    ("asynchronous", "blocking", "more", "less"),
    [(AsyncSessions, Sessions, ONLY_ASYNC, ONLY_BLOCKING), (AsyncSession, BlockingSession, set(), set())],
)
def test_same_verbs(asynchronous: Any, blocking: Any, more: set[str], less: set[str]) -> None:
    """Section 3 of the design: both managers and both sessions have the same public names with the same parameters."""
    left, right = public(asynchronous), public(blocking)
    assert left.keys() - right.keys() == more
    assert right.keys() - left.keys() == less
    for name in left.keys() & right.keys():
        assert shape(left[name]) == shape(right[name]), name


@pytest.mark.parametrize(("asynchronous", "blocking"), [(AsyncSessions, Sessions), (AsyncSession, BlockingSession)])
def test_same_answers(asynchronous: Any, blocking: Any) -> None:
    """Section 3 of the design: where one is awaited the other is called, and both answer the same types."""
    for name, member in public(blocking).items():
        if not inspect.isfunction(member) or name in ONLY_BLOCKING:
            continue
        twin = inspect.getattr_static(asynchronous, name)
        hints = [get_type_hints(each).get("return") for each in (twin, member)]
        named = [str(hint).replace("AsyncSession", "BlockingSession") for hint in hints]
        assert named[0] == named[1], name


def test_manager_verbs_mirror_the_sessions(build: Build) -> None:
    """S-102: login, logout and rotate may be called on the manager too, and take everything that the session's take."""
    for kind, session in ((AsyncSessions, AsyncSession), (Sessions, BlockingSession)):
        for verb in ("login", "logout", "rotate"):
            mine = list(inspect.signature(getattr(kind, verb)).parameters)
            theirs = list(inspect.signature(getattr(session, verb)).parameters)
            assert [name for name in mine if name != "session"] == theirs
    world = build()
    session = world.load()
    world.run(world.sessions.login(session, "ada"))
    world.run(world.sessions.rotate(session))
    assert session.user_id == "ada"
    world.run(world.sessions.logout(session))
    assert session.user_id is None


def test_two_running_loops_are_refused() -> None:
    """Section 3 of the design: an AsyncSessions belongs to the first running loop and says so to another."""
    sessions = AsyncSessions(MemoryStore(), clock=FrozenClock())
    used, release = threading.Event(), threading.Event()

    async def first() -> None:
        await sessions.epoch("ada")
        used.set()
        await asyncio.get_running_loop().run_in_executor(None, release.wait, 10)

    thread = threading.Thread(target=asyncio.run, args=(first(),))
    thread.start()
    try:
        assert used.wait(10)
        with pytest.raises(WrongEventLoop, match="one AsyncSessions for"):
            asyncio.run(_sign_in(sessions))
    finally:
        release.set()
        thread.join()


async def _sign_in(sessions: AsyncSessions) -> str | None:
    session = await sessions.load(None)
    await session.login("ada")
    await session.transaction(lambda data: data.update(n=1))
    return (await sessions.save(session)).token


def test_loops_one_after_the_other_work() -> None:
    """Section 3 of the design: a loop that was closed gives way to the next, as in test suites."""
    sessions = AsyncSessions(MemoryStore(), clock=FrozenClock())
    tokens = [asyncio.run(_sign_in(sessions)) for _ in range(3)]

    async def users() -> list[str | None]:
        return [(await sessions.load(token)).user_id for token in tokens]

    assert asyncio.run(users()) == ["ada"] * 3


def test_context_managers_open_and_close() -> None:
    """Section 4 of the design: with and async with open the store and let go of it."""

    async def inside() -> None:
        async with AsyncSessions(MemoryStore()) as sessions:
            assert await sessions.count() == 0

    asyncio.run(inside())
    with Sessions(MemoryStore()) as sessions:
        assert sessions.count() == 0


def test_finish_returns_and_raises() -> None:
    """Section 3 of the design: a coroutine that never suspends is finished in one step, its errors passed on."""

    async def double(number: int) -> int:
        return number * 2

    async def fail() -> None:
        raise ZeroDivisionError

    assert finish(double(21)) == 42
    with pytest.raises(ZeroDivisionError):
        finish(fail())


class _Suspends:
    def __await__(self) -> Generator[None, None, None]:
        yield


def test_finish_refuses_and_closes_what_suspends() -> None:
    """Section 3 of the design: a coroutine that really suspends is an error, and is closed, its cleanup run."""
    cleaned: list[bool] = []

    async def suspend() -> None:
        try:
            await _Suspends()
        finally:
            cleaned.append(True)

    coroutine = suspend()
    with pytest.raises(RuntimeError, match="blocking=True"):
        finish(coroutine)
    assert cleaned == [True]
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED


def test_blocking_manager_refuses_an_asyncio_store() -> None:
    """Section 3 of the design: a store that suspends is refused when the manager is built, with the way out."""
    with pytest.raises(ConfigurationError, match="use AsyncSessions, or give Sessions the URL"):
        Sessions(yielding(MemoryStore()))


@pytest.mark.parametrize("kind", [AsyncSessions, Sessions])
def test_from_env(kind: Any) -> None:
    """Section 4 of the design: COATCHECK_STORE before REDIS_URL before DATABASE_URL before a SQLite file."""
    assert VARIABLES == ("COATCHECK_STORE", "REDIS_URL", "DATABASE_URL")
    env = {"COATCHECK_STORE": "memory://", "REDIS_URL": "nonsense://", "DATABASE_URL": "nonsense://"}
    sessions = kind.from_env(env, policy=Policy.critical())
    assert (sessions.store.traits.name, sessions.policy) == ("memory", Policy.critical())
    assert kind.from_env({}).store.traits.name == "sqlite"
    assert kind.from_env({"DATABASE_URL": " memory:// "}).store.traits.name == "memory"
    assert url_from_env({"COATCHECK_STORE": " ", "REDIS_URL": "", "DATABASE_URL": "memory://x"}) == "memory://x"


SECRET = "hunter2"
BAD_URLS = [
    f"mysql://user:{SECRET}@db/app", f"nonsense://:{SECRET}@cache:6379/0", f"{SECRET}@cache:6379/0", SECRET,
    f"user:{SECRET}@cache", f":{SECRET}@cache", f"sqlite://user:{SECRET}@h/x", f"sqlite:{SECRET}", f"/{SECRET}:x",
    f"sqlite:///a?key={SECRET}", f"{SECRET}:pass@host",
]  # fmt: skip


@pytest.mark.parametrize("url", BAD_URLS)
@pytest.mark.parametrize("name", VARIABLES)
def test_bad_url_is_refused_unprinted(name: str, url: str) -> None:
    """Section 4 of the design: a URL that cannot be used is an error, and never printed: it may hold a password."""
    env = {name: url, **dict.fromkeys(VARIABLES[VARIABLES.index(name) + 1 :], "memory://")}
    with pytest.raises(ConfigurationError) as caught:
        Sessions.from_env(env)
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value.faults)


def test_unknown_scheme_names_the_variable_and_what_there_is() -> None:
    """Section 4 of the design: the refusal names the variable, the scheme and every scheme that can be opened."""
    with pytest.raises(ConfigurationError) as caught:
        Sessions.from_env({"DATABASE_URL": f"oracle://user:{SECRET}@db"})
    for part in ("DATABASE_URL", "oracle://", *(f"{scheme}://" for scheme in SCHEMES)):
        assert part in str(caught.value)


@pytest.mark.parametrize("tenant", ["a b", "a/b", "é", "x" * 65, "..", "a\0", "-"])
def test_bad_tenant_is_refused(build: Build, tenant: str) -> None:
    """Section 3 of the design: a tenant that could be mistaken for another is refused."""
    with pytest.raises(ConfigurationError, match="tenant="):
        build(tenant=tenant)


@pytest.mark.parametrize("kind", [AsyncSessions, Sessions])
def test_repr_shows_no_url(kind: Any) -> None:
    """Promise 7: a manager prints its store's name and nothing of its URL."""
    assert repr(kind(f"sqlite:///{SECRET}.db")) == f"<{kind.__name__} on sqlite>"
