"""Litestar: the plugin's dependencies, guard, lifespan, WebSockets, and Litestar's own words for a session."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from litestar import Litestar, Request, WebSocket, get, post, websocket
from litestar.di import Provide
from litestar.exceptions import ClientException, WebSocketDisconnect
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.params import FromQuery
from litestar.testing import TestClient

from coatcheck import AsyncSessions, ConfigurationError, Policy
from coatcheck.testing import FrozenClock
from coatcheck.web.litestar import (
    BlockingSession,
    CoatcheckPlugin,
    CurrentSession,
    SignedIn,
    session_of,
    signed_in,
    user_of,
)

pytestmark = pytest.mark.filterwarnings("ignore:The base_url:UserWarning")

LOCAL = "http://localhost:8000"
SOCKETS = "ws://localhost:8000"
PAGE = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
STRANGER = {"cookie": "theme=dark"}
NUMBERS = count()
AnyRequest = Request[Any, Any, Any]
AnySocket = WebSocket[Any, Any, Any]


class Wrong(Exception):
    """Something that the application answers itself."""


@get("/data")
async def data(session: CurrentSession, request: AnyRequest) -> dict[str, Any]:
    """Show what the session holds; every way to it leads to one object."""
    assert request.session is session is session_of(request)
    return dict(session)


@post("/set")
async def put(session: CurrentSession, key: FromQuery[str], value: FromQuery[str]) -> None:
    """Assign."""
    session[key] = value


@get("/me")
async def me(user: SignedIn, request: AnyRequest) -> str:
    """Show who is signed in."""
    assert user_of(request) == user
    return user.id


@get("/guarded", guards=[signed_in])
async def guarded() -> str:
    """Pass the guard."""
    return "in"


@post("/login")
async def login(session: CurrentSession) -> None:
    """Sign in."""
    await session.login("ada")


@post("/plain/login", sync_to_thread=True)
def plain_login(blocking_session: BlockingSession) -> str | None:
    """Sign in from a thread."""
    blocking_session.login("ada", roles=["editor"])
    blocking_session.rotate()
    return blocking_session.id


@post("/plain/loop", sync_to_thread=False)
def plain_on_the_loop(blocking_session: BlockingSession) -> None:
    """Call a verb where it would wait for itself."""
    blocking_session.login("ada")


@post("/own")
async def own(session: CurrentSession) -> None:
    """Assign, and raise what the application answers itself."""
    session["own"] = "kept"
    raise Wrong


@post("/client")
async def client_error(session: CurrentSession) -> None:
    """Assign, and raise one of Litestar's answers."""
    session["client"] = "kept"
    raise ClientException("no")


@post("/bug")
async def bug(session: CurrentSession) -> None:
    """Assign, and fail."""
    session["bug"] = "dropped"
    raise RuntimeError("a bug in the handler")


@post("/clear")
async def clear(request: AnyRequest) -> None:
    """End the session in Litestar's words."""
    request.clear_session()


@post("/replace")
async def replace(request: AnyRequest) -> None:
    """Replace the data in Litestar's words."""
    request.set_session({"new": 1})


@get("/cached", cache=True)
async def cached(session: CurrentSession) -> dict[str, Any]:
    """Look at the session in a cached handler."""
    return dict(session)


@get("/cached/public", cache=True)
async def cached_public() -> int:
    """Look at nothing."""
    return next(NUMBERS)


@websocket("/ws")
async def talk(socket: AnySocket, session: CurrentSession) -> None:
    """Say who is there after each message."""
    await socket.accept()
    async for word in socket.iter_data("text"):
        if word == "save":
            session["note"] = "from the socket"
            await session.save()
        elif word == "login":
            await session.login("eve")
        await socket.send_text(session.user.id)


@websocket("/ws/guarded", guards=[signed_in])
async def talk_guarded(socket: AnySocket) -> None:
    """Greet who is signed in."""
    await socket.accept()
    await socket.send_text("in")
    await socket.close()


HANDLERS = [
    *(data, put, me, guarded, login, plain_login, plain_on_the_loop, own, client_error, bug, clear, replace),
    *(cached, cached_public, talk, talk_guarded),
]


