"""The gate in requests: who is let through, who is sent where, and what is downstream is told."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.testclient import TestClient, WebSocketDenialResponse

from coatcheck import AsyncSessions, ConfigurationError, Policy
from coatcheck.web.gate import Gate, Rule
from coatcheck.web.redirects import safe_next
from coatcheck.web.starlette import SessionMiddleware
from tests.web._gated import GATE, PAGE, PROGRAM, Got, ask, gated, seen, sign_in
from tests.web._site import cookie_header


@pytest.mark.parametrize(
    ("facts", "path", "status", "code"),
    [
        (None, "/", 200, None),
        (None, "/hello", 200, None),
        (None, "/account", 401, "sign_in_required"),
        (None, "/admin", 401, "sign_in_required"),
        (None, "/unlisted", 403, "path_denied"),
        (None, "/nowhere", 403, "path_denied"),
        ({}, "/account", 200, None),
        ({}, "/unlisted", 403, "path_denied"),
        ({"roles": ["editor"]}, "/admin", 403, "role_required"),
        ({"roles": ["ops", "editor"]}, "/admin/users", 200, None),
        ({}, "/account/password", 200, None),
        ({"aal": 1}, "/account/keys", 401, "step_up_required"),
        ({"aal": 2}, "/account/keys", 200, None),
    ],
)
def test_programs_get_a_status_and_a_reason(
    facts: dict[str, Any] | None, path: str, status: int, code: str | None
) -> None:
    """S-54, S-56: what a rule asks for is had, or the answer is 401 or 403 as problem+json with a code."""
    world = gated()

    async def story() -> None:
        token = None if facts is None else await sign_in(world, **facts)
        async with world.browser(**PROGRAM) as client:
            answer = await client.get(path, headers=cookie_header(token) if token else {})
        assert answer.status_code == status
        if code is not None:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["code"] == code
            assert answer.headers["cache-control"] == "no-store, private"

    asyncio.run(story())


def test_a_stale_sign_in_is_asked_again() -> None:
    """ASVS 7.5.1: past the rule's time a program is told step_up, and a page is sent to where one proves it again."""
    world = gated()

    async def story() -> None:
        token = await sign_in(world)
        world.clock.advance("6m")
        async with world.browser() as client:
            said = cookie_header(token)
            problem = (await client.get("/account/password", headers={**said, **PROGRAM})).json()
            assert (problem["reason"], problem["max_age"]) == ("step_up", 300)
            page = await client.get("/account/password", headers={**said, **PAGE})
            assert (page.status_code, page.headers["location"]) == (
                303,
                "/confirm?next=/account/password&reason=step_up",
            )
            assert (await client.get("/confirm", headers={**said, **PAGE})).status_code == 200
            assert (await client.get("/account", headers=said)).status_code == 200

    asyncio.run(story())


@pytest.mark.parametrize("why", ["none", "expired", "idle", "revoked"])
def test_the_reason_is_told(why: str) -> None:
    """S-56: pages go to the sign-in page by 303 with why and where from; programs get 401 with the reason."""
    world = gated(policy=Policy(idle_timeout=None) if why == "expired" else None)

    async def story() -> None:
        said = {} if why == "none" else cookie_header(await sign_in(world))
        if why == "revoked":
            await world.sessions.revoke_user("ann")
        world.clock.advance({"idle": "8d", "expired": "31d"}.get(why, "1s"))
        async with world.browser() as client:
            assert (await client.get("/account/x", headers={**said, **PROGRAM})).json()["reason"] == why
            page = await client.get("/account/x?tab=1", headers={**said, **PAGE})
        told = "" if why == "none" else f"&reason={why}"
        assert (page.status_code, page.headers["location"]) == (303, f"/login?next=/account/x%3Ftab%3D1{told}")

    asyncio.run(story())


@pytest.mark.parametrize(
    "sent",
    [
        *("//evil.example", "/\\evil.example", "\\\\evil.example", "https:evil.example", "/%09/evil.example"),
        *("/%5cevil.example", "///evil.example", "javascript:alert(1)", "/%0d%0aSet-Cookie:x=1", "/%2f%2fevil.example"),
        *(
            "http://localhost.evil.example/",
            "//user@evil.example",
            "/account/..//evil.example",
            "//xn--e1afmkfd.example",
        ),
        *("/account/?next=//evil.example", "/account?x=%0d%0aSet-Cookie:%20a=b", "/account?a=" + "b" * 3000),
        *("/account/@evil.example", "/account/%E2%80%AEevil", "/account?\\evil"),
    ],
)
def test_next_is_never_another_site(sent: str) -> None:
    """Security.md 10.4: whatever address is asked for, the sign-in page's ``next`` is safe or left out."""
    got = asyncio.run(ask(gated(), sent, headers=[(b"accept", b"text/html")]))

    assert got.status in (303, 400)
    location = dict(got.headers).get(b"location", b"/login").decode()
    assert location.split("?")[0] == "/login"
    for following in parse_qs(urlsplit(location).query).get("next", []):
        assert safe_next(following, "refused") == following


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_forms_are_not_redirected(method: str) -> None:
    """Ruling 18: what is no GET and no HEAD gets 401, also where a page is wanted."""

    async def story() -> None:
        async with gated().browser(**PAGE) as client:
            assert (await client.request(method, "/account")).status_code == 401

    asyncio.run(story())


