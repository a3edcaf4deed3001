"""FastAPI: the typed dependencies in async and plain endpoints, routers, background tasks, sockets and the schema."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from coatcheck import AsyncSessions
from coatcheck.testing import CapturedEvents
from tests.web._fastapi_site import create

LOCAL = "http://localhost:8000"
SOCKETS = "ws://localhost:8000"
PAGE = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(params=["memory", "sqlite"])
def sessions(request: pytest.FixtureRequest, tmp_path: Path, captured_events: CapturedEvents) -> AsyncSessions:
    """Give a manager on each store."""
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/sessions.db"
    return AsyncSessions(url, listeners=[captured_events])


@pytest.fixture
def client(sessions: AsyncSessions) -> Iterator[TestClient]:
    """Give a browser."""
    with TestClient(
        create(sessions), base_url=LOCAL, headers={"origin": LOCAL}, raise_server_exceptions=False
    ) as client:
        yield client


# --- CurrentSession, SignedIn, Current


def test_the_session_is_one_object(client: TestClient) -> None:
    """The dependency, ``request.session`` and ``session_of`` are one session; a type gives one object (section 4)."""
    assert client.get("/same").json() is True
    client.post("/set?key=a&value=1")
    assert client.get("/data").json() == {"a": "1"}


def test_nobody_signed_in_is_a_problem(client: TestClient) -> None:
    """`SignedIn` without a user is 401 as problem details, with a code and a reason (ruling 18, RFC 9457)."""
    answer = client.get("/me")

    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert (answer.json()["code"], answer.json()["reason"]) == ("sign_in_required", "none")
    client.post("/login?user_id=ada&role=editor")
    assert client.get("/me").json() == ["ada", ["editor"]]


def test_pages_are_sent_to_sign_in(sessions: AsyncSessions) -> None:
    """With ``sign_in_url`` a page is 303 with the way back; a form and a program still get 401 (ruling 18)."""
    with TestClient(
        create(sessions, sign_in_url="/sign-in"), base_url=LOCAL, headers={"origin": LOCAL}, follow_redirects=False
    ) as client:
        page = client.get("/me?tab=1", headers=PAGE)
        assert (page.status_code, page.headers["location"]) == (303, "/sign-in?next=/me%3Ftab%3D1")
        assert client.post("/plain/rotate", headers=PAGE).status_code == 401
        assert client.get("/me", headers={"accept": "application/json"}).status_code == 401


def test_typed_data_goes_round(client: TestClient) -> None:
    """`Current[Cart]` comes back as it was left, nested changes included, and begins with its defaults (section 4)."""
    assert client.post("/cart", json={"name": "pear"}).json() == 1
    assert client.post("/cart", json={"name": "fig", "count": 3}).json() == 2
    client.post("/cart/more?note=soon")
    lines = [{"name": "pear", "count": 2}, {"name": "fig", "count": 3}]
    assert client.get("/data").json() == {"lines": lines, "note": "soon"}


# --- plain endpoints


def test_plain_endpoints_call_every_verb(client: TestClient, sessions: AsyncSessions) -> None:
    """From worker threads: assign, sign in, rotate, reload and sign out work as in async endpoints (section 4)."""
    client.post("/plain/set?key=a&value=1")
    anonymous = client.cookies["session"]
    session_id = client.post("/plain/login?user_id=ada").json()
    signed_in = client.cookies["session"]
    assert signed_in.partition(".")[0] == session_id != anonymous.partition(".")[0]
    assert client.post("/plain/rotate").json() == "ada"
    assert client.cookies["session"] not in {anonymous, signed_in}
    assert client.post("/plain/reload").json() == {"a": "1"}
    assert client.get("/me").json() == ["ada", ["editor"]]
    client.post("/plain/logout")
    assert "session" not in client.cookies
    assert client.get("/me").status_code == 401


def test_a_plain_endpoint_saves_at_once(client: TestClient) -> None:
    """What ``save()`` committed stays when the endpoint fails afterwards; what came later does not (section 4)."""
    client.post("/set?key=a&value=1")
    assert client.post("/plain/save").status_code == 500
    assert client.get("/data").json() == {"a": "1", "saved": True}


def test_plain_transactions_lose_nothing(client: TestClient) -> None:
    """24 counts from eight threads on one session give 24 different numbers (promise 3, ruling 9)."""
    client.post("/set?key=a&value=1")
    with ThreadPoolExecutor(8) as pool:
        counts = [answer.json() for answer in pool.map(lambda _: client.post("/plain/count"), range(24))]
    assert sorted(counts) == list(range(1, 25))


# --- answers


def test_a_refusal_keeps_changes_and_a_failure_drops_them(client: TestClient) -> None:
    """`HTTPException` is an answer: changes before it are kept; a bug drops them (DESIGN section 4)."""
    assert client.post("/refuse").status_code == 422
    assert client.post("/refuse").status_code == 422
    assert client.post("/fail").status_code == 500
    assert client.get("/data").json() == {"tries": 2}


def test_a_router_behind_a_dependency(client: TestClient) -> None:
    """A dependency of the application's own builds on `SignedIn`: 401, 403 or the same user everywhere (ruling 18)."""
    assert client.get("/desk/who").status_code == 401
    client.post("/login?user_id=ada")
    assert client.get("/desk/who").status_code == 403
    client.post("/login?user_id=ada&role=editor")
    assert client.get("/desk/who").json() == ["ada", "ada"]


