"""The first hour's mistakes of setting up, each made as developers make it, and its message held to the letter."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fastapi import Request
from starlette.authentication import AuthCredentials, AuthenticationBackend
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware as Signed
from starlette.responses import Response
from starlette.testclient import TestClient

from coatcheck import AsyncSessions, Sessions
from coatcheck.web.fastapi import SessionMiddleware, session_of
from tests.servers.ports import free_port
from tests.web import _first_hour as says
from tests.web._first_hour import CONFIGURATION, LOCAL, ending, memory, shown, site

# 1. without the middleware


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/typed", f"ConfigurationError: {says.NO_SESSION}\n{CONFIGURATION}"),
        ("/mapping", says.STARLETTES),
    ],
)
def test_no_middleware(path: str, message: str) -> None:
    """A session without the middleware names the line to write; where Starlette answers, the words are Starlette's."""
    assert shown(site(), path) == message


# 2. two session middlewares


def test_starlettes_middleware_outside() -> None:
    """Starlette's session middleware, added after ours, is refused with the line to remove."""
    app = site(sessions=memory())
    app.add_middleware(Signed, secret_key="k" * 32)
    assert shown(app) == f"ConfigurationError: {says.OUTSIDE}\n{CONFIGURATION}"


def test_starlettes_middleware_inside(caplog: pytest.LogCaptureFixture) -> None:
    """Added before ours, it is refused where our session is asked for, and told once where only theirs is used."""
    app = site()
    app.add_middleware(Signed, secret_key="k" * 32)
    app.add_middleware(SessionMiddleware, sessions=memory())
    assert shown(app) == f"ConfigurationError: {says.INSIDE}\n{CONFIGURATION}"
    client = TestClient(app, base_url=LOCAL, headers={"origin": LOCAL})
    with caplog.at_level(logging.WARNING, "coatcheck"):
        assert [client.get("/mapping").status_code for _ in range(3)] == [200, 200, 200]
    assert [record.getMessage() for record in caplog.records] == [says.INSIDE]


def test_ours_twice() -> None:
    """Two managers on one application would take turns at one cookie."""
    app = site(sessions=memory())
    app.add_middleware(SessionMiddleware, sessions=memory())
    assert shown(app) == f"ConfigurationError: {says.TWICE}\n{CONFIGURATION}"


@pytest.mark.parametrize(
    ("given", "named"),
    [(Sessions("memory://"), "coatcheck.blocking.Sessions"), (AsyncSessions, "the class AsyncSessions")],
)
def test_not_a_manager_for_asyncio(given: Any, named: str) -> None:
    """The blocking manager, or the class itself, is refused with what to write."""
    message = says.NO_MANAGER.replace("coatcheck.blocking.Sessions", named)
    assert shown(site(sessions=given)) == f"ConfigurationError: {message}\n{CONFIGURATION}"


# 3. the order of middlewares


async def look(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Ask for the session before the endpoint does."""
    session_of(request)["seen"] = True
    return await call_next(request)


class Backend(AuthenticationBackend):
    """Asks for ``session`` as Starlette's documentation does."""

    async def authenticate(self, conn: Any) -> Any:
        """Let everybody pass."""
        conn.session.get("user")
        return AuthCredentials(), None


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (BaseHTTPMiddleware, {"dispatch": look}, f"ConfigurationError: {says.NO_SESSION}\n{CONFIGURATION}"),
        (AuthenticationMiddleware, {"backend": Backend()}, says.STARLETTES),
    ],
)
def test_a_middleware_that_runs_too_early(kind: Any, options: dict[str, Any], message: str) -> None:
    """A middleware that needs the session is added before ours; the other way round the message says so."""
    wrong = site(sessions=memory())
    wrong.add_middleware(kind, **options)
    assert shown(wrong) == message
    right = site()
    right.add_middleware(kind, **options)
    right.add_middleware(SessionMiddleware, sessions=memory())
    assert TestClient(right, base_url=LOCAL, headers={"origin": LOCAL}).get("/typed").status_code == 200


@pytest.mark.parametrize("outside", [True, False])
def test_cors_is_added_after_ours(*, outside: bool) -> None:
    """Our own 401 can be read by a page of another origin only if CORSMiddleware is outside, added last."""
    app = site(sessions=memory()) if outside else site()
    app.add_middleware(CORSMiddleware, allow_origins=["https://web.example"], allow_credentials=True)
    if not outside:
        app.add_middleware(SessionMiddleware, sessions=memory())
    answer = TestClient(app, base_url=LOCAL, headers={"origin": LOCAL}).get(
        "/me", headers={"origin": "https://web.example"}
    )
    assert (answer.status_code, "access-control-allow-origin" in answer.headers) == (401, outside)


