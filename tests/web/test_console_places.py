"""The console's addresses: wherever it is mounted, and whatever of the path the server before it takes away."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import unquote

import pytest
from starlette._utils import get_route_path
from starlette.testclient import TestClient

from coatcheck import AsyncSessions
from coatcheck.web.console import Console, everybody
from coatcheck.web.console.app import HEADERS
from coatcheck.web.console.places import depth_of, place_of
from tests.web._console import BASE, Desk

PLACES = [
    ("/operator/x", "/operator"), ("/operator", "/operator"), ("/operators", "/operator"), ("/x", ""), ("/", ""),
    ("/x/y", "/op"), ("/op/op/x", "/op"), ("/static/base.css", "/op"), ("/op/", "/op"), ("/op/x", "/op/"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "root"), PLACES)
def test_a_place_is_what_starlette_routes_by(path: str, root: str) -> None:
    """The console decides by the same part of the path by which its routes are found."""
    scope = {"type": "http", "path": path, "root_path": root}

    assert place_of(scope) == get_route_path(scope)


@pytest.mark.parametrize("keeps", [True, False])
def test_a_server_may_keep_the_prefix_or_take_it_away(keeps: bool) -> None:
    """Pages and stylesheets are found either way, when ``root_path`` names the prefix."""
    console = Console(AsyncSessions("memory://"), guard=everybody)

    async def proxy(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            path = scope["path"] if keeps else scope["path"].removeprefix("/op")
            scope = {**scope, "path": path, "root_path": "/op"}
        await console(scope, receive, send)

    client = TestClient(proxy, base_url=BASE, headers={"accept": "text/html"})
    for path in ("/op/", "/op/policy", "/op/no/such/page"):
        page = client.get(path)
        links = re.findall(r'(?:href|src)="([^"]+static/[^"]+)"', page.text)
        assert len(links) == 4
        for link in links:
            assert client.get(str(page.request.url.join(link))).status_code == 200, (path, link)


@pytest.mark.parametrize("path", ["/a%2Fb", "/a%2fb/c", "/a/b%2Fc%2Fd", "/nowhere%2F"])
@pytest.mark.parametrize("at", ["/operator", "/a/b"])
def test_an_encoded_slash_leads_nowhere_else(path: str, at: str) -> None:
    """For a browser ``%2F`` is no slash: the page that says so has its stylesheets and its links."""
    with Desk(at=at).serving() as desk:
        page = desk.get(path)
        links = re.findall(r'<(?:a|link|script)[^>]*(?:href|src)="([^"#]+)', page.text)
        assert page.status_code == 404
        assert len(links) > 4
        for link in links:
            assert desk.client.get(str(page.request.url.join(link))).status_code == 200, link


@pytest.mark.parametrize(("sent", "depth"), [(b"/op/a%2Fb", 1), (b"/op/a/b", 2), (b"", 2), (None, 2), (b"/a%2fb", 1)])
def test_a_depth_needs_no_raw_path(sent: bytes | None, depth: int) -> None:
    """A server that tells only the decoded path is believed; one that tells the raw path is asked."""
    path = "/op/a/b" if sent is None else unquote(sent.decode()) or "/op/a/b"

    assert depth_of({"type": "http", "path": path, "root_path": "/op", "raw_path": sent}) == depth


def test_the_redirect_to_the_first_page_is_hardened() -> None:
    """The answer that adds the slash has every header that the others have, and no cache stores it."""
    console = Console(AsyncSessions("memory://"), guard=everybody)

    async def ask() -> dict[str, str]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        scope = {
            "type": "http", "method": "GET", "path": "/operator", "root_path": "/operator", "query_string": b"",
            "headers": [], "scheme": "http", "server": ("localhost", 8000), "client": None,
        }  # fmt: skip
        await console(scope, receive, send)
        return {name.decode(): value.decode() for name, value in sent[0]["headers"]}

    headers = asyncio.run(ask())
    assert headers["location"] == "operator/"
    assert "no-store" in headers["cache-control"]
    assert headers.items() >= HEADERS.items()
