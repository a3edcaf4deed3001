"""Signing in by an address, over ASGI and WSGI alike: off unless asked for, never by a GET, once, after a question."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from coatcheck import ConfigurationError
from coatcheck.web.entering import Entering
from coatcheck.web.gate import Gate
from tests.web._entering import HERE, Kind, Site, arrive, click, hidden, set_cookies, user
from tests.web._site import PUBLIC, Outage


@pytest.fixture(params=["asgi", "wsgi"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """Return the interface that the site is served by."""
    found: Kind = request.param
    return found


# -- off, and elsewhere


def test_it_is_off_by_default(kind: Kind) -> None:
    """14.2.1, X-3: without entering=... the page is the application's, and a ticket in an address is nothing."""
    site = Site(kind, entering=None)
    made, browser = site.ticket(), site.browser()
    assert (browser.get(f"/enter?sid={made.token}").status_code, dict(browser.cookies)) == (404, {})
    assert browser.post("/enter", headers=HERE).status_code in {404, 405}
    assert user(browser) is None


@pytest.mark.parametrize(
    "path", ["/me?sid={}", "/enter/?sid={}", "//enter?sid={}", "/Enter?sid={}", "/me/enter?sid={}"]
)
def test_tickets_elsewhere_are_ignored(kind: Kind, path: str) -> None:
    """14.2.1, SM-4: only the one path takes tickets; anywhere else one is a parameter like any other."""
    site = Site(kind)
    made, browser = site.ticket(), site.browser()
    answer = browser.get("http://localhost:8000" + path.format(made.token))
    assert (answer.status_code in {401, 404, 307}, set_cookies(answer)) == (True, {})


def test_no_other_token_is_taken(kind: Kind) -> None:
    """SM-4, 7.2.2: a session's cookie and a bearer token in the address sign nobody in."""
    site = Site(kind)
    bearer = site.run(site.sessions.issue("ada")).token
    for token in (site.session("ada")[1]["session"], bearer):
        browser = site.browser()
        assert arrive(browser, token).status_code == 400
        assert user(browser) is None
    assert len(site.run(site.sessions.list("ada"))) == 2


# -- the address


def test_the_address_is_clean_after_one_hop(kind: Kind) -> None:
    """S-12, 14.2.1: a GET moves the ticket into a short-lived cookie, asks nobody, uses nothing and leaks nothing."""
    site = Site(kind)
    made = site.ticket()
    answer = site.browser().get(f"/enter?utm=mail&sid={made.token}")
    assert (answer.status_code, answer.headers["location"], answer.content) == (303, "/enter", b"")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert (answer.headers["cache-control"], answer.headers["x-robots-tag"]) == ("no-store, private", "noindex")
    assert set_cookies(answer) == {"enter": f"{made.token}; Max-Age=120; Path=/; HttpOnly; SameSite=Lax"}
    assert site.events.only("exchange.refused", "session.created", "session.ended") == []


def test_on_https_the_cookie_is_host_bound(kind: Kind) -> None:
    """C-4: on https its name has the prefix, and only that name is read there."""
    site = Site(kind)
    made, browser = site.ticket(), site.browser(PUBLIC)
    answer = browser.get(f"/enter?sid={made.token}")
    assert set_cookies(answer) == {"__Host-enter": f"{made.token}; Max-Age=120; Path=/; Secure; HttpOnly; SameSite=Lax"}
    done = click(browser, browser.get("/enter"))
    assert set(set_cookies(done)) == {"__Host-session", "__Host-enter"}
    other = site.browser(PUBLIC)
    assert other.get("/enter", headers={"cookie": f"enter={site.ticket().token}"}).status_code == 400


def test_link_scanners_use_up_nothing(kind: Kind) -> None:
    """S-12: what opens links in mails, follows redirects, keeps cookies and asks for HEAD leaves the ticket good."""
    site = Site(kind)
    made = site.ticket()
    for _ in range(3):
        scanner = site.browser()
        assert scanner.head(f"/enter?sid={made.token}").status_code == 303
        assert arrive(scanner, made.token).status_code == 200
        looked = scanner.head("/enter")
        assert (looked.status_code, looked.content) == (200, b"")
    browser = site.browser()
    assert click(browser, arrive(browser, made.token)).status_code == 303
    assert user(browser) == "ada"


def test_below_a_mount(kind: Kind) -> None:
    """S-12: an application that is mounted somewhere sends the browser to its own page there."""
    site = Site(kind, root="/shop")
    browser = site.browser()
    path = "/shop/enter" if kind == "asgi" else "/enter"
    assert browser.get(f"{path}?sid={site.ticket().token}").headers["location"] == "/shop/enter"