@pytest.mark.parametrize("outside", [True, False])
def test_gzip_may_be_anywhere(*, outside: bool) -> None:
    """Compression takes neither the cookie nor ``Vary`` away, wherever it is added."""
    app = site(sessions=memory()) if outside else site()
    app.add_middleware(GZipMiddleware, minimum_size=1)
    if not outside:
        app.add_middleware(SessionMiddleware, sessions=memory())
    answer = TestClient(app, base_url=LOCAL, headers={"origin": LOCAL}).get(
        "/typed", headers={"accept-encoding": "gzip"}
    )
    assert answer.headers["content-encoding"] == "gzip"
    assert {part.strip() for part in answer.headers["vary"].split(",")} == {"Cookie", "Accept-Encoding"}
    assert answer.headers["set-cookie"].startswith("session=")


# 4. a missing extra


@pytest.mark.parametrize(
    ("package", "code", "what", "remedy"),
    [
        ("redis", "coatcheck.AsyncSessions('redis://localhost')", "a redis:// store", '"coatcheck[redis]"'),
        ("hiredis", "coatcheck.Sessions('redis://localhost')", "a redis:// store", '"coatcheck[redis]"'),
        ("psycopg", "coatcheck.Sessions('postgresql://h/d')", "a postgresql:// store", '"coatcheck[postgres]"'),
        ("psycopg", "import coatcheck.stores.postgres", "a postgresql:// store", '"coatcheck[postgres]"'),
        ("typer", "import coatcheck.cli; coatcheck.cli.main()", "the coatcheck command", '"coatcheck[cli]"'),
        ("starlette", "import coatcheck.web.starlette", "coatcheck.web.starlette", "starlette"),
        ("fastapi", "import coatcheck.web.fastapi", "coatcheck.web.fastapi", "fastapi"),
    ],
)
def test_a_missing_extra(package: str, code: str, what: str, remedy: str) -> None:
    """A package that is not installed is named with the command that adds it, where a developer reads last."""
    source = f"import sys; sys.modules[{package!r}] = None; import coatcheck; {code}"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, check=False, text=True)
    *_, told = (line for line in done.stderr.splitlines() if not line.startswith("See "))
    told = told.removeprefix("coatcheck.errors.MissingExtra: ")
    assert told == f"{what} needs {package}, which is not installed: pip install {remedy}"
    assert package != "redis" or told == says.MISSING
    assert done.returncode != 0


# 5. the store cannot be reached


def test_the_store_is_not_there_at_the_start() -> None:
    """The application does not start, and says which store, and what to do."""
    port = free_port()
    app = site(sessions=AsyncSessions(f"redis://:hunter2@localhost:{port}"))
    with (
        pytest.raises(Exception, match="reached") as caught,
        TestClient(app, base_url=LOCAL, headers={"origin": LOCAL}),
    ):
        pass
    unreached = says.UNREACHED.replace("6379", str(port))
    assert ending(caught.value).partition(": ")[2] == (
        f"{unreached}\nSee docs/reference/errors.md#store_unavailable\n{says.NOT_STARTED}"
    )


def test_the_store_is_not_there_at_a_request(caplog: pytest.LogCaptureFixture) -> None:
    """A visitor learns nothing of the store; the log names it, without the password (promise 9)."""
    port = free_port()
    app = site(sessions=AsyncSessions(f"redis://:hunter2@localhost:{port}"))
    with caplog.at_level(logging.WARNING, "coatcheck"):
        answer = TestClient(app, base_url=LOCAL, headers={"origin": LOCAL}).get("/typed")
    assert (answer.status_code, answer.json()["detail"]) == (
        503,
        "Sessions cannot be checked at the moment. Try again in a few seconds.",
    )
    unreached = says.UNREACHED.replace("6379", str(port))
    assert caplog.records[0].getMessage() == f"store.unavailable error='Unreached' cause='{unreached}'"


# 9. a cookie that browsers drop


def test_a_host_cookie_with_a_domain() -> None:
    """``domain=`` beside the default name is refused before a browser drops the cookie in silence (C-11)."""
    app = site(sessions=memory(), domain="shop.example")
    assert shown(app) == f"ConfigurationError: {says.HOST_AND_DOMAIN}\n{CONFIGURATION}"


def test_starlettes_secret_key() -> None:
    """Options of Starlette's own middleware are named with what to write here, a misspelt one with its spelling."""
    app = site(sessions=memory(), secret_key="k" * 32, max_age=60, cookie_nam="sid")
    assert shown(app) == (
        "ConfigurationError: - there is no option 'cookie_nam'; write cookie_name=\n"
        "- there is no option 'max_age': write AsyncSessions(url, policy=Policy(absolute_timeout=...))\n"
        "- there is no option 'secret_key': nothing is signed, the cookie holds a random ticket; leave it out\n"
        f"{CONFIGURATION}"
    )
