"""Several accounts in one browser in each framework: one story, told by each in its own words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from litestar import Litestar, Request
from litestar import get as litestar_get
from litestar import post as litestar_post
from litestar.testing import TestClient as LitestarClient
from starlette.testclient import TestClient as StarletteClient
from starlette.websockets import WebSocket

from coatcheck import AsyncSessions, Sessions
from coatcheck.web import asgi, flask, litestar, wsgi
from coatcheck.web.fastapi import BlockingAccounts, CurrentAccounts, CurrentSession, SessionMiddleware, accounts_of
from tests.web._flask_site import World as FlaskWorld
from tests.web._wsgi import environ_of, plain, serve

LOCAL = "http://localhost"
SAID = {"origin": LOCAL}
Ask = Callable[[str, str], Any]


def tell(ask: Ask) -> None:
    """Add two accounts, go back to the first, sign the second out, and then everybody."""
    for user in ("ada", "bob"):
        ask("POST", f"/add?who={user}")
    rows = ask("GET", "/list")
    assert [(row["user_id"], row["current"]) for row in rows] == [("bob", True), ("ada", False)]
    known = {row["user_id"]: row["session_id"] for row in rows}
    ask("POST", f"/switch?who={known['ada']}")
    assert [(row["user_id"], row["current"]) for row in ask("GET", "/list")] == [("ada", True), ("bob", False)]
    ask("POST", f"/sign_out?who={known['bob']}")
    ask("POST", "/park")
    assert [(row["user_id"], row["current"]) for row in ask("GET", "/list")] == [("ada", False)]
    ask("POST", "/sign_out_all")
    assert ask("GET", "/list") == []


def by_client(client: Any) -> Ask:
    """Return what sends requests by a test client of Starlette's kind."""

    def ask(method: str, path: str) -> Any:
        answer = client.request(method, path)
        assert answer.status_code < 300, answer.text
        return answer.json()

    return ask


def shown(accounts: Any) -> Any:
    """Return what a verb returned in a form for JSON."""
    return {} if accounts is None else [account.as_json() for account in accounts]


def fastapi_app(load: Any, url: str = "memory://") -> FastAPI:
    """Return an application with async endpoints, and a plain one that lists."""
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=AsyncSessions(url), accounts=3, load=load)

    @app.get("/list")
    def listed(accounts: BlockingAccounts) -> Any:
        return shown(accounts.list())

    @app.post("/{verb}")
    async def act(verb: str, accounts: CurrentAccounts, who: str | None = None) -> Any:
        return shown(await getattr(accounts, verb)(*([] if who is None else [who])))

    @app.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_json(shown(await accounts_of(websocket).list()))
        await websocket.close()

    @app.get("/same")
    async def same(session: CurrentSession) -> str:
        return repr(session.signed_in)

    return app


@pytest.mark.parametrize("load", ["always", "on_demand"])
@pytest.mark.parametrize("url", ["memory://", "sqlite:///{folder}/sessions.db"])
def test_fastapi(load: Any, url: str, tmp_path: Path) -> None:
    """Issue 5, section 4: `CurrentAccounts` and `BlockingAccounts`, in whichever way sessions are loaded and kept."""
    with TestClient(fastapi_app(load, url.format(folder=tmp_path)), base_url=LOCAL, headers=SAID) as client:
        tell(by_client(client))


def test_in_a_websocket_they_are_listed() -> None:
    """Ruling 15: a snapshot shows who is there."""
    with TestClient(fastapi_app("always"), base_url=LOCAL, headers=SAID) as client:
        client.post("/add?who=ada")
        client.post("/add?who=bob")
        with client.websocket_connect("ws://localhost/socket") as socket:
            assert [row["user_id"] for row in socket.receive_json()] == ["bob", "ada"]


def test_plain_asgi() -> None:
    """Issue 5, section 4: `accounts_in` for an application without a framework."""

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        arguments = [scope["query_string"].decode().partition("=")[2]] if scope["query_string"] else []
        said = shown(await getattr(asgi.accounts_in(scope), scope["path"][1:])(*arguments))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(said).encode()})

    served = asgi.SessionMiddleware(app, sessions=AsyncSessions("memory://"), accounts=3)
    tell(by_client(StarletteClient(served, base_url=LOCAL, headers=SAID)))


def test_litestar() -> None:
    """Issue 5, section 4: `accounts_of(request)`."""

    @litestar_get("/list")
    async def listed(request: Request[Any, Any, Any]) -> Any:
        return shown(await litestar.accounts_of(request).list())

    @litestar_post("/{verb:str}")
    async def act(request: Request[Any, Any, Any]) -> Any:
        verb, who = request.path_params["verb"], request.query_params.getall("who", [])
        return shown(await getattr(litestar.accounts_of(request), verb)(*who))

    plugin = litestar.CoatcheckPlugin(AsyncSessions("memory://"), accounts=3)
    app = Litestar([listed, act], plugins=[plugin], openapi_config=None, logging_config=None)
    with LitestarClient(app, base_url="http://app.localhost") as client:
        client.headers["origin"] = "http://app.localhost"
        tell(by_client(client))


def test_wsgi() -> None:
    """Issue 5, section 4: `accounts_in(environ)`, loaded at the first use."""

    def app(environ: Any, start_response: Any) -> Any:
        arguments = [environ["QUERY_STRING"].partition("=")[2]] if environ["QUERY_STRING"] else []
        said = shown(getattr(wsgi.accounts_in(environ), environ["PATH_INFO"][1:])(*arguments))
        return plain(start_response, json.dumps(said).encode())

    served = wsgi.SessionMiddleware(app, sessions=Sessions("memory://"), accounts=3)
    jar = dict[str, str]()

    def ask(method: str, path: str) -> Any:
        held = "; ".join(f"{name}={value}" for name, value in jar.items() if value)
        answer = serve(served, environ_of(path, method=method, HTTP_COOKIE=held or None))
        for cookie in answer.all("set-cookie"):
            name, _, value = cookie.partition(";")[0].partition("=")
            jar[name] = value
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    tell(ask)
    assert not any(jar.values())


def test_flask() -> None:
    """Issue 5, section 4: `accounts_of()` beside ``flask.session``, which is the new account's after switching."""
    import flask as framework

    def act() -> Any:
        arguments = [framework.request.args["who"]] if "who" in framework.request.args else []
        before = dict(framework.session)
        said = shown(getattr(flask.accounts_of(), framework.request.args["verb"])(*arguments))
        if framework.request.args["verb"] == "switch":
            assert dict(framework.session) != before or before == {}
        elif framework.request.args["verb"] == "add":
            framework.session["whose"] = framework.request.args["who"]
        return said

    client = FlaskWorld(act, accounts=3).browser()

    def ask(method: str, path: str) -> Any:
        verb, _, query = path[1:].partition("?")
        answer = client.open(f"/act?verb={verb}&{query}", method=method, base_url=LOCAL, headers=SAID)
        assert answer.status_code == 200, answer.text
        return answer.json

    tell(ask)
