"""Applications written for Starlette's own sessions, and a library that uses them, with one line changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth
from httpx2 import MockTransport
from httpx2 import Request as Asked
from httpx2 import Response as Answer
from starlette.applications import Starlette
from starlette.datastructures import URL
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware as SignedCookies
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.testclient import TestClient

from coatcheck import AsyncSessions
from coatcheck.web.starlette import SessionMiddleware

LOCAL = "http://localhost:8000"

Line = Callable[[Path], Middleware]
LINES: dict[str, Line] = {
    "starlette": lambda _: Middleware(SignedCookies, secret_key="a key that only this application has"),
    "memory": lambda _: Middleware(SessionMiddleware, sessions=AsyncSessions("memory://")),
    "sqlite": lambda folder: Middleware(SessionMiddleware, sessions=AsyncSessions(f"sqlite:///{folder}/sessions.db")),
}
"""The one line that differs; Starlette's own is among them, so that the idioms are proved to be real ones."""


@pytest.fixture(params=LINES)
def line(request: pytest.FixtureRequest, tmp_path: Path) -> Middleware:
    """Give the application's session middleware."""
    return LINES[request.param](tmp_path)


def browser(line: Middleware, routes: list[BaseRoute]) -> TestClient:
    """Return a browser at an application."""
    return TestClient(Starlette(routes=routes, middleware=[line]), base_url=LOCAL, headers={"origin": LOCAL})


def another(client: TestClient) -> TestClient:
    """Return a second browser at the same application, in the same event loop."""
    other = TestClient(client.app, base_url=LOCAL, headers={"origin": LOCAL})
    other.portal = client.portal
    return other


# --- dict idioms

Step = Callable[[Any], object]
IDIOMS: dict[str, tuple[list[Step], dict[str, Any]]] = {
    "assign and read": ([lambda s: s.__setitem__("a", 1), lambda s: s["a"]], {"a": 1}),
    "get": ([lambda s: s.get("a"), lambda s: s.get("a", "default")], {}),
    "setdefault": ([lambda s: s.setdefault("a", []), lambda s: s.setdefault("a", 7)], {"a": []}),
    "update with a mapping": ([lambda s: s.update({"a": 1}), lambda s: s.update({"a": 2, "b": 3})], {"a": 2, "b": 3}),
    "update with words": ([lambda s: s.update(a=1, b=None)], {"a": 1, "b": None}),
    "update with pairs": ([lambda s: s.update([("a", 1)])], {"a": 1}),
    "pop": ([lambda s: s.update(a=1, b=2), lambda s: s.pop("a")], {"b": 2}),
    "pop what is not there": ([lambda s: s.pop("a", None), lambda s: s.pop("a", "default")], {}),
    "popitem": ([lambda s: s.update(a=1), lambda s: list(s.popitem())], {}),
    "del": ([lambda s: s.update(a=1, b=2), lambda s: s.__delitem__("b")], {"a": 1}),
    "clear": ([lambda s: s.update(a=1, b=2), lambda s: s.clear()], {}),
    "clear, then assign": ([lambda s: s.update(a=1, b=2), lambda s: (s.clear(), s.update(c=3))[1]], {"c": 3}),
    "in": ([lambda s: s.update(a=1), lambda s: ["a" in s, "b" in s, "b" not in s, 7 in s]], {"a": 1}),
    "length and truth": ([lambda s: [len(s), bool(s)], lambda s: s.update(a=1), lambda s: [len(s), bool(s)]], {"a": 1}),
    "keys, values, items": (
        [lambda s: s.update(a=1, b=2), lambda s: [sorted(s), sorted(s.keys()), sorted(s.values()), sorted(s.items())]],
        {"a": 1, "b": 2},
    ),
    "comparison": ([lambda s: s.update(a=1), lambda s: [s == {"a": 1}, s != {"a": 1}, s == {}]], {"a": 1}),
    "unpacking": ([lambda s: s.update(a=1), lambda s: {**s, "b": 2}], {"a": 1}),
    "json of a copy": (
        [lambda s: s.update(a=[1, {"b": None}]), lambda s: json.dumps(dict(s))],
        {"a": [1, {"b": None}]},
    ),
    "deletion in a loop": (
        [lambda s: s.update(_a=1, _b=2, c=3), lambda s: sorted(s.pop(key) for key in list(s) if key.startswith("_"))],
        {"c": 3},
    ),
    "nested change, marked as Starlette wants it": (
        [
            lambda s: s.update(cart={"items": []}),
            lambda s: (s["cart"]["items"].append("pear"), s.__setitem__("cart", s["cart"]))[1],
        ],
        {"cart": {"items": ["pear"]}},
    ),
}
MERGES: dict[str, tuple[list[Step], dict[str, Any]]] = {
    "merged in place": ([lambda s: s.__ior__({"a": 1}) is s, lambda s: s.__ior__({"b": 2}) is s], {"a": 1, "b": 2}),
    "merged into a new one": ([lambda s: s.update(a=1), lambda s: s | {"b": 2}], {"a": 1}),
    "copy": ([lambda s: s.update(a=1), lambda s: s.copy().pop("a")], {"a": 1}),
}
"""What a dict has beyond a mapping."""


