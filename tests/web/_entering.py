"""A site with exchange tickets over ASGI and over WSGI, and browsers for both that are driven alike."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from collections.abc import Iterable
from html import unescape
from typing import Any, Literal
from urllib.parse import parse_qs

import httpx
from starlette.testclient import TestClient

from coatcheck import Issued, Policy, Sessions, SignInRequired
from coatcheck.testing import CapturedEvents, FrozenClock
from coatcheck.web.entering import Entering
from coatcheck.web.wsgi import SessionMiddleware, session_in
from tests.web._site import LOCAL, World

Kind = Literal["asgi", "wsgi"]
HERE = {"sec-fetch-site": "same-origin"}
PAGE = Entering(name_of=lambda user_id: user_id.title())


def wsgi_app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer the few paths that the tests need, as `tests.web._site` does."""
    session, path = session_in(environ), environ["PATH_INFO"]
    query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    body: Any = None
    if path == "/login":
        session.login(query["user"])
    elif path == "/set":
        session.update(query)
    elif path == "/read":
        body = {"data": dict(session), "user": session.user_id}
    elif path == "/me":
        if not session.signed_in:
            raise SignInRequired(session.reason or "none")
        body = {"id": session.user_id}
    else:
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"not here"]
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(body).encode()]


class Site:
    """One application of either kind."""

    def __init__(
        self, kind: Kind, *, entering: Entering | None = PAGE, policy: Policy | None = None, store: Any = "memory://",
        root: str = "", **options: Any,
    ) -> None:  # fmt: skip
        """Build it; *options* are the middleware's."""
        self.kind, self.root = kind, root
        if kind == "asgi":
            world = World(store=store, policy=policy, entering=entering, **options)
            self.app: Any = world.app
            self.sessions: Any = world.sessions
            self.clock, self.events = world.clock, world.events
        else:
            self.clock, self.events = FrozenClock(), CapturedEvents()
            self.sessions = Sessions(store, policy=policy, clock=self.clock, listeners=[self.events])
            self.app = SessionMiddleware(wsgi_app, sessions=self.sessions, entering=entering, **options)

    def run(self, it: Any) -> Any:
        """Return what *it* comes to."""

        async def awaited() -> Any:
            return await it

        return asyncio.run(awaited()) if inspect.isawaitable(it) else it

    def ticket(self, user_id: str = "ada", **options: Any) -> Issued:
        """Issue an exchange ticket."""
        made: Issued = self.run(self.sessions.issue_exchange(user_id, **options))
        return made

    def browser(self, base: str = LOCAL) -> httpx.Client:
        """Open a browser with an empty jar, which follows no redirect by itself."""
        if self.kind == "asgi":
            client: Any = TestClient(
                self.app, base_url=base, follow_redirects=False, raise_server_exceptions=False, root_path=self.root
            )
            return client  # type: ignore[no-any-return] # a client of either generation of httpx
        transport = httpx.WSGITransport(self.app, raise_app_exceptions=False, script_name=self.root)
        return httpx.Client(transport=transport, base_url=base)

    def session(self, user_id: str) -> tuple[str, dict[str, str]]:
        """Sign somebody in without a browser; return the session's id and the cookie for a jar."""
        session = self.run(self.sessions.load(None))
        self.run(session.login(user_id))
        token = self.run(self.sessions.save(session)).token
        return token[:26], {"session": token}


def arrive(browser: httpx.Client, token: str) -> httpx.Response:
    """Open the address with a ticket, and then the clean one that it leads to."""
    moved = browser.get(f"/enter?sid={token}")
    assert (moved.status_code, moved.headers["location"]) == (303, "/enter")
    return browser.get("/enter")


def click(browser: httpx.Client, page: httpx.Response, choice: str = "enter", **more: Any) -> httpx.Response:
    """Press the button *choice* of a page."""
    offered = re.findall(r'<button name="choice" value="(\w+)">', page.text)
    assert choice in offered, page.text
    return browser.post("/enter", data={"csrf_token": hidden(page), "choice": choice}, headers={**HERE, **more})


def hidden(page: httpx.Response) -> str:
    """Return the page's hidden token."""
    (found,) = re.findall(r'name="csrf_token" value="([^"]*)"', page.text)
    return unescape(found)


def set_cookies(answer: httpx.Response) -> dict[str, str]:
    """Return the answer's cookies by name, with all that follows the name."""
    said = answer.headers.get_list("set-cookie")
    found = {text.partition("=")[0]: text.partition("=")[2] for text in said}
    assert len(found) == len(said)
    return found


def user(browser: httpx.Client) -> str | None:
    """Return who is signed in in a browser."""
    found: str | None = browser.get("/read").json()["user"]
    return found
