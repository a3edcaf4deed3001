"""A verb whose ``await`` was forgotten makes the answer an error with the line to write; nothing else is refused."""

from __future__ import annotations

import asyncio
import gc
import inspect
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI
from starlette.testclient import TestClient

from coatcheck import AsyncSession, AsyncSessions, NotAwaited
from coatcheck.awaiting import current
from coatcheck.web.fastapi import CurrentSession, SessionMiddleware, SignedIn
from tests.web._site import LOCAL

SEE = "See docs/reference/errors.md#not_awaited\n"
NOTHING = "was called without await, so nothing was done."
PLAIN = "A plain def endpoint cannot await: write async def, or"

Use = Callable[[AsyncSession, AsyncSessions], Any]


class Site:
    """An application with one endpoint that misuses a session."""

    def __init__(self, use: Use, *, plain: bool = False, **options: Any) -> None:
        """Build it; a *plain* endpoint runs in a worker thread."""
        self.sessions = AsyncSessions("memory://")
        self.app = FastAPI()
        self.app.add_middleware(SessionMiddleware, sessions=self.sessions, **options)

        async def awaiting(session: CurrentSession) -> None:
            use(session, self.sessions)

        def blocking(session: CurrentSession) -> None:
            use(session, self.sessions)

        self.app.post("/")(blocking if plain else awaiting)

    def post(self, **headers: str) -> Any:
        """Return what the browser gets."""
        return TestClient(self.app, base_url=LOCAL, raise_server_exceptions=False).post("/", headers=headers)

    def told(self, **headers: str) -> str:
        """Return how the traceback in the developer's terminal ends."""
        with pytest.raises(Exception) as caught:
            TestClient(self.app, base_url=LOCAL).post("/", headers=headers)
        return "".join(traceback.format_exception_only(caught.value))


def sign_in(session: AsyncSession, _sessions: AsyncSessions) -> None:
    """Forget to wait for the sign-in."""
    session["seen"] = True
    session.login("ada")  # type: ignore[unused-coroutine]


def sign_out_everywhere(_session: AsyncSession, sessions: AsyncSessions) -> None:
    """Forget to wait for what must not fail in silence."""
    sessions.revoke_user("ada")  # type: ignore[unused-coroutine]


def ask(_session: AsyncSession, sessions: AsyncSessions) -> None:
    """Take the coroutine for the answer: it is always true."""
    if sessions.revoke("some-id"):  # type: ignore[truthy-bool]
        return


def keep(_session: AsyncSession, sessions: AsyncSessions) -> None:
    """Give the coroutine a name, and do no more with it."""
    _ended = sessions.revoke_all()


@pytest.mark.parametrize(
    ("use", "verb"),
    [
        (sign_in, "session.login"),
        (sign_out_everywhere, "sessions.revoke_user"),
        (ask, "sessions.revoke"),
        (keep, "sessions.revoke_all"),
    ],
)
def test_the_answer_says_which_await_is_missing(use: Use, verb: str) -> None:
    """Today nothing would happen: the browser and the terminal get the line, and nothing is saved."""
    site = Site(use)
    line = f"{verb}(...) {NOTHING} Write: await {verb}(...)"
    assert site.told() == f"coatcheck.errors.NotAwaited: {line}\n{SEE}"
    answer = site.post()
    assert (answer.status_code, answer.json()["detail"], answer.json()["code"]) == (500, line, "not_awaited")
    assert "set-cookie" not in answer.headers
    assert asyncio.run(site.sessions.count()) == 0


@pytest.mark.parametrize(
    ("use", "verb", "remedy"),
    [
        (
            sign_in,
            "session.login",
            "ask for session: BlockingSession (coatcheck.web.fastapi), whose verbs are called",
        ),
        (sign_out_everywhere, "sessions.revoke_user", "use the blocking Sessions(...) there"),
    ],
)
def test_a_plain_endpoint_cannot_await(use: Use, verb: str, remedy: str) -> None:
    """An asyncio verb in a plain ``def`` endpoint names what to ask for instead."""
    assert Site(use, plain=True).told() == f"coatcheck.errors.NotAwaited: {verb}(...) {NOTHING} {PLAIN} {remedy}\n{SEE}"


def iterate(_session: AsyncSession, sessions: AsyncSessions) -> None:
    """Go through what is not there yet."""
    for _each in sessions.list("ada"):  # type: ignore[attr-defined]
        pass


def measure(_session: AsyncSession, sessions: AsyncSessions) -> None:
    """Count what is not there yet."""
    rows: Any = sessions.list("ada")
    len(rows)


