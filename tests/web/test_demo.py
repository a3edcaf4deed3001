"""The demo application in process: signing in and out, and where one is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from coatcheck import AsyncSessions
from coatcheck.demo.accounts import EXAMPLES
from coatcheck.demo.app import POLICY, create_app
from coatcheck.demo.limiter import Limiter
from coatcheck.demo.signing import WRONG
from tests.web._demo import ADA, BASE, GRACE, Browser, Clock, Demo, browser


@pytest.fixture
def demo() -> Iterator[Demo]:
    """Run the demo on memory."""
    made = Demo()
    with made.serving():
        yield made


@pytest.fixture
def here(demo: Demo) -> Browser:
    """Open a browser."""
    return browser(demo.client)


# --- signing in


def test_signing_in_leads_where_one_was_going(here: Browser) -> None:
    """A signed-out visitor of a page is sent to sign in and comes back to that page (S-39, S-56)."""
    sent = here.get("/devices")
    assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in?next=/devices")
    assert 'value="/devices"' in here.get(sent.headers["location"]).text

    done = here.sign_in(next="/devices")

    assert (done.status_code, done.headers["location"]) == (303, "/devices")
    assert "This device" in here.get("/devices").text


def test_a_wrong_password_and_an_unknown_user_read_the_same(demo: Demo, here: Browser) -> None:
    """Both get one text, one status and one hash to check, so that nobody learns who has an account (S-45)."""
    wrong = here.post("/sign-in", {"username": "ada", "password": "guess"})
    unknown = here.post("/sign-in", {"username": "eve", "password": "guess"})

    assert wrong.status_code == unknown.status_code == 401
    assert WRONG in wrong.text
    assert wrong.text.replace('value="ada"', "") == unknown.text.replace('value="eve"', "")
    assert len(set(demo.hasher.checked)) == len(demo.hasher.checked) == 2
    assert not here.token


def test_a_password_of_somebody_else_does_not_fit(here: Browser) -> None:
    """Each account opens with its own password alone (S-45)."""
    refused = here.post("/sign-in", {"username": "ada", "password": GRACE.passphrase})

    assert refused.status_code == 401


def test_a_failed_sign_in_makes_no_session(demo: Demo, here: Browser) -> None:
    """Guessing costs no row in the store (promises 1 and 6)."""
    here.post("/sign-in", {"username": "ada", "password": "guess"})

    assert demo.client.portal.call(demo.sessions.count) == 0


def test_accounts_are_listed_on_this_machine_alone(demo: Demo, here: Browser) -> None:
    """The examples' passphrases are on the sign-in page of a demo that listens on loopback, and nowhere else."""
    listing = create_app(AsyncSessions("memory://", policy=POLICY), clock=demo.clock, show_accounts=True)
    with TestClient(listing, base_url=BASE) as client:
        shown = browser(client)
        page = shown.get("/sign-in").text
        others = [shown.get(path).text for path in ("/", "/proof", "/nowhere")]

    passphrases = [example.passphrase for example in EXAMPLES]
    assert all(f"<code>{word}</code>" in page for word in passphrases)
    plain = here.get("/sign-in").text
    assert [word for word in passphrases for text in (plain, *others) if word in text] == []


def test_the_header_stays_on_the_sign_in_page(here: Browser) -> None:
    """Home, the proof and the gate can be reached from the form."""
    nav = here.get("/sign-in").text.partition("<nav")[2].partition("</nav>")[0]

    assert re.findall(r'href="([^"]+)"', nav) == ["/", "/proof", "/gate", "/sign-in"]


def test_guesses_at_one_account_are_limited(demo: Demo, here: Browser) -> None:
    """After five wrong passwords the account waits: 429 with Retry-After, for the right password too, then opens."""
    for _ in range(5):
        assert here.post("/sign-in", {"username": "Ada ", "password": "guess"}).status_code == 401

    refused = here.sign_in()
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert "Too many attempts. Try again in 1 minute." in refused.text
    assert here.sign_in(GRACE).status_code == 303

    demo.clock.advance(seconds=60)
    assert here.sign_in().status_code == 303