@pytest.mark.parametrize("name", [*IDIOMS, *MERGES])
def test_dict_idioms(name: str, line: Middleware) -> None:
    """Each step is a request of one browser: it answers as a dict would, and leaves what a dict would (section 4)."""
    steps, left = {**IDIOMS, **MERGES}[name]
    plain: dict[str, Any] = {}

    async def step(request: Request) -> Response:
        return JSONResponse(steps[int(request.query_params["step"])](request.session))

    async def everything(request: Request) -> Response:
        return JSONResponse(dict(request.session))

    with browser(line, [Route("/step", step, methods=["POST"]), Route("/", everything)]) as client:
        for number, act in enumerate(steps):
            answer = client.post(f"/step?step={number}")
            assert answer.json() == json.loads(json.dumps(act(plain)))
        assert client.get("/").json() == left == plain


def test_missing_keys_raise_key_error(line: Middleware) -> None:
    """``session["a"]``, ``del session["a"]`` and ``session.pop("a")`` raise KeyError, as existing code expects."""
    acts: list[Step] = [lambda s: s["a"], lambda s: s.__delitem__("a"), lambda s: s.pop("a"), lambda s: s.popitem()]

    async def try_each(request: Request) -> Response:
        for act in acts:
            with pytest.raises(KeyError):
                act(request.session)
        return PlainTextResponse("tried")

    with browser(line, [Route("/", try_each)]) as client:
        assert client.get("/").text == "tried"


def test_keys_keep_their_order(line: Middleware) -> None:
    """Keys come back in the order in which they were first written, as from a dict, also those of one request."""
    words = ["zebra", "apple", "mango", "kiwi", "banana", "cherry", "fig", "date"]

    async def write(request: Request) -> Response:
        for word in request.query_params["words"].split(","):
            request.session[word] = True
        return PlainTextResponse("written")

    async def read(request: Request) -> Response:
        return JSONResponse(list(request.session))

    with browser(line, [Route("/", read), Route("/write", write, methods=["POST"])]) as client:
        client.post(f"/write?words={','.join(words[:6])}")
        client.post(f"/write?words={','.join(words[6:] + words[:1])}")
        assert client.get("/").json() == words


# --- a whole application


def flash(request: Request, text: str) -> None:
    """Keep a message for the next page."""
    messages = request.session.get("_messages", [])
    messages.append({"text": text})
    request.session["_messages"] = messages


async def sign_in(request: Request) -> Response:
    """Sign in as existing code does: by writing a key."""
    request.session.clear()
    request.session["user"] = request.query_params["user"]
    flash(request, "Welcome.")
    flash(request, "You have mail.")
    return PlainTextResponse("in")


async def sign_out(request: Request) -> Response:
    """Sign out as existing code does."""
    request.session.clear()
    return PlainTextResponse("out")


async def page(request: Request) -> Response:
    """Show who is there, and each message once."""
    if "user" not in request.session:
        return PlainTextResponse("nobody", status_code=403)
    request.session["visits"] = request.session.get("visits", 0) + 1
    messages = [message["text"] for message in request.session.pop("_messages", [])]
    return JSONResponse({"user": request.session["user"], "visits": request.session["visits"], "messages": messages})


SITE: list[BaseRoute] = [
    Route("/sign-in", sign_in, methods=["POST"]),
    Route("/sign-out", sign_out, methods=["POST"]),
    Route("/", page),
]


def test_an_existing_application(line: Middleware) -> None:
    """Keys as sign-in, flash messages, a counter, ``clear`` as sign-out: the same code and answers (section 4)."""
    with browser(line, SITE) as client:
        assert client.get("/").status_code == 403
        client.post("/sign-in?user=ada")
        assert client.get("/").json() == {"user": "ada", "visits": 1, "messages": ["Welcome.", "You have mail."]}
        assert client.get("/").json() == {"user": "ada", "visits": 2, "messages": []}
        client.post("/sign-out")
        assert client.get("/").status_code == 403


