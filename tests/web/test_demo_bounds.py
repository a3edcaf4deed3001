"""What visitors of the demo can do to each other with its clock and its limits, and the bounds of that."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from coatcheck import AsyncSessions
from coatcheck.demo import server
from coatcheck.demo.accounts import Accounts
from coatcheck.demo.app import POLICY, create_app
from coatcheck.demo.clock import FARTHEST, DemoClock
from tests.web._demo import GRACE, Browser, Clock, CountingHasher, browser, sqlite

DAY = 86_400_000


class Moving:
    """A demo whose clock can be moved: ``wall`` is the time of day, ``timer`` what the limits go by."""

    def __init__(self, store: str = "memory://") -> None:
        """Build it."""
        self.wall, self.timer = Clock(), Clock(0.0)
        self.clock = DemoClock(self.wall)
        self.sessions = AsyncSessions(store, policy=POLICY, clock=self.clock)
        people = Accounts(hasher=CountingHasher())
        self.app = create_app(self.sessions, clock=self.clock, accounts=people, timer=self.timer)

    @contextmanager
    def visited(self) -> Iterator[Browser]:
        """Open a browser on it."""
        with TestClient(self.app) as client:
            yield browser(client)

    def ahead(self) -> float:
        """Return the days by which the clock is ahead."""
        return (self.clock() - self.wall()) * 1000 / DAY


def patient(demo: Moving, here: Browser, by: str, times: int) -> list[int]:
    """Move the clock so often, never in a hurry; return the statuses."""
    codes: list[int] = []
    for _ in range(times):
        demo.timer.advance(minutes=1)
        codes.append(here.post("/clock", {"by": by}).status_code)
    return codes


# --- how far and how often the clock is moved


def test_the_clock_goes_no_further_than_pages_can_show() -> None:
    """At 400 days ahead the next step is refused with its reason, and every page still opens."""
    demo = Moving()
    with demo.visited() as here:
        codes = patient(demo, here, "7d", 58)
        refused = here.heard[-1]
        days = patient(demo, here, "1d", 2)
        pages = [here.get(path).status_code for path in ("/", "/sign-in", "/proof", "/gate")]

    assert codes == [303] * 57 + [409]
    assert "The clock is far enough ahead" in refused.text
    assert (days, demo.ahead()) == ([303, 409], FARTHEST / DAY)
    assert pages == [200, 200, 200, 200]


def test_the_clock_of_an_earlier_run_is_kept_within_the_calendar() -> None:
    """A store with an impossible time does not take the pages with it."""
    demo = Moving()
    demo.clock.not_before(10**18)
    with demo.visited() as here:
        assert here.get("/").status_code == 200
        assert here.sign_in(remember="yes").status_code == 303
        assert here.get("/devices").status_code == 200


def test_moving_the_clock_is_limited_by_another_clock() -> None:
    """Forty steps at once, then one a second of real time: moving the clock lets nobody move it more."""
    demo = Moving()
    with demo.visited() as here:
        codes = [here.post("/clock", {"by": "1d"}).status_code for _ in range(41)]
        refused = here.heard[-1]
        demo.timer.advance(seconds=1)
        again = here.post("/clock", {"by": "1d"}).status_code

    assert codes == [303] * 40 + [429]
    assert refused.headers["retry-after"] == "1"
    assert again == 303
    assert demo.ahead() == 41


@pytest.mark.parametrize("referer", ["http://[", "http://[::1", "//[x]/"])
def test_a_broken_referer_leads_home(referer: str) -> None:
    """An address that cannot be read does not break the answer after the clock has moved."""
    demo = Moving()
    with demo.visited() as here:
        moved = here.post("/clock", {"by": "1d"}, referer=referer)

    assert (moved.status_code, moved.headers["location"], demo.ahead()) == (303, "/", 1)


def test_what_has_run_out_is_ended_with_the_click() -> None:
    """Moving the clock sweeps: what ran out is told as ended before anybody asks for it (S-33)."""
    demo = Moving()
    names: list[str] = []
    demo.sessions.subscribe(lambda event: names.append(event.name))
    with demo.visited() as here:
        here.sign_in()
        here.post("/clock", {"by": "7d"})
        ended = [name for name in names if name == "session.abandoned"]

    assert len(ended) == 1


# --- what the movable clock does not reset


def test_guessing_is_not_helped_by_the_movable_clock() -> None:
    """Five wrong passwords, the clock ten minutes on, and the account still waits: the limits go by real time."""
    demo = Moving()
    with demo.visited() as here:
        guess = {"username": "grace", "password": "guess"}
        codes = [here.post("/sign-in", guess).status_code for _ in range(6)]
        here.post("/clock", {"by": "10m"})
        later = here.post("/sign-in", guess).status_code
        demo.timer.advance(seconds=60)
        right = here.sign_in(GRACE).status_code

    assert codes == [401] * 5 + [429]
    assert (later, right) == (429, 303)


def test_without_an_argument_limits_go_by_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo as it is run limits by the machine's monotonic time, which nobody moves."""
    ticks = Clock(0.0)
    monkeypatch.setattr("coatcheck.demo.app.monotonic", ticks)
    clock = DemoClock(Clock())
    sessions = AsyncSessions("memory://", policy=POLICY, clock=clock)
    with TestClient(create_app(sessions, clock=clock, accounts=Accounts(hasher=CountingHasher()))) as client:
        here = browser(client)
        guess = {"username": "grace", "password": "guess"}
        codes = [here.post("/sign-in", guess).status_code for _ in range(6)]
        ticks.advance(seconds=60)

        assert codes == [401] * 5 + [429]
        assert here.sign_in(GRACE).status_code == 303


# --- the clock of an earlier run


async def signed_in(sessions: AsyncSessions, user: str) -> str | None:
    """Sign somebody in; return the cookie's value."""
    session = await sessions.load(None)
    await session.login(user)
    return (await sessions.save(session)).token


def used(url: str, clock: Clock) -> None:
    """Leave a store whose oldest session was used last: many that were made after it were not."""

    async def visit() -> None:
        async with AsyncSessions(url, policy=POLICY, clock=clock) as sessions:
            first = await signed_in(sessions, "u-1815")
            for number in range(60):
                clock.advance(seconds=1)
                await signed_in(sessions, f"u-{number}")
            clock.advance(days=3)
            session = await sessions.load(first)
            session["cart"] = {"pen": 1}
            await sessions.save(session)

    asyncio.run(visit())


def test_the_clock_goes_on_from_the_session_used_last(tmp_path: Path) -> None:
    """Opening the store sets the clock to the last use in it, also when sixty newer sessions were used before."""
    earlier = Clock()
    url = sqlite(tmp_path)
    used(url, earlier)
    clock = DemoClock(Clock())

    server._try_store(url, clock)

    assert clock() == earlier()


def test_the_greeting_says_that_all_share_the_clock() -> None:
    """Whoever starts the demo reads that every visitor moves the clock of all."""
    screen = "\n".join(server.greeting("localhost", 8001, "sqlite:///demo.db"))

    assert "Everyone at this demo moves it for all" in screen