def create(sessions: AsyncSessions, **options: Any) -> Litestar:
    """Return the application."""
    from litestar import Response

    def answered(_request: AnyRequest, _error: Wrong) -> Response[str]:
        return Response("the application's own answer", status_code=418)

    return Litestar(
        HANDLERS,
        plugins=[CoatcheckPlugin(sessions, **options)],
        exception_handlers={Wrong: answered},
        logging_config=None,
    )


def browsing(app: Litestar) -> TestClient[Litestar]:
    """Return a browser whose forms are the site's own."""
    client = TestClient(app, base_url=LOCAL, raise_server_exceptions=False)
    client.headers["sec-fetch-site"] = "same-origin"
    return client


@pytest.fixture
def sessions(frozen_clock: FrozenClock) -> AsyncSessions:
    """Give a manager."""
    return AsyncSessions("memory://", clock=frozen_clock)


@pytest.fixture
def client(sessions: AsyncSessions) -> Iterator[TestClient[Litestar]]:
    """Give a browser."""
    with browsing(create(sessions, sign_in_url="/sign-in")) as client:
        yield client


# --- dependencies and the guard


def test_the_session_is_one_object(client: TestClient[Litestar]) -> None:
    """The dependency, ``request.session`` and ``session_of`` are one session (issue 5, section 1)."""
    client.post("/set?key=a&value=1")
    assert client.get("/data").json() == {"a": "1"}


@pytest.mark.parametrize("path", ["/me", "/guarded"])
def test_nobody_signed_in_is_refused(client: TestClient[Litestar], path: str) -> None:
    """A dependency on the user and the guard answer 401, pages 303 to sign-in, and let users pass (ruling 18)."""
    refused = client.get(path)
    page = client.get(path, headers=PAGE, follow_redirects=False)

    assert (refused.status_code, refused.headers["content-type"]) == (401, "application/problem+json")
    assert (page.status_code, page.headers["location"]) == (303, f"/sign-in?next={path}")
    assert "no-store" in refused.headers["cache-control"]
    client.post("/login")
    assert client.get(path).status_code == 200


def test_plain_handlers_call_every_verb(client: TestClient[Litestar]) -> None:
    """In a thread the verbs are called, and hop to the application's loop (issue 5, section 1)."""
    session_id = client.post("/plain/login").text

    assert client.get("/me").text == "ada"
    assert client.cookies["session"].startswith(session_id.strip('"') + ".")


def test_a_blocking_verb_on_the_loop_is_told(client: TestClient[Litestar], sessions: AsyncSessions) -> None:
    """A plain handler on the loop would wait for itself for ever; it is told what to write instead."""
    with pytest.raises(Exception, match="Exception caught after response started") as raised:
        TestClient(create(sessions), base_url=LOCAL).post("/plain/loop", headers={"sec-fetch-site": "same-origin"})

    assert "sync_to_thread=True" in str(raised.value.__cause__)
    assert client.post("/plain/loop").status_code == 500


def test_dependencies_load_what_was_left_to_demand(sessions: AsyncSessions) -> None:
    """With ``load="on_demand"`` dependencies and guards load (design, section 3, Lazy)."""
    with browsing(create(sessions, load="on_demand")) as client:
        client.post("/login")
        assert client.get("/me").text == "ada"
        assert client.get("/guarded").text == "in"


def test_the_applications_own_dependencies_take_precedence(sessions: AsyncSessions) -> None:
    """A dependency of the same name that the application has already is left to it."""

    async def database() -> str:
        """Stand for a database session, which many applications call so."""
        return "a database session"

    mine = Provide(database)
    app = Litestar([], plugins=[CoatcheckPlugin(sessions)], dependencies={"session": mine})

    assert app.dependencies["session"] is mine
    assert "user" in app.dependencies


# --- exceptions


def test_answers_keep_changes_and_failures_drop_them(client: TestClient[Litestar]) -> None:
    """Litestar catches exceptions inside: answers keep changes, also the application's own; bugs do not (section 4)."""
    codes = [client.post(path).status_code for path in ("/own", "/client", "/bug")]

    assert codes == [418, 400, 500]
    assert client.get("/data").json() == {"own": "kept", "client": "kept"}


# --- Litestar's words


def test_clearing_the_session_ends_it(client: TestClient[Litestar]) -> None:
    """``request.clear_session()`` is how a Litestar application signs out: the session itself ends (promise 2)."""
    client.post("/login")
    token = client.cookies["session"]
    client.post("/clear")

    assert "session" not in client.cookies
    assert client.get("/me", headers={"cookie": f"session={token}"}).status_code == 401


