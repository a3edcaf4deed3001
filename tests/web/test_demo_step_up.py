"""The demo asks for the password again before one device signs out another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.web._demo import ADA, GRACE, Browser, Demo, browser


@pytest.fixture
def demo() -> Iterator[Demo]:
    """Run the demo on memory."""
    made = Demo()
    with made.serving():
        yield made


@pytest.fixture
def phone(demo: Demo) -> Browser:
    """Sign Ada in on another device."""
    made = browser(demo.client)
    made.sign_in()
    return made


@pytest.fixture
def here(demo: Demo, phone: Browser) -> Browser:
    """Sign Ada in here, five minutes and a second ago."""
    assert phone.token
    made = browser(demo.client)
    made.sign_in()
    demo.clock.advance(minutes=5, seconds=1)
    return made


def of(device: Browser) -> dict[str, str]:
    """Return the form that signs *device* out."""
    return {"id": device.token.partition(".")[0]}


@pytest.mark.parametrize("others", [False, True])
def test_signing_out_a_device_asks_again_after_five_minutes(here: Browser, phone: Browser, others: bool) -> None:
    """An older sign-in is sent to confirm and ends nothing; afterwards one click does it (ASVS 7.5.2)."""
    form = ("/devices/sign-out-others", {}) if others else ("/devices/sign-out", of(phone))
    sent = here.post(*form)
    assert (sent.status_code, sent.headers["location"]) == (303, "/confirm?next=/devices&reason=step_up")
    assert phone.get("/devices").status_code == 200
    before = here.token

    done = here.post("/confirm", {"password": ADA.passphrase, "next": "/devices"})

    assert (done.status_code, done.headers["location"]) == (303, "/devices")
    assert (here.token != before, of(here)["id"]) == (True, before.partition(".")[0])
    assert "Nothing was done yet: do it now." in here.get("/devices").text
    assert phone.get("/devices").status_code == 200
    here.post(*form)
    assert phone.get("/devices").headers["location"] == "/sign-in?next=/devices&reason=revoked"


def test_a_fresh_sign_in_is_not_asked(demo: Demo, phone: Browser) -> None:
    """Within five minutes of the password it is done at once (ASVS 7.5.2)."""
    here = browser(demo.client)
    here.sign_in()
    demo.clock.advance(minutes=5)
    assert here.post("/devices/sign-out", of(phone)).headers["location"] == "/devices"

    assert phone.get("/devices").status_code == 303


def test_leaving_oneself_asks_for_nothing(here: Browser) -> None:
    """Signing out this device never asks for a password (S-28)."""
    assert here.post("/devices/sign-out", of(here)).headers["location"] == "/sign-in?reason=signed_out"
    assert not here.token


def test_using_the_site_is_no_proof(demo: Demo, here: Browser, phone: Browser) -> None:
    """Activity and a cookie renewed by age do not count as the password (ASVS 7.5.1)."""
    demo.clock.advance(days=1)
    for _ in range(2):
        here.get("/devices")

    assert here.post("/devices/sign-out", of(phone)).headers["location"].startswith("/confirm")


def test_the_page_says_whether_it_will_ask(demo: Demo, phone: Browser) -> None:
    """The devices page says when the password was given, why it matters, and whether it will be asked for."""
    here = browser(demo.client)
    here.sign_in()
    before = here.get("/devices").text
    demo.clock.advance(minutes=6)
    after = here.get("/devices").text

    assert "cannot lock you out of the others" in before
    assert ("you will be asked" in before, "you will be asked" in after) == (False, True)
    assert "You gave it 6 minutes ago" in after
    assert phone.token


def test_a_wrong_password_confirms_nothing(here: Browser, phone: Browser) -> None:
    """Not even somebody else's password counts, and the page says so without leaving (ASVS 7.5.2)."""
    refused = here.post("/confirm", {"password": GRACE.passphrase, "next": "/devices"})

    assert refused.status_code == 401
    assert "That is not your password." in refused.text
    assert 'value="/devices"' in refused.text
    assert here.post("/devices/sign-out", of(phone)).headers["location"].startswith("/confirm")


def test_tries_count_with_those_of_signing_in(demo: Demo, here: Browser) -> None:
    """Five wrong passwords here and at the sign-in page together are enough for one account (S-45)."""
    for _ in range(3):
        assert here.post("/confirm", {"password": "guess"}).status_code == 401
    other = browser(demo.client, address="192.0.2.9")
    for _ in range(2):
        other.post("/sign-in", {"username": "ada", "password": "guess"})
    refused = here.post("/confirm", {"password": ADA.passphrase})

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert "Too many attempts. Try again in 1 minute." in refused.text
    assert other.sign_in().status_code == 429
    demo.clock.advance(seconds=60)
    assert here.post("/confirm", {"password": ADA.passphrase}).status_code == 303


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "/confirm?next=/confirm", "/sign-out"])
def test_confirming_never_leaves_the_site(here: Browser, wanted: str) -> None:
    """Whatever a link says, one goes on to a page of this site (ASVS 3.7.2)."""
    assert here.post("/confirm", {"password": ADA.passphrase, "next": wanted}).headers["location"] == "/"


def test_nobody_confirms_without_a_session(demo: Demo) -> None:
    """The page is for whoever is signed in; everybody else signs in, and no search engine keeps it (S-56)."""
    visitor = browser(demo.client)

    assert visitor.get("/confirm?next=/devices").headers["location"].startswith("/sign-in?next=/confirm")
    assert visitor.post("/confirm", {"password": ADA.passphrase}).headers["location"] == "/sign-in?next=/"
    visitor.sign_in()
    page = visitor.get("/confirm")
    assert (page.status_code, page.headers["x-robots-tag"]) == (200, "noindex")
    assert "Password of Ada Lovelace" in page.text


def test_other_sites_confirm_nothing(here: Browser) -> None:
    """A form from elsewhere is refused before the password is looked at (CS-7)."""
    said = {"sec-fetch-site": "cross-site"}

    assert here.post("/confirm", {"password": ADA.passphrase}, **said).status_code == 403
