"""Coroutines of verbs that are passed on, kept, cancelled or dropped by an error make no answer an error."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import anyio
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException
from starlette.testclient import TestClient

from coatcheck import AsyncSession, AsyncSessions
from coatcheck.web.fastapi import CurrentSession, SessionMiddleware, SignedIn
from tests.web._site import LOCAL
from tests.web.test_forgotten_await import NoRowsError, Site, raised, with_page

Use = Callable[[AsyncSession], Awaitable[Any]]


async def other(_value: Any) -> None:
    """Do something else meanwhile."""


async def an_anonymous_visitor(session: AsyncSession) -> None:
    """Look at the user where nobody is signed in."""
    await asyncio.gather(session.save(), other(session.user.id))


async def a_refused_query(session: AsyncSession) -> None:
    """Refuse what was asked, in an argument."""
    await asyncio.gather(session.save(), other(raised(HTTPException(422))))


async def a_fallback(session: AsyncSession) -> str:
    """Handle the error, which is over when the answer leaves."""
    try:
        await asyncio.wait_for(session.save(), timeout=float("x"))
    except ValueError:
        return "fallback"
    return "saved"


async def an_iterator_that_fails(session: AsyncSession) -> None:
    """Fail on the way through a generator."""

    def ids() -> Iterator[int]:
        yield 1
        raise NoRowsError

    await asyncio.gather(*(session.save() for _ in ids()))


async def a_named_coroutine(session: AsyncSession) -> str:
    """Lose a coroutine that has a name to an error."""

    async def attempt() -> None:
        saving = session.save()
        float("x")
        await saving

    try:
        await attempt()
    except ValueError:
        return "fallback"
    return "saved"


async def a_cancelled_group(session: AsyncSession) -> str:
    """Cancel a group whose tasks wait for their turn, and never begin."""
    turn = asyncio.Semaphore(1)

    async def in_turn(work: Awaitable[None]) -> None:
        async with turn:
            await asyncio.sleep(0)
            await work

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(in_turn(session.save()))
            group.create_task(session.save())
            raised(ValueError())
    except* ValueError:
        pass
    return "cancelled"


@pytest.mark.filterwarnings("ignore:coroutine 'AsyncSession.save' was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:coroutine 'a_cancelled_group.<locals>.in_turn' was never:RuntimeWarning")
@pytest.mark.parametrize(
    ("use", "status"),
    [
        (an_anonymous_visitor, 401),
        (a_refused_query, 422),
        (a_fallback, 200),
        (an_iterator_that_fails, 404),
        (a_named_coroutine, 200),
        (a_cancelled_group, 200),
    ],
)
def test_a_coroutine_that_an_error_dropped_is_pythons_matter(
    use: Use, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """An error beside a verb that is awaited stays that error, and the log accuses nobody of a forgotten ``await``."""
    assert with_page(Site(use)).post().status_code == status
    assert "without await" not in caplog.text


def test_an_error_beside_a_task_gets_no_line() -> None:
    """What a task holds is not in the notes of an error that ends the request."""
    tasks: list[asyncio.Task[None]] = []

    async def use(session: AsyncSession) -> None:
        tasks.append(asyncio.create_task(session.save()))
        raise KeyError("ada")

    assert Site(use).told() == "KeyError: 'ada'\n"
    assert tasks[0].done()


def test_others_may_await_later() -> None:
    """Tasks, task groups, dependencies and background jobs run verbs, now or after the answer."""
    sessions = AsyncSessions("memory://")
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=sessions)
    done: list[str] = []

    async def noted(work: Awaitable[Any], name: str) -> None:
        await work
        done.append(name)

    @app.post("/")
    async def home(
        session: CurrentSession,
        tasks: BackgroundTasks,
        live: int = Depends(sessions.count),  # noqa: FAST002 - an annotation cannot name what is local
    ) -> int:
        async with anyio.create_task_group() as group:
            group.start_soon(session.login, "ada")
        await asyncio.gather(session.rotate(), asyncio.wait_for(session.save(), 5))
        cancelled = asyncio.create_task(session.logout())
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        session.logout().close()
        tasks.add_task(session.save)
        tasks.add_task(noted, session.save(), "the background job")
        app.state.task = asyncio.create_task(session.save())
        return live

    @app.get("/who")
    async def who(user: SignedIn) -> str:
        await app.state.task
        return user.id

    with TestClient(app, base_url=LOCAL, headers={"origin": LOCAL}) as client:
        assert (client.post("/").json(), client.get("/who").json()) == (0, "ada")
    assert done == ["the background job"]


def test_what_a_list_keeps_is_not_forgotten() -> None:
    """Code of C may keep what the caller's next instruction seems to throw away."""
    kept: list[Any] = []

    async def use(session: AsyncSession) -> int:
        await session.login("ada")
        kept.extend(map(session.transaction, (len, len)))
        return await kept.pop()  # type: ignore[no-any-return]

    answer = Site(use).post()
    assert (answer.status_code, answer.json(), len(kept)) == (200, 0, 1)
    kept.pop().close()