def test_guesses_from_one_address_are_limited(demo: Demo) -> None:
    """Twenty accounts tried from one address are enough; one IPv6 /64 is one address (CVE-2026-45364)."""
    near, neighbour, far = (browser(demo.client, address=f"2001:db8::{end}") for end in ("1", "2", "3:0:0:0:1"))
    for number in range(20):
        assert near.post("/sign-in", {"username": f"u{number}", "password": "guess"}).status_code == 401

    assert near.sign_in().status_code == 429
    assert neighbour.sign_in().status_code == 429
    assert far.sign_in().status_code == 303


def test_right_passwords_are_not_counted(here: Browser) -> None:
    """Signing in often is no guessing."""
    assert {here.sign_in().status_code for _ in range(8)} == {303}


def test_the_limiter_is_bounded_and_never_goes_back() -> None:
    """A flood of names costs bounded memory, and a clock set back frees nobody early."""
    clock = Clock()
    limiter = Limiter(burst=1, interval=60, clock=clock, most_keys=3)
    for name in "abcd":
        limiter.spend(name)
    assert len(limiter) == 3
    assert limiter.wait("a") == 0

    clock.advance(seconds=-3600)
    assert limiter.wait("d") == 60
    limiter.give_back("d")
    assert (limiter.wait("d"), len(limiter)) == (0, 2)


@pytest.mark.parametrize(("remember", "lasts"), [("yes", "Max-Age=2592000"), ("", None)])
def test_remember_me_decides_how_long_the_cookie_lives(here: Browser, remember: str, lasts: str | None) -> None:
    """With the box the cookie lives 30 days; without, it has no Max-Age and ends with the browser (ruling 2, S-25)."""
    cookie = here.sign_in(remember=remember).headers["set-cookie"]

    assert (lasts in cookie) if lasts else ("Max-Age" not in cookie and "Expires" not in cookie)
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    said = "stays when the browser closes" if lasts else "Ends when the browser closes"
    assert said in here.get("/").text


def test_signing_in_changes_the_ticket_and_ends_the_old_one(demo: Demo, here: Browser) -> None:
    """An anonymous visitor's ticket is dead once they signed in (promise 5, S-46)."""
    here.post("/cart/add", {"thing": "lamp"})
    before = here.token
    here.sign_in()
    thief = browser(demo.client)
    thief.token = before

    assert before not in ("", here.token)
    assert "Signed in as" not in thief.get("/").text


def test_a_sign_in_checked_before_everything_ended_is_refused(demo: Demo, here: Browser) -> None:
    """Sign out everywhere while the password is being checked wins over that sign-in (promise 2)."""
    verify = demo.hasher.verify

    def meanwhile(hash: str, password: str) -> bool:
        demo.client.portal.call(demo.sessions.revoke_user, ADA.account.id)
        return verify(hash, password)

    demo.hasher.verify = meanwhile  # type: ignore[method-assign]

    assert "Everything was signed out while" in here.sign_in().text
    assert not here.token


# --- a copied cookie


def test_a_copied_cookie_ends_the_session_for_both_and_both_are_told(demo: Demo, here: Browser) -> None:
    """A copy takes the new cookie; when its owner comes back both are out, told what may have happened (promise 5)."""
    thief = browser(demo.client)
    here.sign_in()
    thief.token = here.token
    demo.clock.advance(days=1)
    for _ in range(2):
        assert thief.get("/devices").status_code == 200
    demo.clock.advance(minutes=10)

    sent = here.get("/")
    assert sent.headers["location"] == "/sign-in?next=/&reason=superseded"
    told = here.get(sent.headers["location"]).text
    assert "somebody may have used a copy of it: sign in and change your password" in told
    assert "newer sign-in" not in told
    out = thief.get("/devices")
    assert out.headers["location"] == "/sign-in?next=/devices&reason=revoked"
    assert "because its cookie was used in two places" in thief.get(out.headers["location"]).text
    here.sign_in()
    assert "because its cookie was used in two places" in here.get("/devices").text


def test_a_replaced_cookie_that_was_never_stolen_is_told_nothing_false(demo: Demo, here: Browser) -> None:
    """Who holds the cookie from before a sign-in here reads that it was replaced, and no more for certain (S-39)."""
    late = browser(demo.client)
    here.sign_in()
    late.token = here.token
    here.sign_in()
    sent = late.get("/")

    assert "The cookie of this sign-in was replaced by a newer one." in late.get(sent.headers["location"]).text


