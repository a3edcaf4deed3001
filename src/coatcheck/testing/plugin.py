"""The pytest plugin, active wherever coatcheck is installed.

Fixtures: ``frozen_clock``, ``captured_events`` and ``sign_in``. A fixture of the same name in your own tests or
``conftest.py`` takes precedence, as always in pytest. They reach the application where you build it::

    @pytest.fixture
    def client(frozen_clock, captured_events):
        sessions = AsyncSessions("memory://", clock=frozen_clock, listeners=[captured_events])
        with TestClient(create_app(sessions)) as client:
            yield client


    def test_half_an_hour_is_too_long(client, sign_in, frozen_clock, captured_events):
        sign_in(client, "user-1", roles=["editor"])
        frozen_clock.advance("31m")
        assert client.get("/account").status_code == 401
        assert captured_events.names == ["session.created"]

Where the manager is built at import, use `coatcheck.testing.freeze` and ``sessions.subscribe(captured_events)``.

While tests run, sessions may travel over plain http to the hosts that test clients make up (`HOSTS`), and only to
those; outside pytest they are refused like any other (DESIGN ruling 6: ``allow_http_hosts``). A request to them that
says nothing of where it comes from is taken for one of the application's own pages; one that says it comes from another
site is refused as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Final

import pytest

from coatcheck.testing.clock import FrozenClock
from coatcheck.testing.listening import CapturedEvents

HOSTS: Final = frozenset({"testserver", "test"})
"""``testserver`` is Starlette's and Django's; ``test`` is what httpx's documentation writes."""


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Allow plain http on `HOSTS` while the tests of *session* run, fixtures of every scope included."""
    if not session.items:
        return (yield)
    # The only import beyond the core, a few milliseconds, and none if there is nothing to run.
    from coatcheck.web.settings import test_hosts

    added = HOSTS - test_hosts
    test_hosts.update(added)
    try:
        return (yield)
    finally:
        test_hosts.difference_update(added)


@pytest.fixture
def frozen_clock() -> FrozenClock:
    """Return a clock that moves only when told, for ``AsyncSessions(clock=frozen_clock)``."""
    return FrozenClock()


@pytest.fixture
def captured_events() -> CapturedEvents:
    """Return a listener that keeps what it hears, for ``AsyncSessions(listeners=[captured_events])``."""
    return CapturedEvents()


@pytest.fixture
def sign_in() -> Callable[..., Any]:
    """Return `coatcheck.testing.sign_in`: ``sign_in(client, "user-1", roles=["editor"])``.

    Typed tests import the function itself, whose signature tells blocking clients from asyncio ones.
    """
    from coatcheck.testing import signing

    return signing.sign_in
