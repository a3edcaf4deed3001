"""Litestar's router and what stands before it: the path that was asked for is judged, and coatcheck's page is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar, Request, asgi, get, post
from litestar.config.cors import CORSConfig
from litestar.testing import TestClient
from litestar.types import ASGIApp, Receive, Scope, Send

from coatcheck import AsyncSessions
from coatcheck.web.csrf import Csrf
from coatcheck.web.entering import Entering
from coatcheck.web.gate import Gate, Rule
from coatcheck.web.litestar import CoatcheckPlugin

pytestmark = pytest.mark.filterwarnings("ignore:The base_url:UserWarning")

LOCAL = "http://localhost:8000"
GATE = Gate(
    [Rule(["/blog/:path*", "/secret", "/x"], allow="public"), Rule("/admin/:path*", role="admin")], default="deny"
)


@asgi("/admin", is_mount=True, copy_scope=True)
async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
    """Tell which path the mounted application sees."""
    told = f"{scope['root_path']}|{scope['path']}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": told, "more_body": False})


@asgi("/blog", is_mount=True, copy_scope=True)
async def blog(scope: Scope, receive: Receive, send: Send) -> None:
    """Stand below a public rule."""
    await mounted.fn(scope=scope, receive=receive, send=send)


@get("/api/secret")
async def secret() -> str:
    """Stand where no rule is."""
    return "told"


@get("/open")
async def told(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Tell who the gate says it is."""
    return {name: value for name, value in request.headers.items() if name.startswith("x-user")}


@post("/admin-hook")
async def hook() -> str:
    """Change something."""
    return "done"


def create(**options: Any) -> Litestar:
    """Return the application."""
    plugin = CoatcheckPlugin(AsyncSessions("memory://"), **options)
    return Litestar([mounted, blog, secret, hook], plugins=[plugin], logging_config=None)


@pytest.fixture
def client() -> Iterator[TestClient[Litestar]]:
    """Give a browser of nobody's."""
    with TestClient(create(gate=GATE), base_url=LOCAL) as client:
        yield client


@pytest.mark.parametrize(
    "path", ["/admin", "/admin/", "/admin/users", "/admin/login", "/admin/blog/x", "/admin/secret"]
)
def test_a_mount_is_judged_by_its_whole_path(client: TestClient[Litestar], path: str) -> None:
    """S-54: the path below a mount is not judged as if it were the site's: ``/admin/login`` is no sign-in page."""
    assert client.get(path).status_code == 401


@pytest.mark.parametrize(("path", "seen"), [("/blog", "|/"), ("/blog/a/b", "|/a/b/"), ("/blog/secret", "|/secret/")])
def test_a_mounted_application_sees_what_it_always_did(client: TestClient[Litestar], path: str, seen: str) -> None:
    """S-54: judging the whole path changes nothing for what is mounted."""
    answer = client.get(path)
    assert (answer.status_code, answer.text) == (200, seen)


@pytest.mark.parametrize("path", ["/adminx", "/adminx/y", "/blogx", "/blog%2fsecret"])
def test_half_a_segment_belongs_to_no_mount(client: TestClient[Litestar], path: str) -> None:
    """G-15: Litestar serves ``/adminx`` from the mount ``/admin``; that has two readings and is refused."""
    assert client.get(path).status_code == 400


def test_the_mount_of_everything_is_judged_too() -> None:
    """S-54: an application that is mounted at the root is judged like any other."""
    app = Litestar(
        [asgi("/", is_mount=True, copy_scope=True)(mounted.fn)],
        plugins=[CoatcheckPlugin(AsyncSessions("memory://"), gate=GATE)],
    )
    with TestClient(app, base_url=LOCAL) as client:
        assert [client.get(path).status_code for path in ("/x", "/blog/x", "/admin", "/adminx")] == [200, 200, 401, 403]


def test_root_path_is_taken_off_once() -> None:
    """S-54: Litestar takes ``root_path`` off before its middleware runs; a path that begins like it keeps the rest."""
    with TestClient(create(gate=GATE), base_url=LOCAL, root_path="/api") as client:
        assert client.get("/api/api/secret").status_code == 403
        assert client.get("/api/admin/users").status_code == 401
        assert client.get("/api/blog/x").text == "/api|/x/"


def test_a_server_that_tells_no_raw_path_opens_nothing() -> None:
    """S-54: where nothing tells the path above a mount, the gate refuses rather than guesses."""

    def silent(app: ASGIApp) -> ASGIApp:
        async def served(scope: Scope, receive: Receive, send: Send) -> None:
            scope.pop("raw_path", None)  # type: ignore[misc] # optional in ASGI, which Litestar's types do not say
            await app(scope, receive, send)

        return served

    app = create(gate=GATE)
    with TestClient(app, base_url=LOCAL) as client:
        app.asgi_handler = silent(app.asgi_handler)
        assert [client.get(path).status_code for path in ("/blog", "/blog/x", "/admin/blog/x")] == [400, 400, 400]
        assert client.get("/api/secret").status_code == 403


@pytest.mark.parametrize("cors", [None, CORSConfig(allow_origins=["*"])])
def test_what_the_gate_takes_out_is_gone_for_the_handler(cors: CORSConfig | None) -> None:
    """S-59: Litestar keeps the headers that its CORS has read; a handler reads those that the gate has left."""
    gate = Gate([Rule("/open", allow="public")], default="deny")
    plugin = CoatcheckPlugin(AsyncSessions("memory://"), gate=gate)
    app = Litestar([told], plugins=[plugin], cors_config=cors, logging_config=None)
    with TestClient(app, base_url=LOCAL) as client:
        spoofed = {"x-user-id": "root", "X_User_Role": "admin", "origin": "https://any.example"}
        assert client.get("/open", headers=spoofed).json() == {}


def test_the_page_of_exchange_tickets_is_there() -> None:
    """S-12: Litestar runs middleware for its own routes alone, so coatcheck's page is one of them."""
    sessions = AsyncSessions("memory://")
    app = Litestar([secret], plugins=[CoatcheckPlugin(sessions, entering=Entering(), gate=GATE)], logging_config=None)
    with TestClient(app, base_url=LOCAL) as client:
        client.follow_redirects = False
        issued = client.blocking_portal.call(lambda: sessions.issue_exchange("ann", next="/me"))
        moved = client.get(f"/enter?sid={issued.token}")
        assert (moved.status_code, moved.headers["location"]) == (303, "/enter")
        page = client.get("/enter")
        assert "Sign in as ann?" in page.text
        form = {"csrf_token": re.findall('name="csrf_token" value="([^"]+)"', page.text)[0], "choice": "enter"}
        done = client.post("/enter", data=form, headers={"origin": LOCAL})
        assert (done.status_code, done.headers["location"]) == (303, "/me")


def test_an_exempt_path_is_not_found_below_a_mount() -> None:
    """G-15: a path that is exempt from CSRF is exempt where it is, and not below every mount."""
    evil = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
    with TestClient(create(csrf=Csrf(exempt=["/hook", "/admin-hook"])), base_url=LOCAL) as client:
        assert client.post("/admin-hook", headers=evil).status_code == 201
        assert client.post("/blog/hook", headers=evil).status_code == 403