def test_the_watch_ends_with_the_answer() -> None:
    """A session that outlives its request has verbs like any other: Python warns."""
    kept: list[AsyncSession] = []

    async def use(session: AsyncSession) -> None:
        kept.append(session)

    assert Site(use).post().status_code == 200
    with pytest.warns(RuntimeWarning, match=r"coroutine 'AsyncSession\.save' was never awaited"):
        kept.pop().save()  # type: ignore[unused-coroutine]


@pytest.mark.parametrize("verb", ["sweep", "revoke_all", "count"])
def test_the_managers_verbs_are_pythons_matter(verb: str) -> None:
    """A manager's forgotten await is told by Python, which names the verb; the answer is as it is."""
    site = Site(lambda _session: getattr(site.sessions, verb)() and None)
    with pytest.warns(RuntimeWarning, match=rf"coroutine 'AsyncSessions\.{verb}' was never awaited"):
        assert site.post().status_code == 200


def test_a_wrong_call_is_told_with_the_verbs_name() -> None:
    """An argument that a verb does not have is a TypeError with the verb's name, in a request too."""

    async def use(session: AsyncSession) -> None:
        await session.login("ada", role="admin")  # type: ignore[call-arg]

    assert (
        Site(use)
        .told()
        .startswith(
            "TypeError: AsyncSession.login() got an unexpected keyword argument 'role'",
        )
    )


# -- what frameworks and doubles see

FRESH = """
import asyncio, inspect, sys
from unittest.mock import MagicMock, create_autospec
from coatcheck import AsyncSession, AsyncSessions

verbs = ("login", "logout", "rotate", "save", "transaction")
args = {"login": ("ada",), "transaction": (len,)}
assert inspect.iscoroutinefunction(AsyncSessions.sweep) and inspect.iscoroutinefunction(AsyncSession.login)
for double in (MagicMock(spec=AsyncSessions), create_autospec(AsyncSessions, instance=True)):
    double.revoke_user.return_value = 3
    assert asyncio.run(double.revoke_user("ada")) == 3
for double in (MagicMock(spec=AsyncSession), create_autospec(AsyncSession, instance=True)):
    for verb in verbs:
        assert inspect.isawaitable(work := getattr(double, verb)(*args.get(verb, ()))), verb
        work.close()

import coatcheck.web.starlette
from coatcheck.awaiting import AsyncSession as Watched

assert inspect.iscoroutinefunction(AsyncSessions.sweep) and inspect.iscoroutinefunction(AsyncSession.login)
for verb in verbs:
    assert asyncio.iscoroutinefunction(getattr(Watched, verb)), verb
    assert inspect.iscoroutinefunction(getattr(Watched, verb)) or sys.version_info < (3, 12), verb
    assert inspect.signature(getattr(Watched, verb)) == inspect.signature(getattr(AsyncSession, verb)), verb
assert inspect.isawaitable(work := MagicMock(spec=Watched).login("ada"))
work.close()
"""

UNKNOWN = """
import sys
{change}
from coatcheck import AsyncSession
import coatcheck.web.starlette
from coatcheck.awaiting import VERBS, AsyncSession as Watched

assert all(getattr(Watched, verb) is getattr(AsyncSession, verb) for verb in VERBS)
"""


@pytest.mark.parametrize(
    "code",
    [
        FRESH,
        UNKNOWN.format(change="del sys.getrefcount"),
        UNKNOWN.format(change="sys.implementation.name = 'pypy'"),
    ],
    ids=["coroutine functions", "without reference counts", "another Python"],
)
def test_verbs_are_coroutine_functions(code: str) -> None:
    """Frameworks and doubles see what to await; where the watch is impossible, the verbs are the plain ones."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, text=True)
    assert (done.returncode, done.stderr) == (0, "")