# -- the page and the click


def test_the_page_names_the_account(kind: Kind) -> None:
    """CS-16: the page says whom the click signs in, has no script and no secret, and cannot be framed or stored."""
    site = Site(kind)
    made = site.ticket()
    page = arrive(site.browser(), made.token)
    assert "<h1>Sign in as Ada?</h1>" in page.text
    assert "Continue as Ada</button>" in page.text
    assert '<html lang="en">' in page.text
    assert made.token not in page.text + str(page.headers)
    assert "<script" not in page.text
    policy = page.headers["content-security-policy"]
    assert ("default-src 'none'" in policy, "frame-ancestors 'none'" in policy) == (True, True)
    assert (page.headers["x-frame-options"], page.headers["cache-control"]) == ("DENY", "no-store, private")
    assert (page.headers["x-robots-tag"], page.headers["referrer-policy"]) == ("noindex", "same-origin")
    assert "Cookie" in page.headers["vary"]


def test_the_click_signs_in_once(kind: Kind) -> None:
    """S-12, SM-12: a new session with a new id, the visitor's data carried, the browser sent on, the ticket gone."""
    site = Site(kind)
    browser = site.browser()
    browser.post("/set?cart=apples", headers=HERE)
    before = browser.cookies["session"]
    made = site.ticket(roles=["editor"], next="/orders?page=2")
    page = arrive(browser, made.token)
    done = click(browser, page)
    assert (done.status_code, done.headers["location"]) == (303, "/orders?page=2")
    assert set_cookies(done)["enter"].startswith("; Max-Age=0")
    found = browser.get("/read").json()
    assert (found["user"], found["data"]) == ("ada", {"cart": "apples"})
    (info,) = site.run(site.sessions.list("ada"))
    assert (info.roles, info.carrier, info.id in {before[:26], made.session.id}) == (("editor",), "cookie", False)
    assert made.token not in str(done.headers)

    again = site.browser()
    assert arrive(again, made.token).status_code == 400
    browser.cookies.set("enter", made.token, domain="localhost.local", path="/")
    late = browser.post("/enter", data={"csrf_token": hidden(page), "choice": "enter"}, headers=HERE)
    assert late.status_code == 400
    assert user(browser) == "ada"


def test_bad_tickets_are_told_apart_by_nobody(kind: Kind) -> None:
    """S-12: unknown, used, expired, malformed, of another kind and none at all get one and the same page."""
    site = Site(kind)
    used, old = site.ticket(), site.ticket(within="1m")
    browser = site.browser()
    click(browser, arrive(browser, used.token))
    site.clock.advance("2m")
    unknown = Site(kind).ticket().token
    bearer = site.run(site.sessions.issue("ada")).token
    answers = [arrive(site.browser(), token) for token in (used.token, old.token, unknown, bearer, "nonsense", "")]
    answers += [site.browser().get("/enter"), site.browser().post("/enter", headers=HERE)]
    assert {(answer.status_code, answer.text) for answer in answers} == {(400, answers[0].text)}
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store, private"}
    assert "does not work" in answers[0].text


@pytest.mark.parametrize("query", ["sid={0}&sid={0}", "sid={0}&sid=", "sid=", "sid={0}%00", "sid[]={0}"])
def test_odd_addresses_bring_nothing(kind: Kind, query: str) -> None:
    """W-4: repeated, empty and garnished tickets are none, and an older one's cookie does not stay in their place."""
    site = Site(kind)
    browser = site.browser()
    arrive(browser, site.ticket("bob").token)
    answer = browser.get("/enter?" + query.format(site.ticket().token))
    if answer.status_code == 303:
        answer = browser.get("/enter")
        assert answer.status_code == 400
    assert "Ada" not in answer.text


def test_names_are_escaped(kind: Kind) -> None:
    """V1.2.1: what the application calls an account is text, whatever it holds."""
    site = Site(kind, entering=Entering(name_of=lambda _: '<img src=x onerror="a">&'))
    page = arrive(site.browser(), site.ticket().token)
    assert "<img" not in page.text
    assert "&lt;img src=x onerror=&quot;a&quot;&gt;&amp;" in page.text


def test_an_account_that_is_gone_has_no_page(kind: Kind) -> None:
    """S-12: where there is no such account any more, its ticket is like any other that is no good."""
    site = Site(kind, entering=Entering(name_of=lambda _: None))
    assert arrive(site.browser(), site.ticket().token).status_code == 400


