"""Chromium, and the demo on every kind of store, served by uvicorn in a thread with a clock that tests move."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from argon2 import PasswordHasher

from coatcheck import AsyncSessions
from coatcheck.demo.accounts import Accounts
from coatcheck.demo.app import POLICY, create_app
from coatcheck.demo.server import listen
from coatcheck.stores import from_url
from tests.servers.ports import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
DESKTOP = {"width": 1100, "height": 760}
PHONE = {"width": 360, "height": 740}
FLAGS = ["--no-sandbox", "--disable-gpu", "--hide-scrollbars"]

PATIENCE = 10_000
"""Milliseconds that a page may take before a test gives up; nothing waits for them to pass."""


class Clock:
    """Stands until it is moved; the server's threads read it."""

    def __init__(self) -> None:
        """Stand in January 2027."""
        self.at = 1_800_000_000.0

    def __call__(self) -> float:
        """Return seconds since the Unix epoch."""
        return self.at

    def advance(self, *, days: float = 0, minutes: float = 0) -> None:
        """Move forward."""
        self.at += days * 86_400 + minutes * 60


class Site:
    """The demo on one store; it can be stopped and started again at the same address."""

    def __init__(self, store_url: str) -> None:
        """Start."""
        self.clock = Clock()
        self._store_url = store_url
        self._port = free_port()  # it has to be free again after a stop
        self.start()

    @property
    def url(self) -> str:
        """The address that browsers open."""
        return f"http://localhost:{self._port}"

    def start(self) -> None:
        """Serve, at the same port as before."""
        self._sockets = listen("localhost", self._port, print)
        self._port = self._sockets[0].getsockname()[1]
        hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        app = create_app(self._sessions(), clock=self.clock, accounts=Accounts(hasher=hasher))
        self._server = _Server(uvicorn.Config(app, log_level="warning", proxy_headers=False, lifespan="on"))
        self._thread = threading.Thread(target=self._server.run, args=(self._sockets,), daemon=True)
        self._thread.start()
        assert self._server.ready.wait(PATIENCE / 1000)

    def stop(self) -> None:
        """Stop, as a deployment does."""
        self._server.should_exit = True
        self._thread.join(PATIENCE / 1000)
        assert not self._thread.is_alive()
        for listening in self._sockets:
            listening.close()

    def _sessions(self) -> AsyncSessions:
        """Return the demo's manager. A server's own clock would stand still while the tests' moves: it gets theirs."""
        store: Any = from_url(self._store_url, blocking=False)

        async def clock() -> int:
            return int(self.clock() * 1000)

        if not self._store_url.startswith("sqlite"):
            store.clock = clock
        return AsyncSessions(store, policy=POLICY, clock=self.clock)

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()


class _Server(uvicorn.Server):
    """Says when it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@pytest.fixture(scope="package")
def chromium(gap: Callable[[str, str], None]) -> Iterator[Browser]:
    """Start the machine's own Chromium once; every context in it is a fresh profile."""
    if find_spec("playwright") is None:
        gap("playwright", "make test")
    from playwright import sync_api as playwright

    path = shutil.which("chromium") or "/usr/bin/chromium"
    if not Path(path).exists():
        gap("browser", "apt-get install chromium")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def sqlite(_request: pytest.FixtureRequest, folder: Path) -> str:
    """Give a new file."""
    return f"sqlite:///{folder}/demo.db"


def redis(request: pytest.FixtureRequest, _folder: Path) -> str:
    """Give an empty store on a private Redis."""
    server = request.getfixturevalue("redis_server")
    return f"{server.url}?prefix=demo{next(_numbers)}&timeout=5s"


def postgresql(request: pytest.FixtureRequest, _folder: Path) -> str:
    """Give new tables on a private PostgreSQL."""
    from coatcheck.stores.postgres.migrating import migrate

    server = request.getfixturevalue("postgres15")
    url = f"{server.url}?schema=demo{next(_numbers)}&timeout=5s"
    migrate(url)
    return url


_numbers = count()


@pytest.fixture(params=[sqlite, redis, postgresql], ids=lambda kind: kind.__name__)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """Serve the demo on each kind of store in turn."""
    served = Site(request.param(request, tmp_path))
    yield served
    served.stop()


ON_SQLITE = pytest.mark.parametrize("site", [sqlite], indirect=True, ids=["sqlite"])
"""For what the store has no part in: how a page looks, and what its script does by itself."""

OpenDevice = Callable[..., "Page"]


@pytest.fixture
def device(chromium: Browser, site: Site) -> Iterator[OpenDevice]:
    """Open devices: browsers with cookies of their own. Options are those of a Playwright context."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def open_device(**options: Any) -> Page:
        context = chromium.new_context(base_url=site.url, **{"viewport": DESKTOP, "locale": "en-GB", **options})
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda fault: faults.append(str(fault)))
        page.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
        return page

    yield open_device
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def shoot(tmp_path: Path) -> Callable[[Page, str], None]:
    """Take pictures: into docs/images when ``COATCHECK_SCREENSHOTS=1``, else where the test's files go."""
    folder = IMAGES if os.environ.get("COATCHECK_SCREENSHOTS") == "1" else tmp_path
    folder.mkdir(parents=True, exist_ok=True)

    def take(page: Page, name: str) -> None:
        path = folder / name
        page.screenshot(path=path, full_page=True, animations="disabled")
        assert path.stat().st_size < 120_000

    return take
