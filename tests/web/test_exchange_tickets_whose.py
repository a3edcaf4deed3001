"""Exchange tickets: whose form it is that uses one, in whose browser, and whose session it may replace."""

from __future__ import annotations

import pytest

from coatcheck import Policy
from tests.web._entering import HERE, Kind, Site, arrive, click, hidden, user


@pytest.fixture(params=["asgi", "wsgi"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """Return the interface that the site is served by."""
    found: Kind = request.param
    return found


# -- where it comes from


@pytest.mark.parametrize(
    "headers",
    [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil.example"},
     {"origin": "null"}, {"referer": "https://evil.example/"}],
)  # fmt: skip
def test_other_sites_cannot_click(kind: Kind, headers: dict[str, str]) -> None:
    """CS-16, G-7: a form of another site is refused with the right token even, and nothing is used."""
    site = Site(kind, csrf="off")
    browser = site.browser()
    page = arrive(browser, site.ticket().token)
    token = {"csrf_token": hidden(page), "choice": "enter"}
    assert browser.post("/enter", data=token, headers=headers).status_code == 403
    assert user(browser) is None
    assert site.events.only("csrf.refused")[0].details["path"] == "/enter"
    assert click(browser, page).status_code == 303


@pytest.mark.parametrize("fields", [{}, {"csrf_token": "x"}, {"csrf_token": "A" * 64, "choice": "enter"}])
@pytest.mark.parametrize("headers", [HERE, {}])
def test_without_the_pages_token_it_asks_again(kind: Kind, fields: dict[str, str], headers: dict[str, str]) -> None:
    """CS-4: nobody is signed in by a POST that the page did not make, whatever else it says."""
    site = Site(kind)
    browser = site.browser()
    arrive(browser, site.ticket().token)
    answer = browser.post("/enter", data=fields, headers=headers)
    assert (answer.status_code, "Continue as Ada" in answer.text, user(browser)) == (200, True, None)


def test_a_token_is_for_one_ticket(kind: Kind) -> None:
    """CS-2: the page of one account's ticket does not sign another one in."""
    site = Site(kind)
    browser = site.browser()
    first = arrive(browser, site.ticket("ada").token)
    arrive(browser, site.ticket("eve").token)
    answer = click(browser, first)
    assert (answer.status_code, "Sign in as Eve?" in answer.text, user(browser)) == (200, True, None)


def test_a_browser_without_fetch_metadata_gets_by(kind: Kind) -> None:
    """G-8: a browser that sends Origin alone signs in, and so does one that sends neither, by the page's token."""
    site = Site(kind)
    for headers in ({"origin": "http://localhost:8000"}, {}):
        browser = site.browser()
        page = arrive(browser, site.ticket().token)
        answer = browser.post("/enter", data={"csrf_token": hidden(page), "choice": "enter"}, headers=headers)
        assert (answer.status_code, user(browser)) == (303, "ada")


# -- whose session is there


def test_another_users_session_is_never_replaced_in_silence(kind: Kind) -> None:
    """S-12, CS-16: the page names both accounts; one button keeps the one, the other signs out and goes on."""
    site = Site(kind)
    browser = site.browser()
    browser.post("/login?user=bob", headers=HERE)
    browser.post("/set?cart=apples", headers=HERE)
    made = site.ticket(next="/orders")
    page = arrive(browser, made.token)
    assert ("<strong>Bob</strong>" in page.text, "<strong>Ada</strong>" in page.text) == (True, True)
    kept = click(browser, page, "keep")
    assert (kept.status_code, kept.headers["location"], user(browser)) == (303, "/", "bob")
    assert "enter" not in browser.cookies

    done = click(browser, arrive(browser, made.token))
    assert (done.headers["location"], browser.get("/read").json()) in [
        ("/orders", {"data": {}, "user": "ada", **extra}) for extra in ({}, {"reason": None})
    ]
    assert site.run(site.sessions.list("bob")) == []


def test_who_signed_in_since_is_asked_about(kind: Kind) -> None:
    """CS-16: a page that was made before another user signed in does not replace them; it is shown anew."""
    site = Site(kind)
    browser = site.browser()
    page = arrive(browser, site.ticket().token)
    browser.post("/login?user=bob", headers=HERE)
    answer = click(browser, page)
    assert (answer.status_code, "You are signed in as <strong>Bob" in answer.text, user(browser)) == (200, True, "bob")
    browser.post("/login?user=carol", headers=HERE)
    answer = click(browser, answer)
    assert ("<strong>Carol" in answer.text, user(browser)) == (True, "carol")
    assert (click(browser, answer).status_code, user(browser)) == (303, "ada")


def test_the_same_user_gets_a_new_session(kind: Kind) -> None:
    """SM-12: who is signed in already is asked as a visitor is, and goes on with a new id and their data."""
    site = Site(kind)
    browser = site.browser()
    browser.post("/login?user=ada", headers=HERE)
    browser.post("/set?cart=apples", headers=HERE)
    before = browser.cookies["session"]
    page = arrive(browser, site.ticket().token)
    assert "Stay signed in" not in page.text
    click(browser, page)
    assert browser.get("/read").json()["data"] == {"cart": "apples"}
    assert before[:26] != browser.cookies["session"][:26]


def test_who_acts_for_the_user_is_somebody_else() -> None:
    """S-55: an operator who acts for the ticket's user is asked, by their own name, before that ends."""
    site = Site("asgi")

    async def acting() -> str:
        session = await site.sessions.load(None)
        await session.login("root")
        await session.impersonate("ada")
        token: str = (await site.sessions.save(session)).token
        return token

    browser = site.browser()
    browser.cookies.set("session", site.run(acting()), domain="localhost.local", path="/")
    assert user(browser) == "ada"
    page = arrive(browser, site.ticket().token)
    assert "You are signed in as <strong>Root</strong>" in page.text


def test_a_ticket_for_one_browser(kind: Kind) -> None:
    """CS-16: bound to the browser that asked, it is refused in any other, whose page says nothing of the reason."""
    site = Site(kind)
    asking, other = site.browser(), site.browser()
    asking.post("/set?asked=yes", headers=HERE)
    made = site.ticket(for_browser=asking.cookies["session"][:26])
    answer = click(other, arrive(other, made.token))
    assert (answer.status_code, answer.text, user(other)) == (400, site.browser().get("/enter").text, None)
    assert site.events.only("exchange.refused")[0].details["why"] == "other_browser"
    assert click(asking, arrive(asking, made.token)).status_code == 303
    assert user(asking) == "ada"


def test_signing_out_everywhere_reaches_it(kind: Kind) -> None:
    """Promise 2: a ticket that was made before opens nothing afterwards, also with its page open already."""
    site = Site(kind)
    browser = site.browser()
    page = arrive(browser, site.ticket().token)
    site.run(site.sessions.revoke_user("ada"))
    assert (click(browser, page).status_code, user(browser)) == (400, None)


def test_the_limit_is_told(kind: Kind) -> None:
    """Promise 4: who has all the sessions they may have is told so, as at any sign-in."""
    site = Site(kind, policy=Policy(max_sessions=1, at_limit="reject"))
    site.session("ada")
    browser = site.browser()
    answer = click(browser, arrive(browser, site.ticket().token))
    assert (answer.status_code, user(browser)) == (409, None)
