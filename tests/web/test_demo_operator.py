"""The demo's operator and the demo's clock."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from starlette.testclient import TestClient

from coatcheck import AsyncSessions
from coatcheck.demo.accounts import Accounts
from coatcheck.demo.app import POLICY, create_app
from coatcheck.demo.clock import DemoClock
from tests.web._demo import ADA, BASE, GRACE, JOAN, Browser, Clock, CountingHasher, Demo, browser


@pytest.fixture
def demo() -> Iterator[Demo]:
    """Run the demo on memory."""
    made = Demo()
    with made.serving():
        yield made


def test_only_an_operator_comes_in(demo: Demo) -> None:
    """Who is not signed in is sent to sign in and comes back; who is no operator is refused and sees no link (S-56)."""
    ada, joan = browser(demo.client), browser(demo.client)
    sent = joan.get("/operator/sessions")
    assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in?next=/operator/sessions")
    ada.sign_in()
    assert ada.get("/operator/").status_code == 403
    assert "/operator/" not in ada.get("/").text

    joan.sign_in(JOAN)

    assert 'href="/operator/"' in joan.get("/").text
    page = joan.get("/operator/sessions").text
    assert "You act as Joan Clarke" in page
    assert ADA.account.id in page


def test_the_next_request_obeys_new_roles(demo: Demo) -> None:
    """Grace is made an operator by Joan, and no longer one again: her very next request obeys each time (promise 5)."""
    grace, joan = browser(demo.client), browser(demo.client)
    grace.sign_in(GRACE)
    joan.sign_in(JOAN)
    before = grace.token
    joan.post("/operator/roles", {"id": GRACE.account.id, "roles": "user, operator"})

    assert grace.get("/operator/").status_code == 200
    assert grace.token != before

    joan.post("/operator/roles", {"id": GRACE.account.id, "roles": "user"})
    assert grace.get("/operator/").status_code == 403


def test_an_operators_form_of_an_ended_session_leads_back(demo: Demo) -> None:
    """Whose session ended meanwhile does nothing with a form, signs in, and is back at the console."""
    ada, joan = browser(demo.client), browser(demo.client)
    ada.sign_in()
    joan.sign_in(JOAN)
    demo.client.portal.call(demo.sessions.revoke_user, JOAN.account.id)
    sent = joan.post("/operator/revoke-user", {"id": ADA.account.id, "typed": ADA.account.id})

    assert sent.headers["location"] == "/sign-in?next=/operator/&reason=revoked"
    assert ada.get("/devices").status_code == 200


# --- the clock


@contextmanager
def moving() -> Iterator[tuple[Browser, DemoClock, Clock]]:
    """Run the demo with its own clock, over a time of day that stands still."""
    wall = Clock()
    clock = DemoClock(wall)
    sessions = AsyncSessions("memory://", policy=POLICY, clock=clock)
    app = create_app(sessions, clock=clock, accounts=Accounts(hasher=CountingHasher()))
    with TestClient(app, base_url=BASE) as client:
        yield browser(client), clock, wall


def test_both_time_outs_are_seen_in_seconds() -> None:
    """A week's click ends an idle session; thirty of a day end a busy one, each with its true reason (S-33, S-39)."""
    with moving() as (here, _, _):
        here.sign_in()
        here.post("/clock", {"by": "7d"})
        assert here.get("/").headers["location"] == "/sign-in?next=/&reason=idle"
        here.sign_in()
        for _ in range(30):
            here.post("/clock", {"by": "1d"})
            page = here.get("/")
        assert page.headers["location"] == "/sign-in?next=/&reason=expired"


def test_the_clock_says_how_far_it_is() -> None:
    """Every page shows the demo's time and how far it is ahead, and a click leads back to the page it was made on."""
    with moving() as (here, clock, wall):
        assert "15 Jan 2027, 08:00 UTC" in here.get("/").text
        moved = here.post("/clock", {"by": "10m"}, referer=f"{BASE}/sign-in?next=/devices")
        assert (moved.status_code, moved.headers["location"]) == (303, "/sign-in")
        here.post("/clock", {"by": "1d"})
        page = here.get("/sign-in").text

    assert "16 Jan 2027, 08:10 UTC" in page
    assert re.search(r"1 day 10 minutes\s+ahead", page)
    assert clock() == wall() + 87_000


def test_the_clock_says_what_a_click_does() -> None:
    """It moves for everybody and never back, each button says what will be seen, and an operator is led back (S-33)."""
    with moving() as (here, _, _):
        here.sign_in(JOAN)
        before = here.get("/").text
        here.post("/clock", {"by": "1d"})
        after = here.get("/").text

    assert "It moves for everybody at this demo, and never back." in before
    assert 'title="The idle clock runs out: every session that is not remembered ends."' in before
    assert ("on the operator's page" in before, "on the operator's page" in after) == (False, True)


def test_a_day_brings_a_new_cookie() -> None:
    """What the button of a day promises: the next request replaces the cookie (promise 5)."""
    with moving() as (here, _, _):
        here.sign_in()
        first = here.token
        here.post("/clock", {"by": "1d"})
        here.get("/")

        assert here.token not in ("", first)


@pytest.mark.parametrize("by", ["", "-1d", "100d", "now"])
def test_the_clock_only_goes_forward(by: str) -> None:
    """There is no way back and no other step: what has ended would come to life again."""
    with moving() as (here, clock, wall):
        assert here.post("/clock", {"by": by}).status_code == 400
        assert clock() == wall()


def test_other_sites_do_not_move_the_clock() -> None:
    """A form from elsewhere is refused (CS-7)."""
    with moving() as (here, clock, wall):
        assert here.post("/clock", {"by": "1d"}, **{"sec-fetch-site": "cross-site"}).status_code == 403
        assert clock() == wall()


def test_a_later_run_does_not_begin_before_the_last() -> None:
    """A demo that is started again on its file goes on from where its sessions were used, never before."""
    wall = Clock()
    clock = DemoClock(wall)
    clock.not_before(int(wall() * 1000) + 86_400_000)
    clock.not_before(0)

    assert clock() == wall() + 86_400


def test_nobody_else_has_this_clock(demo: Demo) -> None:
    """With another clock than the demo's there is neither the bar nor the address."""
    here = browser(demo.client)

    assert "demo's clock" not in here.get("/").text
    assert here.post("/clock", {"by": "1d"}).status_code == 404
