"""The pytest plugin, as pytest loads it into a suite of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[2]

APPLICATION = """
    import pytest
    from fastapi import FastAPI
    from starlette.applications import Starlette
    from starlette.routing import Route
    from starlette.responses import JSONResponse
    from starlette.testclient import TestClient
    from coatcheck import AsyncSessions, Policy
    from coatcheck.web.fastapi import CurrentSession, SessionMiddleware, SignedIn
    from coatcheck.web.starlette import session_of

    async def whoami(request):
        session = session_of(request)
        return JSONResponse({"user": session.user_id, "reason": session.reason})

    def starlette_app():
        return Starlette(routes=[Route("/", whoami)])

    def fastapi_app():
        app = FastAPI()

        @app.get("/")
        async def whoami(session: CurrentSession):
            return {"user": session.user_id, "reason": session.reason}

        @app.get("/account")
        async def account(user: SignedIn):
            return {"roles": user.roles}

        return app

    @pytest.fixture(params=[starlette_app, fastapi_app])
    def client(request, frozen_clock, captured_events):
        sessions = AsyncSessions(
            "memory://", policy=Policy.sensitive(), clock=frozen_clock, listeners=[captured_events]
        )
        app = request.param()
        app.add_middleware(SessionMiddleware, sessions=sessions)
        with TestClient(app) as client:
            yield client

    def test_idle(client, sign_in, frozen_clock, captured_events):
        info = sign_in(client, "user-1")
        frozen_clock.advance("29m")
        assert client.get("/").json() == {"user": "user-1", "reason": None}
        frozen_clock.advance("31m")
        assert client.get("/").json() == {"user": None, "reason": "idle"}
        assert captured_events.only("session.created")[0].session_id == info.id

    @pytest.mark.parametrize("client", [fastapi_app], indirect=True)
    def test_roles(client, sign_in):
        assert client.get("/account").status_code == 401
        sign_in(client, "user-1", roles=["editor"])
        assert client.get("/account").json() == {"roles": ["editor"]}
"""


def inner(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Run the tests in *pytester*'s directory in a process of their own, with the plugin once."""
    installed = any(entry.value == "coatcheck.testing.plugin" for entry in entry_points(group="pytest11"))
    plugin = () if installed else ("-p", "coatcheck.testing.plugin")
    return pytester.runpytest_subprocess(*plugin, "-p", "no:cacheprovider", "-q", *options)


@pytest.fixture(autouse=True)
def _source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let inner runs, which have a directory of their own, find the package that this run tests."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"), prepend=os.pathsep)


def test_the_plugins_fixtures_work_together(pytester: pytest.Pytester) -> None:
    """Signed in on Starlette and FastAPI over ``http://testserver``, and signed out by the idle clock (promise 8)."""
    pytester.makepyfile(APPLICATION)

    inner(pytester).assert_outcomes(passed=3)


def test_plain_http_is_allowed_while_tests_run_and_no_longer(pytester: pytest.Pytester) -> None:
    """Only made-up hosts, only while tests run, also in session fixtures and after late imports (ruling 6)."""
    pytester.makeconftest("""
        import sys

        def pytest_sessionstart():
            assert "coatcheck.web.settings" not in sys.modules

        def pytest_unconfigure():
            from coatcheck.web.settings import test_hosts
            print("after:", sorted(test_hosts))
    """)
    pytester.makepyfile("""
        import pytest

        def allowed(host):
            from coatcheck.web.request import Request
            from coatcheck.web.settings import Options, Settings
            scope = {"type": "http", "scheme": "http", "path": "/", "headers": [(b"host", host.encode())]}
            return Request(scope, Settings(Options())).cookie is not None

        @pytest.fixture(scope="session")
        def early():
            return allowed("testserver")

        def test_hosts(early):
            assert early
            assert allowed("test")
            assert not allowed("shop.example")
            assert not allowed("testserver.example")
    """)

    result = inner(pytester)

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["after: [[][]]"])


def test_a_fixture_of_ones_own_takes_precedence(pytester: pytest.Pytester) -> None:
    """The plugin's names are no reserved words: a test file's own fixture of the same name is used."""
    pytester.makepyfile("""
        import pytest

        @pytest.fixture
        def sign_in():
            return "mine"

        def test_it(sign_in):
            assert sign_in == "mine"
    """)

    inner(pytester).assert_outcomes(passed=1)


def test_the_plugin_costs_little() -> None:
    """Loading the plugin in somebody's test run imports no framework, no asyncio, no engine and no adapter."""
    seen = "import sys, pytest; before = set(sys.modules); import {}; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-c", seen.format("coatcheck.testing.plugin")], capture_output=True, check=True, text=True
    )
    loaded = done.stdout.split()

    assert "coatcheck.testing.clock" in loaded
    heavy = ("asyncio", "sqlite3", "starlette", "fastapi", "httpx", "anyio", "coatcheck.web", "coatcheck.stores.memory")
    assert [name for name in loaded if name.startswith(heavy)] == []


def test_importing_the_helpers_does_not_import_pytest() -> None:
    """Only who asks for the conformance suite gets pytest with it; an unknown name is an ordinary error."""
    code = (
        "import sys, coatcheck.testing as t; t.FrozenClock, t.sign_in; assert 'pytest' not in sys.modules; "
        "t.StoreContract; assert 'pytest' in sys.modules; assert not hasattr(t, 'Nothing')"
    )

    subprocess.run([sys.executable, "-c", code], check=True)
