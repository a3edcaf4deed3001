"""Who a user is on the console's pages: names, the search, and the operator's own session."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from coatcheck import AsyncSessions
from coatcheck.errors import ConfigurationError
from coatcheck.web.console import Console
from coatcheck.web.starlette import SessionMiddleware, session_of, user_of
from tests.web._console import BASE, Desk

NAMES = {"u-1": "Ada Lovelace", "u-2": "Ada <b>Byron", "u-3": "Grace Hopper"}


async def find(typed: str) -> list[str]:
    """Find users by a part of their name."""
    return [user_id for user_id, name in NAMES.items() if typed.casefold() in name.casefold()]


@pytest.fixture
def desk() -> Iterator[Desk]:
    """Serve a console that knows names and finds users."""
    with Desk(name_of=NAMES.get, find_user=find).serving() as made:
        yield made


@pytest.fixture
def plain() -> Iterator[Desk]:
    """Serve a console without either."""
    with Desk().serving() as made:
        yield made


# --- names


def test_names_stand_beside_ids_everywhere(desk: Desk) -> None:
    """List, story, user and preview show the application's name and the id, escaped; without a name the id alone."""
    wanted, other = desk.session("u-2"), desk.session("u-9")
    for path in ("/sessions", f"/session?id={wanted}", "/user?id=u-2"):
        page = desk.get(path).text
        assert "Ada &lt;b&gt;Byron" in page, path
        assert "u-2" in page, path
    assert "Signed in as Ada &lt;b&gt;Byron (u-2)." in desk.get(f"/session?id={wanted}").text
    assert "Ada &lt;b&gt;Byron" in desk.post("/rule/preview", {"user": "u-2"}).text
    assert "Signed in as u-9." in desk.get(f"/session?id={other}").text


def test_names_may_be_awaited() -> None:
    """``name_of`` may be a coroutine function, and is asked once for each user of a page."""
    asked: list[str] = []

    async def name_of(user_id: str) -> str:
        asked.append(user_id)
        return "Somebody"

    with Desk(name_of=name_of).serving() as desk:
        for user in ("u-1", "u-1", "u-2", None):
            desk.session(user)
        assert "Somebody" in desk.get("/sessions").text
    assert sorted(asked) == ["u-1", "u-2"]


def test_without_its_names_the_page_still_works(caplog: pytest.LogCaptureFixture) -> None:
    """An application that cannot look names up does not keep an operator from ending sessions; the log says so."""
    caplog.set_level(logging.ERROR, "coatcheck.console")

    def away(_user_id: str) -> str:
        raise RuntimeError("the database is away")

    with Desk(name_of=away).serving() as desk:
        wanted = desk.session("u-1")
        assert "u-1" in desk.get("/sessions").text
        assert desk.post("/revoke", {"id": wanted}).status_code == 200
        assert desk.live() == 0
    assert "name_of failed" in caplog.text


@pytest.mark.parametrize("option", ["name_of", "find_user"])
def test_a_hook_that_is_no_function_is_refused(option: str) -> None:
    """The error names the option and what it is called with."""
    with pytest.raises(ConfigurationError, match=f"{option}='Ada' is no function"):
        Console(AsyncSessions("memory://"), guard=bool, **{option: "Ada"})  # type: ignore[arg-type]


# --- the search


def test_one_hit_leads_to_the_user(desk: Desk) -> None:
    """What only one user is called by leads to that user, by the id; so does the id itself."""
    desk.session("u-9")

    assert desk.post("/search", {"q": " grace "}).headers["location"] == "user?id=u-3"
    assert desk.post("/search", {"q": "u-9"}).headers["location"] == "user?id=u-9"


def test_several_hits_are_shown(desk: Desk) -> None:
    """Where several users are meant one chooses, and each leads to its page."""
    page = desk.post("/search", {"q": "ada"})

    assert page.status_code == 200
    assert "2 users found" in page.text
    for user_id in ("u-1", "u-2"):
        assert f'href="./user?id={user_id}"' in page.text
    assert "Ada &lt;b&gt;Byron" in page.text


def test_nobody_is_nobody(plain: Desk) -> None:
    """A name that is no user id is not said to be signed out: nobody is known by it, and nothing is offered to end."""
    plain.session("ada")
    for page in (plain.post("/search", {"q": "Ada <i>"}).text, plain.get("/user?id=Ada <i>").text):
        assert "Nobody with the user id 'Ada &lt;i&gt;' has a session here, live or ended lately." in page
        assert "Users are searched by the id that login() was given." in page
        assert 'value="Ada &lt;i&gt;"' in page
        assert "revoke-user" not in page
        assert "/roles" not in page
        assert "not signed in anywhere" not in page


def test_nobody_says_that_the_application_was_asked(desk: Desk) -> None:
    """With ``find_user`` the page says that the application found nobody either."""
    assert "it found nobody either" in desk.post("/search", {"q": "zzz"}).text


def test_a_user_without_live_sessions_is_told_apart(desk: Desk) -> None:
    """Whom the application or a tombstone knows can have sign-ins under way refused; the page says that it is that."""
    page = desk.get("/user?id=u-1").text
    assert "There is no live session to end. This refuses sign-ins under way" in page
    assert "End all sessions" not in page
    assert "Change the roles" not in page
    before = desk.do(desk.sessions.epoch("u-1"))
    assert desk.post("/revoke-user", {"id": "u-1", "typed": "u-1"}).status_code == 200
    assert desk.do(desk.sessions.epoch("u-1")) > before


def test_a_search_that_fails_is_a_fault() -> None:
    """An application whose search fails is not said to have found nobody."""

    def away(_typed: str) -> list[str]:
        raise RuntimeError("db.internal is away")

    with Desk(find_user=away).serving() as desk:
        client = TestClient(desk.app, base_url=BASE, raise_server_exceptions=False, headers={"accept": "text/html"})
        client.portal = desk.client.portal
        said = {"origin": BASE, "sec-fetch-site": "same-origin"}
        answer = client.post("/operator/search", data={"q": "x"}, headers=said)

    assert answer.status_code == 500
    assert "db.internal" not in answer.text


# --- the operator's own


def application(sessions: AsyncSessions) -> Starlette:
    """Return an application that guards the console with its own sessions."""

    async def sign_in(request: Any) -> Any:
        from starlette.responses import PlainTextResponse

        await session_of(request).login(request.query_params["user"], roles=["operator"])
        return PlainTextResponse("in")

    console = Console(sessions, guard=lambda request: user_of(request).id, home="/")
    app = Starlette(routes=[Route("/in", sign_in, methods=["POST"]), Mount("/operator", console)])
    app.add_middleware(SessionMiddleware, sessions=sessions)
    return app


def test_the_operators_own_session_is_marked() -> None:
    """In lists, on the user's page and in its story one's own session is told apart from the others."""
    sessions = AsyncSessions("memory://")
    with TestClient(application(sessions), base_url=BASE, headers={"accept": "text/html", "origin": BASE}) as first:
        first.post("/in?user=joan")
        other = TestClient(first.app, base_url=BASE, headers={"origin": BASE})
        other.portal = first.portal
        other.post("/in?user=joan")
        listed = first.portal.call(sessions.list, "joan")
        for path in ("/operator/sessions", "/operator/user?id=joan"):
            assert first.get(path).text.count("this is you") == 1
        told = ["this is you" in first.get(f"/operator/session?id={info.id}").text for info in listed]

    assert sorted(told) == [False, True]


def test_without_the_applications_session_nothing_is_marked(plain: Desk) -> None:
    """A console that something else guards marks none."""
    plain.session("ada")

    assert "this is you" not in plain.get("/sessions").text