def pick(_session: AsyncSession, sessions: AsyncSessions) -> None:
    """Take the first of what is not there yet."""
    _first = sessions.list("ada")[0]  # type: ignore[index]


@pytest.mark.filterwarnings("ignore:coroutine 'AsyncSessions.list' was never awaited:RuntimeWarning")
@pytest.mark.parametrize(
    ("use", "pythons"),
    [
        (iterate, "'coroutine' object is not iterable"),
        (measure, "object of type 'coroutine' has no len()"),
        (pick, "'coroutine' object is not subscriptable"),
    ],
)
def test_pythons_own_error_gets_the_line(use: Use, pythons: str) -> None:
    """Where Python fails on the coroutine, its error says which await is missing."""
    assert Site(use).told() == f"TypeError: {pythons}\nsessions.list(...) {NOTHING} Write: await sessions.list(...)\n"
    gc.collect()  # the traceback held the coroutine, of which Python warns when it goes


def load(session: AsyncSession, _sessions: AsyncSessions) -> None:
    """Forget to wait for the load, and look."""
    session.load()  # type: ignore[unused-coroutine]
    session.get("seen")


def test_a_forgotten_load_is_named() -> None:
    """With ``load="on_demand"`` the error of an unloaded session says that its load was not awaited."""
    cookie = "session=0" + "A" * 25 + "." + "A" * 43
    assert Site(load, load="on_demand").told(cookie=cookie) == (
        'coatcheck.errors.NotLoaded: the session is loaded on demand here: write "await session.load()" before using '
        f"it\nSee docs/reference/errors.md#not_loaded\nsession.load(...) {NOTHING} Write: await session.load(...)\n"
    )


def test_the_cause_is_told_before_its_effect() -> None:
    """A sign-in that was not awaited, then a look at the user: the forgotten await, not 401."""

    def use(session: AsyncSession, _sessions: AsyncSessions) -> None:
        sign_in(session, _sessions)
        _ = session.user

    assert Site(use).post().json()["code"] == "not_awaited"


# -- nothing else is refused


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
        await asyncio.gather(sessions.list("ada"), asyncio.wait_for(sessions.count(), 5))
        cancelled = asyncio.create_task(sessions.revoke_all())
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        sessions.sweep().close()
        tasks.add_task(sessions.revoke_user, "eve")
        tasks.add_task(noted, sessions.list("ada"), "the background job")
        app.state.task = asyncio.create_task(sessions.list("ada"))
        return live

    @app.get("/who")
    async def who(user: SignedIn) -> str:
        await app.state.task
        return user.id

    with TestClient(app, base_url=LOCAL) as client:
        assert (client.post("/").json(), client.get("/who").json()) == (0, "ada")
    assert done == ["the background job"]


def test_verbs_are_coroutine_functions() -> None:
    """Frameworks that ask whether to await a verb are told so, and its signature is its own."""
    session = asyncio.run(AsyncSessions("memory://").load(None))
    for verb in (session.login, session.logout, AsyncSessions("memory://").sweep):
        assert asyncio.iscoroutinefunction(verb)
        assert inspect.iscoroutinefunction(inspect.unwrap(verb))
    assert [*inspect.signature(session.login).parameters][:2] == ["user_id", "epoch"]


def test_the_watch_ends_with_the_request() -> None:
    """A request leaves nothing behind in the context of the task that served it."""

    async def nothing(*_: Any) -> Any:
        return None

    async def story() -> Any:
        middleware = SessionMiddleware(nothing, sessions=AsyncSessions("memory://"))
        scope = {"type": "http", "scheme": "http", "path": "/", "method": "GET", "headers": [], "client": None}
        await middleware(scope, nothing, nothing)
        return current.get()

    assert asyncio.run(story()) is None


def test_outside_of_a_request_python_warns() -> None:
    """A script's forgotten await is told by Python, which names the verb."""
    sessions = AsyncSessions("memory://")
    with pytest.warns(RuntimeWarning, match=r"coroutine 'AsyncSessions\.sweep' was never awaited"):
        sessions.sweep()  # type: ignore[unused-coroutine]


def test_a_wrong_call_is_told_when_it_is_awaited() -> None:
    """An argument that a verb does not have is a TypeError with the verb's name, in a request too."""
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=AsyncSessions("memory://"))

    @app.post("/")
    async def home(session: CurrentSession) -> None:
        await session.login("ada", role="admin")  # type: ignore[call-arg]

    with pytest.raises(TypeError, match=r"AsyncSession\.login\(\) got an unexpected keyword argument 'role'"):
        TestClient(app, base_url=LOCAL).post("/")
    assert issubclass(NotAwaited, Exception)