def test_the_schema_shows_the_cookie_and_no_parameter(sessions: AsyncSessions) -> None:
    """OpenAPI lists the application's own parameters and bodies, and the session as a cookie to send (section 4)."""
    schema = create(sessions).openapi()

    ours = {"summary", "description", "operationId", "responses", "security"}
    assert schema["paths"]["/data"]["get"].keys() == ours
    assert schema["paths"]["/desk/who"]["get"].keys() == ours
    assert schema["paths"]["/desk/who"]["get"]["security"] == [{"session": []}]
    assert schema["components"]["securitySchemes"].keys() == {"session"}
    assert [each["name"] for each in schema["paths"]["/login"]["post"]["parameters"]] == ["user_id", "role"]
    assert [each["name"] for each in schema["paths"]["/cart/more"]["post"]["parameters"]] == ["note"]
    assert "requestBody" not in schema["paths"]["/plain/count"]["post"]
    assert schema["components"]["schemas"].keys() == {"Cart", "HTTPValidationError", "Line", "ValidationError"}


@pytest.mark.parametrize(("options", "name"), [({}, "__Host-session"), ({"cookie_name": "sid"}, "sid")])
def test_the_schema_names_the_cookie_as_configured(sessions: AsyncSessions, options: Any, name: str) -> None:
    """The served document says which cookie to send: that of this application's middleware (issue 5, section 1)."""
    with TestClient(create(sessions, **options), base_url=LOCAL, headers={"origin": LOCAL}) as client:
        scheme = client.get("/openapi.json").json()["components"]["securitySchemes"]["session"]

    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "cookie", name)


def test_what_is_public_in_the_schema_stays_so(sessions: AsyncSessions) -> None:
    """An operation that asks for no session is listed without one (issue 5, section 1)."""
    app = create(sessions)

    @app.get("/public")
    async def public() -> None:
        """Ask for nothing."""

    assert "security" not in app.openapi()["paths"]["/public"]["get"]


def test_dependencies_load_what_was_left_to_demand(sessions: AsyncSessions) -> None:
    """With ``load="on_demand"`` the dependencies load, so that endpoints need not (design, section 3, Lazy)."""
    with TestClient(create(sessions, load="on_demand"), base_url=LOCAL, headers={"origin": LOCAL}) as client:
        client.post("/login?user_id=ada")
        client.post("/set?key=a&value=1")
        assert client.get("/me").json()[0] == "ada"
        assert client.get("/data").json() == {"a": "1"}
        assert client.post("/plain/rotate").json() == "ada"


# --- after the answer, and beside it


def test_background_tasks_hold_a_snapshot(client: TestClient, captured_events: CapturedEvents) -> None:
    """After the answer data can be saved, tickets cannot change, and what is left unsaved is told (ruling 15)."""
    client.post("/login?user_id=ada")
    client.post("/background")

    assert client.get("/data").json() == {"later": "saved"}
    assert client.get("/me").json() == ["ada", ["user"]]
    done = client.app.state.done  # type: ignore[attr-defined]
    assert [text.partition("(")[0] for text in done] == ["login", "logout", "rotate"]
    assert captured_events.only("session.changes_lost")[0].details["keys"] == "later"


def test_a_socket_has_the_same_dependencies(client: TestClient) -> None:
    """A WebSocket receives session and data; saved changes are there for the next request (ruling 15)."""
    client.post("/login?user_id=ada")
    with client.websocket_connect(f"{SOCKETS}/ws") as talk:
        talk.send_text("save")
        assert talk.receive_json() == ["ada", "from the socket"]
        assert client.get("/data").json() == {"note": "from the socket"}
        client.post("/plain/logout")
        talk.send_text("reload")
        assert talk.receive_json()[0] is None


def test_a_socket_for_users_is_refused_to_others(client: TestClient) -> None:
    """`SignedIn` on a WebSocket answers the handshake like a request, not with a crash; a user gets in (ruling 18)."""
    with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect(f"{SOCKETS}/ws/signed-in"):
        pass
    assert (refused.value.status_code, refused.value.json()["code"]) == (401, "sign_in_required")
    client.post("/login?user_id=ada")
    with client.websocket_connect(f"{SOCKETS}/ws/signed-in") as talk:
        assert talk.receive_text() == "ada"


def test_an_open_socket_that_needs_a_user_is_closed(client: TestClient) -> None:
    """Asking an open WebSocket for its user when there is none closes it as against the policy (RFC 6455, 7.4.1)."""
    with client.websocket_connect(f"{SOCKETS}/ws") as talk:
        talk.send_text("user")
        with pytest.raises(WebSocketDisconnect) as closed:
            talk.receive_json()
    assert (closed.value.code, closed.value.reason) == (1008, "sign_in_required")
