"""A session's verb whose ``await`` was forgotten makes the answer an error with the line to write."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException, Request, Response
from starlette.responses import JSONResponse
from starlette.testclient import TestClient

from coatcheck import AsyncSession, AsyncSessions, StoreUnavailable
from coatcheck.web.fastapi import CurrentSession, SessionMiddleware
from tests.web._site import LOCAL

SEE = "See docs/reference/errors.md#not_awaited\n"
NOTHING = "was called without await, so nothing was done."
PLAIN = (
    "A plain def endpoint cannot await: write async def, or ask for session: BlockingSession (coatcheck.web.fastapi), "
    "whose verbs are called"
)

Use = Callable[[AsyncSession], Any]


def line(verb: str) -> str:
    """Return what is told of *verb*."""
    return f"session.{verb}(...) {NOTHING} Write: await session.{verb}(...)"


class Site:
    """An application with one endpoint that misuses a session."""

    def __init__(self, use: Use, *, plain: bool = False, between: bool = False, **options: Any) -> None:
        """Build it; a *plain* endpoint runs in a worker thread, and a middleware may stand *between*."""
        self.sessions = AsyncSessions("memory://")
        self.app = FastAPI()
        if between:
            self.app.middleware("http")(self._between)
        self.app.add_middleware(SessionMiddleware, sessions=self.sessions, **options)

        async def awaiting(session: CurrentSession) -> Any:
            told = use(session)
            return await told if isinstance(told, Awaitable) else told

        def blocking(session: CurrentSession) -> Any:
            return use(session)

        self.app.post("/")(blocking if plain else awaiting)

    @staticmethod
    async def _between(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        return await call_next(request)

    def post(self) -> Any:
        """Return what the browser gets."""
        return TestClient(self.app, base_url=LOCAL, headers={"origin": LOCAL}, raise_server_exceptions=False).post("/")

    def told(self) -> str:
        """Return how the traceback in the developer's terminal ends."""
        with pytest.raises(Exception) as caught:
            TestClient(self.app, base_url=LOCAL, headers={"origin": LOCAL}).post("/")
        return "".join(traceback.format_exception_only(caught.value))


def sign_in(session: AsyncSession) -> None:
    """Forget to wait for the sign-in."""
    session["seen"] = True
    session.login("ada")  # type: ignore[unused-coroutine]


def sign_out(session: AsyncSession) -> None:
    """Forget to wait at the end of a condition."""
    session.get("seen") or session.logout(*())


def rotate(session: AsyncSession) -> None:
    """Forget to wait in a block."""
    with contextlib.nullcontext(session) as opened:
        opened.rotate()  # type: ignore[unused-coroutine]


def ask(session: AsyncSession) -> None:
    """Take the coroutine for the answer: it is always true."""
    if session.save():  # type: ignore[truthy-bool]
        return


def ask_the_other_way(session: AsyncSession) -> None:
    """Take the coroutine for the answer."""
    while not session.transaction(len):  # type: ignore[truthy-bool]
        pass


@pytest.mark.parametrize("between", [False, True], ids=["", "a middleware between"])
@pytest.mark.parametrize(
    ("use", "verb"),
    [
        (sign_in, "login"),
        (sign_out, "logout"),
        (rotate, "rotate"),
        (ask, "save"),
        (ask_the_other_way, "transaction"),
    ],
)
def test_the_answer_says_which_await_is_missing(use: Use, verb: str, *, between: bool) -> None:
    """Nothing would happen: the browser and the terminal get the line, and nothing is saved."""
    site = Site(use, between=between)
    assert site.told() == f"coatcheck.errors.NotAwaited: {line(verb)}\n{SEE}"
    answer = site.post()
    assert (answer.status_code, answer.json()["detail"], answer.json()["code"]) == (500, line(verb), "not_awaited")
    assert "set-cookie" not in answer.headers
    assert asyncio.run(site.sessions.count()) == 0


def test_a_plain_endpoint_cannot_await() -> None:
    """A session's asyncio verb in a plain ``def`` endpoint names what to ask for instead."""
    told = Site(sign_in, plain=True).told()
    assert told == f"coatcheck.errors.NotAwaited: session.login(...) {NOTHING} {PLAIN}\n{SEE}"


def test_what_was_awaited_before_holds() -> None:
    """A sign-in that was awaited stays, and the browser gets its cookie; what came after it is not saved."""

    async def use(session: AsyncSession) -> None:
        await session.login("ada")
        session["later"] = True
        session.save()  # type: ignore[unused-coroutine]

    site = Site(use)
    answer = site.post()
    assert (answer.status_code, answer.headers["set-cookie"].startswith("session=")) == (500, True)

    async def kept() -> Any:
        session = await site.sessions.load(answer.cookies["session"])
        return session.user_id, dict(session)

    assert asyncio.run(kept()) == ("ada", {})


# -- an error stays what it is


class NoRowsError(Exception):
    """An error of the application that has a page."""


@pytest.mark.parametrize("between", [False, True], ids=["", "a middleware between"])
@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (lambda session: session.user, 401),
        (lambda _: raised(StoreUnavailable("away")), 503),
        (lambda _: raised(HTTPException(422)), 422),
        (lambda _: raised(NoRowsError()), 404),
    ],
    ids=["to sign in", "an outage", "Starlette's", "an error handler's"],
)
def test_an_error_is_not_replaced_by_another(
    fault: Callable[[AsyncSession], Any], status: int, caplog: pytest.LogCaptureFixture, *, between: bool
) -> None:
    """The answer to an error leaves as it is, and the log has the line."""

    def use(session: AsyncSession) -> None:
        session.save()  # type: ignore[unused-coroutine]
        fault(session)

    site = with_page(Site(use, between=between))
    with caplog.at_level(logging.WARNING, "coatcheck"):
        assert site.post().status_code == status
    told = [record.getMessage() for record in caplog.records]
    assert told[-1:] == [line("save")]
    assert [each.split()[0] for each in told[:-1]] == ["store.unavailable"] * (status == 503)


def test_an_answer_from_a_handled_error_is_not_replaced(caplog: pytest.LogCaptureFixture) -> None:
    """An exception handler that sends people elsewhere is obeyed, whatever its status."""

    def use(session: AsyncSession) -> None:
        session.save()  # type: ignore[unused-coroutine]
        raise NoRowsError

    site = with_page(Site(use), 200)
    with caplog.at_level(logging.WARNING, "coatcheck"):
        assert site.post().status_code == 200
    assert [record.getMessage() for record in caplog.records] == [line("save")]


def test_an_error_that_ends_the_request_gets_the_line() -> None:
    """What was forgotten may be the cause of an error that nobody handles: it is told there, and not twice."""

    def use(session: AsyncSession) -> None:
        session.login("ada")  # type: ignore[unused-coroutine]
        session.login("ada")  # type: ignore[unused-coroutine]
        raise KeyError("ada")

    assert Site(use).told() == f"KeyError: 'ada'\n{line('login')}\n"


def raised(error: Exception) -> Any:
    """Raise *error*."""
    raise error


def with_page(site: Site, status: int = 404) -> Site:
    """Give the application's own error a page."""

    async def page(_request: Request, _error: Exception) -> Response:
        return JSONResponse(None, status)

    site.app.add_exception_handler(NoRowsError, page)
    return site
