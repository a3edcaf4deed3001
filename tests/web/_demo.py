"""Browsers for the demo's tests: they speak as a person's browser does and remember everything they were told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from argon2 import PasswordHasher
from httpx2 import Response
from starlette.testclient import TestClient

from coatcheck import AsyncSessions
from coatcheck.demo.accounts import EXAMPLES, Accounts
from coatcheck.demo.app import POLICY, create_app

BASE = "http://localhost:8000"
ADA, GRACE, JOAN = EXAMPLES
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"


class Clock:
    """A clock that stands until it is moved; seconds since the Unix epoch."""

    def __init__(self, at: float = 1_800_000_000.0) -> None:
        """Stand at *at*."""
        self.at = at

    def __call__(self) -> float:
        """Return the time."""
        return self.at

    def advance(self, *, days: float = 0, minutes: float = 0, seconds: float = 0) -> None:
        """Move forward."""
        self.at += days * 86_400 + minutes * 60 + seconds


class CountingHasher(PasswordHasher):
    """As cheap as Argon2 gets, and remembers which hashes were checked."""

    def __init__(self) -> None:
        """Begin with nothing checked."""
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.checked: list[str] = []

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:
        """Check, and take note."""
        self.checked.append(str(hash))
        return bool(super().verify(hash, password))


class Browser:
    """One browser with a cookie jar of its own."""

    def __init__(self, client: TestClient) -> None:
        """Use *client*."""
        self.client = client
        self.heard: list[Response] = []

    @property
    def token(self) -> str:
        """The session cookie's value."""
        return self.client.cookies.get("session") or ""

    @token.setter
    def token(self, value: str) -> None:
        self.client.cookies.delete("session") if self.token else None
        self.client.cookies.set("session", value, domain="localhost.local", path="/")

    def get(self, path: str, **headers: str) -> Response:
        """Open a page; redirects are not followed."""
        self.heard.append(self.client.get(path, headers=headers, follow_redirects=False))
        return self.heard[-1]

    def post(self, path: str, fields: Mapping[str, str] | None = None, **headers: str) -> Response:
        """Send a form from the site's own page."""
        said = {"origin": BASE, "sec-fetch-site": "same-origin", **headers}
        sent = {name: value for name, value in said.items() if value}
        self.heard.append(self.client.post(path, data=dict(fields or {}), headers=sent, follow_redirects=False))
        return self.heard[-1]

    def sign_in(self, who: object = ADA, **fields: str) -> Response:
        """Send the sign-in form of one of the accounts."""
        example = who if who in (GRACE, JOAN) else ADA
        return self.post("/sign-in", {"username": example.account.username, "password": example.passphrase, **fields})


class Demo:
    """The application on one store, with its clock. ``client`` is there while it is being served."""

    client: TestClient

    def __init__(self, store: str = "memory://", clock: Clock | None = None) -> None:
        """Build it."""
        self.clock = clock or Clock()
        self.hasher = CountingHasher()
        self.sessions = AsyncSessions(store, policy=POLICY, clock=self.clock)
        self.app = create_app(self.sessions, clock=self.clock, accounts=Accounts(hasher=self.hasher), timer=self.clock)

    @contextmanager
    def serving(self) -> Iterator[TestClient]:
        """Run the application's lifespan; the client lends its event loop to `browser`."""
        with TestClient(self.app, base_url=BASE) as self.client:
            yield self.client


def browser(client: TestClient, agent: str = FIREFOX, address: str = "127.0.0.1") -> Browser:
    """Open another browser on the same running application."""
    made = TestClient(
        client.app, base_url=BASE, client=(address, 50_000), headers={"accept": "text/html", "user-agent": agent}
    )
    made.portal = client.portal
    return Browser(made)


def sqlite(folder: Path) -> str:
    """Return the URL of a SQLite file in *folder*."""
    return f"sqlite:///{folder}/demo.db"