# --- headers for what is downstream

SPOOFED = [
    *((b"x-user-id", b"root"), (b"X-User-Id", b"root"), (b"x_user_id", b"root"), (b"X_USER-ID", b"root")),
    *((b"x-user-role", b"admin"), (b"X_USER_ROLE", b"admin"), (b"x-session-id", b"0root"), (b"x-user-id", b"again")),
]


def told(got: Got) -> Any:
    """Return what the handler saw."""
    return json.loads(got.body)


@pytest.mark.parametrize("path", ["/", "/seen", "/hello", "/account", "/login", "/api/static"])
@pytest.mark.parametrize("holder", ["nobody", "user", "expired"])
def test_spoofed_headers_never_arrive(path: str, holder: str) -> None:
    """S-59: on every path, left out or not, with no cookie, a live and a dead one, no inbound spelling survives."""
    gate = Gate(
        [Rule(["/", "/seen"], allow="public"), Rule("/hello", allow="public", identify=True)],
        default="signed_in",
        skip="/api/:path*",
    )
    world = gated(gate)

    async def story() -> None:
        token = None if holder == "nobody" else await sign_in(world, roles=["editor", "author"])
        if holder == "expired":
            world.clock.advance("31d")
        got = await ask(world, path, headers=SPOOFED, token=token)
        assert b"root" not in got.body
        assert b"again" not in got.body
        if path == "/account" and holder != "user":
            assert got.status == 401
        elif path in ("/hello", "/account") and holder == "user":
            names = [name for name, _ in told(got)]
            assert told(got)[:2] == [["x-user-id", "ann"], ["x-user-role", "author,editor"]]
            assert names == ["x-user-id", "x-user-role", "x-session-id"]
        elif path != "/login":
            assert told(got) == []

    asyncio.run(story())


def test_roles_that_changed_are_told_by_the_next_request() -> None:
    """S-07: what is downstream sees the roles of the moment, encoded so that one role is never two."""
    world = gated()

    async def story() -> None:
        token = await sign_in(world, "zoë", roles=["b", "a,b"])
        assert told(await ask(world, "/account", token=token))[:2] == [
            ["x-user-id", "zo%C3%AB"],
            ["x-user-role", "a%2Cb,b"],
        ]
        await world.sessions.set_roles("zoë", ["c"])
        assert told(await ask(world, "/account", token=token))[1] == ["x-user-role", "c"]

    asyncio.run(story())


# --- paths and methods

TRICKS = [
    *("/blog/..%2fadmin", "/blog/../admin", "/blog/%2e%2e/admin", "/blog/.%2E/admin", "//admin", "/blog//admin"),
    *(
        "/admin%2f",
        "/%2fadmin",
        "/blog%5c..%5cadmin",
        "/blog\\..\\admin",
        "/admin%00",
        "/admin%0a",
        "/%252e%252e/admin",
    ),
    *("/blog/%252e%252e%252fadmin", "http://localhost/admin", "*", "/blog/%ff", "/" + "a" * 3000),
]


@pytest.mark.parametrize("sent", TRICKS)
@pytest.mark.parametrize("default", ["deny", "public"])
def test_paths_with_two_readings_reach_nobody(sent: str, default: Any) -> None:
    """Encoded slashes, dot segments, double slashes and backslashes are 400 for everybody."""
    world = gated(Gate([Rule("/admin/:path*", role="admin"), Rule("/blog/:slug+", allow="public")], default=default))

    async def story() -> None:
        token = await sign_in(world, roles=["admin"])
        got = await ask(world, sent, token=token, headers=[(b"accept", b"application/json")])
        assert (got.status, told(got)["code"]) == (400, "path_refused")
        assert (b"cache-control", b"no-store, private") in got.headers

    asyncio.run(story())


@pytest.mark.parametrize(
    "sent", ["/admin", "/admin/", "/%61dmin", "/admin/%75sers", "/admin%3f", "/Admin", "/admin;x=1"]
)
def test_the_path_is_judged_as_the_router_sees_it(sent: str) -> None:
    """Whatever spelling of a path reaches the handler of /admin is judged by the rule for /admin."""
    gate = Gate([Rule("/admin/:path*", role="admin")], default="public")
    world = gated(gate)

    async def story() -> None:
        got = await ask(world, sent)
        assert got.status != 200  # the rule for /admin refuses, or the router knows no such path

    asyncio.run(story())