def test_replacing_the_session_replaces_its_data(client: TestClient[Litestar]) -> None:
    """``request.set_session(value)`` changes the data and leaves the user signed in."""
    client.post("/login")
    client.post("/set?key=old&value=1")
    client.post("/replace")

    assert client.get("/data").json() == {"new": 1}
    assert client.get("/me").text == "ada"


def test_a_cached_handler_serves_nobody_elses_page(client: TestClient[Litestar]) -> None:
    """An answer that depends on a session never enters Litestar's response cache; others do (K-1)."""
    client.post("/set?key=name&value=one")
    pages = [client.get("/cached", headers=who).json() for who in ({}, STRANGER, {})]
    numbers = {client.get("/cached/public", headers=who).text for who in ({}, STRANGER)}

    assert pages == [{"name": "one"}, {}, {"name": "one"}]
    assert len(numbers) == 1


# --- WebSockets


def test_a_socket_has_a_snapshot(client: TestClient[Litestar]) -> None:
    """A WebSocket receives the session; what it saves is there for the next request (ruling 15)."""
    client.post("/login")
    with client.websocket_connect(f"{SOCKETS}/ws") as socket:
        socket.send_text("save")
        assert socket.receive_text() == "ada"
    assert client.get("/data").json() == {"note": "from the socket"}


@pytest.mark.parametrize("path", ["/ws", "/ws/guarded"])
def test_a_socket_without_its_user_is_closed(client: TestClient[Litestar], path: str) -> None:
    """Litestar would close with 4500; coatcheck's refusal is a policy violation with its code (RFC 6455, 7.4.1)."""

    def ask() -> None:
        with client.websocket_connect(f"{SOCKETS}{path}") as socket:
            socket.send_text("who")
            socket.receive_text()

    with pytest.raises(WebSocketDisconnect) as closed:
        ask()
    assert (closed.value.code, closed.value.detail) == (1008, "sign_in_required")


# --- the lifespan and the set-up


def test_the_lifespan_opens_sweeps_and_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Litestar's lifespan does not pass through middleware; the store is opened, kept up and closed all the same."""
    done: list[str] = []
    sessions = AsyncSessions("memory://")

    async def note(what: str) -> None:
        done.append(what)

    for verb in ("open", "aclose", "sweep_for_ever", "count_for_ever"):
        monkeypatch.setattr(sessions, verb, lambda verb=verb: note(verb))
    with browsing(create(sessions)) as client:
        client.get("/data")
        assert done[0] == "open"
    assert sorted(done) == ["aclose", "count_for_ever", "open", "sweep_for_ever"]


def test_litestars_own_sessions_beside_it_are_refused(sessions: AsyncSessions) -> None:
    """Two session middlewares are a mistake that is told when the application is built (G: faults at build)."""
    with pytest.raises(ConfigurationError, match="two session middlewares"):
        Litestar([], plugins=[CoatcheckPlugin(sessions)], middleware=[ServerSideSessionConfig().middleware])


def test_wrong_options_are_refused_at_once() -> None:
    """Options are those of the middleware, and every fault is told when the plugin is built (house rule)."""
    with pytest.raises(ConfigurationError) as raised:
        CoatcheckPlugin(AsyncSessions("memory://"), same_site="never", sign_in_url="in")  # type: ignore[arg-type]

    assert len(raised.value.faults) == 2


def test_the_openapi_document_shows_no_session(sessions: AsyncSessions) -> None:
    """What the plugin injects is no parameter of the application's interface (issue 5, section 1)."""
    paths: Any = create(sessions).openapi_schema.to_schema()["paths"]

    assert [each["name"] for each in paths["/set"]["post"]["parameters"]] == ["key", "value"]
    assert "parameters" not in paths["/me"]["get"]


def test_a_session_ends_by_its_clock(frozen_clock: FrozenClock) -> None:
    """The policy's clocks count here as everywhere (promise 8)."""
    sessions = AsyncSessions("memory://", policy=Policy(idle_timeout="30m"), clock=frozen_clock)
    with browsing(create(sessions)) as client:
        client.post("/login")
        frozen_clock.advance("31m")
        assert client.get("/me").json()["reason"] == "idle"