def test_a_name_may_be_awaited() -> None:
    """S-12: an asyncio application looks names up in its database."""

    async def name_of(user_id: str) -> str:
        return f"Dr {user_id}"

    site = Site("asgi", entering=Entering(path="/link/open", parameter="ticket", name_of=name_of))
    browser = site.browser()
    moved = browser.get(f"/link/open?ticket={site.ticket().token}")
    assert moved.headers["location"] == "/link/open"
    assert "Sign in as Dr ada?" in browser.get("/link/open").text


# -- the rest of the house


def test_a_bearers_request_gets_no_cookie(kind: Kind) -> None:
    """SM-4: one request has one carrier, and a program is signed in by no page."""
    site = Site(kind, bearer=True)
    browser = site.browser()
    answer = browser.get(f"/enter?sid={site.ticket().token}", headers={"authorization": "Bearer x"})
    assert (answer.status_code, answer.json()["code"], set_cookies(answer)) == (400, "wrong_carrier", {})


def test_plain_http_from_elsewhere_is_refused(kind: Kind) -> None:
    """Ruling 6: a ticket is no more carried over plain http than a session."""
    site = Site(kind)
    answer = site.browser("http://shop.example").get(f"/enter?sid={site.ticket().token}")
    assert (answer.status_code, set_cookies(answer)) == (500, {})


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods(kind: Kind, method: str) -> None:
    """G-17: the page knows GET, HEAD and POST, and says so."""
    site = Site(kind)
    answer = site.browser().request(method, f"/enter?sid={site.ticket().token}", headers=HERE)
    assert (answer.status_code, answer.headers["allow"], set_cookies(answer)) == (405, "GET, HEAD, POST", {})


def test_the_gate_does_not_stand_in_the_way(kind: Kind) -> None:
    """S-60: who is not signed in yet reaches the page on which they do so."""
    site = Site(kind, gate=Gate([], default="signed_in"))
    browser = site.browser()
    assert browser.get("/read").status_code == 401
    click(browser, arrive(browser, site.ticket().token))
    assert user(browser) == "ada"


def test_an_outage_keeps_the_ticket() -> None:
    """Promise 9: while the store does not answer the page says so; afterwards the ticket is as good as before."""
    store = Outage()
    site = Site("asgi", store=store)
    browser = site.browser()
    page = arrive(browser, site.ticket().token)
    store.down = True
    assert site.browser().get(f"/enter?sid={site.ticket().token}").status_code == 303  # nobody is asked for that
    answers = [browser.get("/enter"), click(browser, page)]
    assert [(answer.status_code, set_cookies(answer)) for answer in answers] == [(503, {}), (503, {})]
    store.down = False
    assert (click(browser, page).status_code, user(browser)) == (303, "ada")


def test_nothing_tells_the_ticket(kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    """14.2, KY-7: after the first hop no address, page, log or event holds the secret, however it ends."""
    caplog.set_level(logging.DEBUG, "coatcheck")
    site = Site(kind)
    browser, made = site.browser(), site.ticket()
    page = arrive(browser, made.token)
    answers = [page, browser.post("/enter", headers={"sec-fetch-site": "cross-site"}), click(browser, page)]
    answers += [arrive(site.browser(), made.token), browser.get("/me")]
    secret = made.token[27:]
    said = [answer.text + str(answer.headers) for answer in answers] + [caplog.text, repr(site.events)]
    assert [text for text in said if secret in text] == []


@pytest.mark.parametrize(
    ("options", "word"),
    [({"path": "enter"}, "plain path"), ({"path": "/a/../b"}, "plain path"), ({"path": "/"}, "plain path"),
     ({"path": "/a?b"}, "plain path"), ({"parameter": ""}, "plain name"), ({"parameter": "a&b"}, "plain name"),
     ({"name_of": "ada"}, "must be a function")],
)  # fmt: skip
def test_options_are_checked(options: Any, word: str) -> None:
    """N-6: what could not work is refused when the middleware is built, with the remedy."""
    with pytest.raises(ConfigurationError, match=word):
        Site("wsgi", entering=Entering(**options))


def test_what_contradicts_is_refused() -> None:
    """N-6: a page outside the paths with sessions, a cookie of the same name, and no Entering at all."""
    with pytest.raises(ConfigurationError, match="lies outside of paths"):
        Site("wsgi", paths=["/app"])
    with pytest.raises(ConfigurationError, match="exchange tickets' cookie"):
        Site("wsgi", cookie_name="__Host-enter")
    with pytest.raises(ConfigurationError, match="write entering=Entering"):
        Site("wsgi", entering="/enter")  # type: ignore[arg-type] # what is tested
    assert Site("wsgi", paths=["/enter"]).ticket().session.carrier == "exchange"
