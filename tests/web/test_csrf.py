"""CSRF through the middleware: the same table as the pure function's, end to end, and what each answer says."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from coatcheck.testing import FrozenClock
from coatcheck.web.csrf import Csrf
from coatcheck.web.csrf_judging import Asked, Step
from tests.fast._csrf_rows import APP, CSRF, TABLE
from tests.web._csrf import Got, Host, login, put

ROWS = [row for row in TABLE if row[1].carrier == "cookie" and not row[1].tested]
VARY = {"Sec-Fetch-Site", "Origin", "Referer"}
CROSS = [(b"sec-fetch-site", b"cross-site")]


async def sent(host: Host, asked: Asked) -> Got:
    """Send a row's request, with the cookie of a signed-in session where the row has one."""
    cookies = {"__Host-session": await host.signed_in()} if asked.cookie else None
    facts: dict[str, Any] = {"query_string": asked.query}
    if asked.raw_path:
        facts["raw_path"] = asked.raw_path
    headers = [(name.lower(), value) for name, value in asked.headers if name != b"host"]
    return await host.ask(asked.method, asked.path, cookies=cookies, headers=headers, socket=asked.socket, **facts)


@pytest.mark.parametrize(("asked", "step"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_the_table_end_to_end(asked: Asked, step: Step) -> None:
    """G-1 to G-18, CS-7 to CS-14: what the table lets through reaches its handler, and nothing else does."""
    host = Host(trusted_origins=[APP], csrf=CSRF)
    got = asyncio.run(sent(host, asked))

    goes_on = step in (Step.FINE, Step.UNPROVEN)
    assert got.reached is goes_on
    assert got.status == ((101 if asked.socket else 200) if goes_on else 403)
    if not goes_on:
        assert {"no-store", "private"} <= set(got.header("cache-control").split(", "))
        assert set(got.header("vary").split(", ")) >= VARY
        assert got.cookie("__Host-session") is None
        assert host.events.names[-1] == "csrf.refused"


@pytest.mark.parametrize("act", [login, put])
@pytest.mark.parametrize("asked", [row[1] for row in ROWS if row[2] is Step.UNPROVEN])
def test_who_says_nothing_begins_no_session(asked: Asked, act: Any) -> None:
    """CS-16, ASVS 7.6.2: a request of unknown origin goes on without our cookies, and no session comes of it."""
    host = Host(trusted_origins=[APP], csrf=CSRF)
    host.act = act
    got = asyncio.run(sent(host, asked))

    assert (got.status, got.reached, got.header("set-cookie")) == (403, True, "")
    assert set(got.header("vary").split(", ")) >= VARY
    assert asyncio.run(host.sessions.count()) == 0
    assert host.events.only("csrf.refused")[0].details["reason"] == "no_origin"


@pytest.mark.parametrize("act", [login, put])
def test_our_own_page_begins_one(act: Any) -> None:
    """CS-16: the same handlers serve a form of ours, whose browser says so."""
    host = Host()
    host.act = act
    got = asyncio.run(host.ask(headers=[(b"origin", b"https://host.example")]))

    assert got.status == 200
    assert got.cookie("__Host-session")


def test_a_refused_request_is_no_activity() -> None:
    """N-14: what another site sends neither renews the session nor gives it a new ticket, and asks no store."""

    async def story() -> None:
        host = Host()
        cookies = {"__Host-session": await host.signed_in()}
        host.clock.advance("2d")  # a touch and a rotation are due
        before = await host.sessions.list("ada")
        got = await host.ask(cookies=cookies, headers=CROSS)
        silent = await host.ask(cookies=cookies)
        assert (got.status, silent.status) == (403, 403)
        assert (got.cookie("__Host-session"), silent.cookie("__Host-session")) == (None, None)
        assert await host.sessions.list("ada") == before

    asyncio.run(story())


def test_a_refusal_is_logged_without_tokens(caplog: pytest.LogCaptureFixture) -> None:
    """G-18: log and event name the reason, method and path; no token, cookie, query or header of the request."""

    async def story() -> str:
        host = Host()
        ticket = await host.signed_in()
        with caplog.at_level(logging.DEBUG, "coatcheck"):
            got = await host.ask(
                path="/transfer",
                query_string=b"key=hush",
                cookies={"__Host-session": ticket},
                headers=[(b"x-csrf-token", b"tok" * 20), (b"accept", b"text/html")],
            )
        assert "This request was refused" in got.body
        (event,) = host.events.only("csrf.refused")
        assert event.details == {"reason": "wrong_token", "method": "POST", "path": "/transfer", "reported": False}
        assert event.user_id == "ada"
        return ticket.partition(".")[2] + got.body

    secret, _, page = asyncio.run(story()).partition("<!doctype")
    (line,) = [record.getMessage() for record in caplog.records if "csrf.refused" in record.getMessage()]
    for told in (line, page):
        assert not any(hidden in told for hidden in (secret, "toktok", "hush"))
    assert "reason='wrong_token'" in line


def test_report_only_refuses_nothing_and_tells_everything() -> None:
    """CS-12: before it is enforced, what would be refused is an event with ``reported``, a log line and a count."""

    async def story() -> None:
        host = Host(csrf=Csrf(report_only=True))
        cookies = {"__Host-session": await host.signed_in()}
        for headers, reason in ((CROSS, "cross_site"), ([], "no_origin"), ([(b"x-csrf-token", b"x")], "wrong_token")):
            host.events.clear()
            got = await host.ask(cookies=cookies, headers=headers)
            assert (got.status, got.reached) == (200, True)
            (event,) = host.events.only("csrf.refused")
            assert (event.details["reason"], event.details["reported"]) == (reason, True)
        host.events.clear()
        host.act = login
        assert (await host.ask()).cookie("__Host-session")
        assert [event.details["reported"] for event in host.events.only("csrf.refused")] == [True]

    asyncio.run(story())


def test_refusals_are_counted() -> None:
    """CS-12: the metric: refused and reported requests are counted with the rest."""

    async def story() -> None:
        host = Host()
        await host.sessions.open()
        await host.ask(headers=CROSS)
        await host.ask(headers=CROSS)
        await host.sessions.aclose()
        (minute,) = [each for each in await host.sessions.counts() if each.csrf_refused]
        assert minute.csrf_refused == 2

    asyncio.run(story())


def test_off_judges_nothing() -> None:
    """CS-12: with ``csrf="off"`` every request reaches its handler as before."""
    host = Host(csrf="off")
    host.act = login
    assert asyncio.run(host.ask(headers=CROSS)).status == 200


def test_paths_without_sessions_are_not_judged() -> None:
    """CS-12: where the middleware uses no session there is no cookie to abuse."""
    host = Host(paths=["/app"])
    assert asyncio.run(host.ask(path="/api/hook", headers=CROSS)).status == 200
    assert asyncio.run(host.ask(path="/app/form", headers=CROSS)).status == 403


def test_a_guarded_safe_method_varies() -> None:
    """CS-11: where a GET is judged, the answer that it gets says what it depends on, and others do not."""
    host = Host(csrf=Csrf(protect_safe=["/logout"]))
    same = [(b"sec-fetch-site", b"same-origin")]
    assert set(asyncio.run(host.ask("GET", "/logout", headers=same)).header("vary").split(", ")) == VARY
    assert asyncio.run(host.ask("GET", "/", headers=same)).header("vary") == ""
    assert asyncio.run(host.ask("POST", "/", headers=same)).header("vary") == ""


def test_the_router_is_inside_root_path() -> None:
    """G-15: paths are those of the router, wherever the application is mounted."""
    host = Host(csrf=Csrf(exempt=["/hook"]))
    for path, root, status in (("/app/hook", "/app", 200), ("/hook", "", 200), ("/app/hook", "", 403)):
        assert asyncio.run(host.ask(path=path, root_path=root, headers=CROSS)).status == status
    assert asyncio.run(host.ask(path="/application/hook", root_path="/app", headers=CROSS)).status == 403


def test_a_spoofed_forwarded_host_is_ignored() -> None:
    """G-16, CS-13: the own origin comes from Host, and from X-Forwarded-Host only where the peer is a named proxy."""
    spoofed = [
        (b"origin", b"https://evil.example"),
        (b"x-forwarded-host", b"evil.example"),
        (b"x-forwarded-for", b"::1"),
    ]
    assert asyncio.run(Host().ask(headers=spoofed)).status == 403
    assert asyncio.run(Host(trusted_proxies=["127.0.0.1"]).ask(headers=spoofed)).status == 200


def test_a_socket_without_the_extension_is_closed() -> None:
    """G-14, RFC 6455 7.4: where the server cannot answer a handshake, the close says that policy forbids it."""

    async def story() -> None:
        host = Host()
        for extensions, first in (
            ({}, "websocket.close"),
            ({"websocket.http.response": {}}, "websocket.http.response.start"),
        ):
            sent: list[Any] = []

            async def send(message: Any, sent: list[Any] = sent) -> None:
                sent.append(message)

            scope = {
                "type": "websocket", "scheme": "wss", "path": "/ws", "query_string": b"", "client": None,
                "headers": [(b"host", b"host.example"), (b"origin", b"https://evil.example")], "extensions": extensions,
            }  # fmt: skip
            await host.app(scope, _never, send)
            assert sent[0]["type"] == first
            assert sent[0].get("code", 1008) == 1008
            assert not host.reached

    asyncio.run(story())


async def _never() -> Any:
    raise AssertionError("nobody was to ask")


@pytest.mark.parametrize("name", ["testserver", "test"])
def test_clients_of_tests_say_nothing_and_pass(name: str) -> None:
    """CS-14, the plugin's hosts: a TestClient's request goes on as before, and another site's does not."""
    host = Host(csrf=Csrf(token="always"))
    host.act = login
    headers: list[tuple[bytes, bytes]] = [(b"host", name.encode())]

    async def status(*said: tuple[bytes, bytes]) -> int:
        scope = {
            "type": "http", "method": "POST", "scheme": "http", "path": "/", "query_string": b"", "client": None,
            "headers": [*headers, *said],
        }  # fmt: skip
        return (await host._sent(scope, b"")).status

    assert asyncio.run(status()) == 200
    assert asyncio.run(status((b"origin", b"https://evil.example"))) == 403
    assert isinstance(host.clock, FrozenClock)