def test_below_a_mount_the_gate_sees_what_its_router_sees() -> None:
    """Mounted at /shop, the gate judges /admin, as the mounted application's router does."""
    inner = Starlette(routes=[Route("/admin", seen), Route("/", seen)])
    inner.add_middleware(
        SessionMiddleware,
        sessions=AsyncSessions("memory://"),
        gate=Gate([Rule("/", allow="public"), Rule("/admin")], default="deny"),
    )
    world = gated(None)
    world.app = Starlette(routes=[Mount("/shop", app=inner)])

    async def story() -> None:
        assert (await ask(world, "/shop/")).status == 200
        assert (await ask(world, "/shop/admin")).status == 401
        assert (await ask(world, "/shop/x")).status == 403

    asyncio.run(story())


@pytest.mark.parametrize(
    ("method", "sent", "headers", "status"),
    [
        ("GET", "/docs/1", [], 200),
        ("HEAD", "/docs/1", [], 200),
        ("HEAD", "/account", [], 401),
        ("DELETE", "/docs/1", [], 401),
        ("GET", "/docs/1?_method=DELETE", [], 401),
        ("GET", "/docs/1", [(b"X-HTTP-Method-Override", b"DELETE")], 401),
        ("GET", "/docs/1", [(b"x_http_method", b"delete")], 401),
        ("OPTIONS", "/account", [(b"access-control-request-method", b"POST")], 405),
        ("OPTIONS", "/account", [], 401),
        ("OPTIONS", "//account", [(b"access-control-request-method", b"POST")], 400),
        ("get", "/account", [], 401),
    ],
)
def test_methods_are_judged_as_they_will_be_taken(
    method: str, sent: str, headers: list[tuple[bytes, bytes]], status: int
) -> None:
    """A rule for GET covers HEAD, an overridden method is judged as overridden, a true preflight goes through."""
    assert asyncio.run(ask(gated(), sent, method=method, headers=headers)).status == status


# --- websockets


def test_a_websocket_is_judged_like_a_get() -> None:
    """S-54: a handshake without a session is refused, one with it is told who it is, whatever the client claims."""
    world = gated()
    headers = {"origin": "http://localhost", "x-user-id": "root"}
    client = TestClient(world.app)

    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        client.websocket_connect("ws://localhost/ws", headers=headers),
    ):
        pass
    assert refused.value.status_code == 401

    headers |= cookie_header(asyncio.run(sign_in(world)))
    with client.websocket_connect("ws://localhost/ws", headers=headers) as socket:
        assert socket.receive_text() == "ann"


# --- starting


def test_unguarded_paths_are_listed_once(caplog: pytest.LogCaptureFixture) -> None:
    """X-10: what the gate leaves out is in one line of the log when the application starts, and not in each request."""
    articles = "/((?!api|_next/static|_next/image|favicon.ico).*)"
    world = gated(Gate([], default="signed_in", matcher=articles))

    async def story() -> None:
        for _ in range(2):
            await ask(world, "/api/users")

    with caplog.at_level(logging.WARNING, "coatcheck"):
        asyncio.run(story())
    lines = [record.getMessage() for record in caplog.records if "unguarded" in record.getMessage()]
    paths = ("/api...", "/_next/static...", "/_next/image...", "/favicon.ico...")
    assert lines == [f"unguarded by the gate: {'; '.join(f'{path} (matcher)' for path in paths)}"]


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"gate": "/admin"}, r"is no gate: write gate=Gate\("),
        ({"gate": GATE, "sign_in_url": "/sign-in"}, r"Gate\(sign_in_url='/login'\) differ"),
        ({"gate": GATE, "step_up_url": "/again"}, r"Gate\(step_up_url='/confirm'\) differ"),
    ],
)
def test_a_gate_that_cannot_work_is_refused(options: dict[str, Any], fault: str) -> None:
    """Two sign-in pages, of which the gate leaves open the other, are refused when the middleware is built."""
    with pytest.raises(ConfigurationError, match=fault):
        SessionMiddleware(Starlette(), sessions=AsyncSessions("memory://"), **options)


def test_the_gate_s_pages_need_not_be_said_twice() -> None:
    """The middleware takes the pages from its gate."""
    same: dict[str, Any] = {"gate": GATE, "sign_in_url": "/login"}
    for options in ({"gate": GATE}, same):
        places = SessionMiddleware(Starlette(), sessions=AsyncSessions("memory://"), **options).settings.places
        assert (places.sign_in, places.step_up) == ("/login", "/confirm")