# --- where one is sent


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/sign-in?next=/sign-in"],
)
def test_next_never_leaves_the_site(here: Browser, wanted: str) -> None:
    """Whatever a link says, signing in leads to a page of this site, and not to the form again (ASVS 3.7.2)."""
    assert here.sign_in(next=wanted).headers["location"] == "/"
    assert here.get("/sign-in").headers["location"] == "/"


def test_a_dead_cookie_on_the_sign_in_page_cannot_loop(demo: Demo, here: Browser) -> None:
    """The sign-in page answers 200 to a dead cookie and deletes it, saying why it is dead (S-57, promise 11)."""
    here.sign_in()
    demo.clock.advance(days=8)

    page = here.get("/sign-in")

    assert page.status_code == 200
    assert "Your session ended because it was not used for a while." in page.text
    assert "Max-Age=0" in page.headers["set-cookie"]
    assert not here.token


@pytest.mark.parametrize("garbage", ["x", "0" * 70, "0" + "A" * 25 + "." + "A" * 43, "%00;session=y"])
def test_a_garbage_cookie_is_a_visitor(here: Browser, garbage: str) -> None:
    """A ticket nobody minted opens nothing, breaks nothing and sends nobody in circles (S-52, promise 1)."""
    said = {"cookie": f"session={garbage}"}

    assert here.get("/", **said).status_code == 200
    assert here.get("/sign-in", **said).status_code == 200
    assert here.get("/devices", **said).headers["location"] == "/sign-in?next=/devices"


def test_both_clocks_end_a_session_with_their_reason(demo: Demo, here: Browser) -> None:
    """Seven unused days, or thirty days however busy, end in the true reason (promise 8, S-33, S-39)."""
    here.sign_in()
    for _ in range(5):
        demo.clock.advance(days=6)
        page = here.get("/")
    assert page.headers["location"] == "/sign-in?next=/&reason=expired"
    assert "reached its maximum length" in here.get(page.headers["location"]).text

    here.sign_in()
    demo.clock.advance(days=7)
    assert here.get("/").headers["location"] == "/sign-in?next=/&reason=idle"


def test_the_reason_in_an_address_is_never_the_callers_text(here: Browser) -> None:
    """A link cannot make the sign-in page say what its author likes."""
    page = here.get("/sign-in?reason=<b>call+this+number</b>")

    assert "number" not in page.text


def test_the_page_shows_the_idle_clock_as_this_request_left_it(demo: Demo, here: Browser) -> None:
    """A visit after six days shows a whole idle clock, for the visit renewed it (S-35)."""
    here.sign_in()
    demo.clock.advance(days=6)

    assert f'data-left="{7 * 86_400_000}"' in here.get("/").text


def test_the_idle_clock_never_outlasts_the_absolute_one(demo: Demo, here: Browser) -> None:
    """A remembered sign-in used on day six: both clocks show the 24 days that the session has left (promise 8)."""
    here.sign_in(remember="yes")
    demo.clock.advance(days=6)
    page = here.get("/").text

    assert re.findall(r'data-left="(\d+)"', page) == [str(24 * 86_400_000)] * 2
    assert "It never outlasts the absolute clock." in page


def test_activity_is_noted_as_often_as_the_page_says() -> None:
    """The words "once a minute" beside the idle clock are the policy's."""
    assert {POLICY.span(lifetime).touch_every for lifetime in ("default", "remember_me")} == {60_000}


# --- signing out


def test_signing_out_ends_the_session(demo: Demo, here: Browser) -> None:
    """Signing out deletes the cookie, and a copy of the ticket opens nothing afterwards (promise 2, S-47)."""
    here.sign_in()
    copy = browser(demo.client)
    copy.token = here.token

    done = here.post("/sign-out")

    assert done.headers["location"] == "/sign-in?reason=signed_out"
    assert "You signed out." in here.get(done.headers["location"]).text
    assert copy.get("/devices").headers["location"] == "/sign-in?next=/devices&reason=signed_out"
    assert here.post("/sign-out").status_code == 303


def test_following_a_link_never_signs_out(here: Browser) -> None:
    """GET /sign-out is refused and changes nothing (S-47)."""
    here.sign_in()

    refused = here.get("/sign-out")

    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert "Signed in as Ada" in here.get("/").text