def test_two_browsers_are_apart(line: Middleware) -> None:
    """What one browser's session holds never shows in another's (promise 1)."""
    with browser(line, SITE) as client:
        other = another(client)
        client.post("/sign-in?user=ada")
        other.post("/sign-in?user=grace")
        assert [client.get("/").json()["user"], other.get("/").json()["user"]] == ["ada", "grace"]


# --- Authlib's client


class Provider:
    """An authorization server that lives in the process: it answers the token request and remembers it."""

    def __init__(self) -> None:
        """Have seen no request yet."""
        self.asked: list[dict[str, list[str]]] = []

    def __call__(self, request: Asked) -> Answer:
        """Give a token for the code."""
        assert request.url == "https://id.example/token"
        self.asked.append(parse_qs(request.content.decode()))
        return Answer(200, json={"access_token": "opaque", "token_type": "Bearer", "expires_in": 60})


def relying_party(provider: Provider) -> list[BaseRoute]:
    """Return the routes of an application that signs people in with *provider*, as Authlib's documentation has them."""
    oauth = OAuth()
    oauth.register(
        "example",
        client_id="shop",
        client_secret="made up",
        authorize_url="https://id.example/authorize",
        access_token_url="https://id.example/token",
        client_kwargs={"code_challenge_method": "S256", "transport": MockTransport(provider)},
    )

    async def begin(request: Request) -> Response:
        answer: Response = await oauth.example.authorize_redirect(request, URL(f"{LOCAL}/callback"))
        return answer

    async def callback(request: Request) -> Response:
        try:
            token = await oauth.example.authorize_access_token(request)
        except OAuthError as refused:
            return PlainTextResponse(str(refused.error), status_code=403)
        request.session["user"] = token["access_token"]
        return PlainTextResponse("in")

    async def keys(request: Request) -> Response:
        return JSONResponse(sorted(request.session))

    return [Route("/begin", begin), Route("/callback", callback), Route("/keys", keys)]


def state_of(answer: Answer) -> str:
    """Return the state in a redirect to the provider."""
    assert answer.status_code == 302
    [state] = parse_qs(urlsplit(answer.headers["location"]).query)["state"]
    return state


def test_authlib_signs_in(line: Middleware) -> None:
    """Authlib keeps its state in ``request.session``, redeems the code once, with PKCE, and clears up behind itself."""
    provider = Provider()
    with browser(line, relying_party(provider)) as client:
        state = state_of(client.get("/begin", follow_redirects=False))
        assert client.get("/keys").json() == [f"_state_example_{state}"]
        assert client.get(f"/callback?code=c0de&state={state}").text == "in"
        assert client.get("/keys").json() == ["user"]
        again = client.get(f"/callback?code=c0de&state={state}")

    assert (again.status_code, again.text) == (403, "mismatching_state")
    [asked] = provider.asked
    assert (asked["code"], asked["redirect_uri"]) == (["c0de"], [f"{LOCAL}/callback"])
    assert len(asked["code_verifier"][0]) >= 43


@pytest.mark.parametrize("victim_began_too", [False, True])
def test_a_state_is_no_use_in_another_browser(line: Middleware, victim_began_too: bool) -> None:
    """The callback address of browser A, opened in browser B, signs nobody in (ASVS 10.1.2, CVE-2025-68158)."""
    provider = Provider()
    with browser(line, relying_party(provider)) as attacker:
        victim = another(attacker)
        state = state_of(attacker.get("/begin", follow_redirects=False))
        if victim_began_too:
            victim.get("/begin", follow_redirects=False)
        answer = victim.get(f"/callback?code=attackers&state={state}")
        assert (answer.status_code, answer.text) == (403, "mismatching_state")
        assert "user" not in victim.get("/keys").json()
        assert provider.asked == []
        assert attacker.get(f"/callback?code=own&state={state}").text == "in"


def test_each_attempt_starts_afresh(line: Middleware) -> None:
    """A second attempt of the same browser replaces the first one's state, which is refused from then on."""
    with browser(line, relying_party(Provider())) as client:
        first, second = (state_of(client.get("/begin", follow_redirects=False)) for _ in range(2))
        assert client.get("/keys").json() == [f"_state_example_{second}"]
        assert client.get(f"/callback?code=c&state={first}").status_code == 403
        assert client.get(f"/callback?code=c&state={second}").text == "in"
