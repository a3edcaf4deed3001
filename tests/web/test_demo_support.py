"""The demo's support desk: acting for somebody under both names, and roles that are obeyed at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.web._demo import ADA, GRACE, JOAN, Browser, Demo, browser
from tests.web.test_demo_gate import words

ACT_FOR_ADA = ("/support/act", {"id": ADA.account.id})


@pytest.fixture
def demo() -> Iterator[Demo]:
    """Run the demo on memory."""
    made = Demo()
    with made.serving():
        yield made


@pytest.fixture
def joan(demo: Demo) -> Browser:
    """Sign the operator in."""
    made = browser(demo.client)
    made.sign_in(JOAN)
    return made


@pytest.fixture
def ada(demo: Demo) -> Browser:
    """Sign Ada in, with something in her cart."""
    made = browser(demo.client)
    made.sign_in()
    made.post("/cart/add", {"thing": "lamp"})
    return made


# --- acting for somebody


def test_every_page_says_who_acts_for_whom(joan: Browser) -> None:
    """While it lasts each page, refusals and errors too, has both names and the way back (ASVS 7.2.4, S-56)."""
    before = joan.token
    assert joan.post(*ACT_FOR_ADA).headers["location"] == "/"
    pages = {
        path: joan.get(path) for path in ("/", "/devices", "/newsroom", "/gate", "/proof", "/operator/", "/nowhere")
    }

    assert [path for path, page in pages.items() if "Joan Clarke acts as Ada Lovelace" not in words(page.text)] == []
    assert [page.status_code for page in pages.values()] == [200, 200, 200, 200, 200, 403, 404]
    assert joan.token != before

    assert joan.post("/acting/stop").headers["location"] == "/support"
    page = joan.get("/support").text
    assert "You are Joan Clarke again." in page
    assert "acts as" not in page
    assert joan.get("/operator/").status_code == 200


def test_nothing_of_theirs_moves(joan: Browser, ada: Browser) -> None:
    """Whoever acts sees neither their cart nor leaves one of their own behind (ruling 1)."""
    joan.post("/cart/add", {"thing": "pen"})
    joan.post(*ACT_FOR_ADA)
    assert "Nothing in it yet" in joan.get("/").text
    joan.post("/cart/add", {"thing": "beans", "for": ADA.account.id})
    joan.post("/acting/stop")

    assert "Fountain pen <b" in joan.get("/").text
    assert "Coffee beans <b" not in ada.get("/").text


def test_what_is_done_names_both(demo: Demo, joan: Browser) -> None:
    """A choice made for Ada says that Joan made it."""
    joan.post(*ACT_FOR_ADA)
    joan.post("/newsroom/recommend", {"thing": "pen"})

    assert "Fountain pen (Joan Clarke for Ada Lovelace)" in words(browser(demo.client).get("/").text)


@pytest.mark.parametrize("who", [ADA, GRACE])
def test_only_operators_act_for_others(demo: Demo, who: object) -> None:
    """Who is no operator gets 403 from the gate, for the page and for the form (ASVS 8.2.1)."""
    here = browser(demo.client)
    here.sign_in(who)

    assert here.get("/support").status_code == 403
    assert here.post("/support/act", {"id": JOAN.account.id}).status_code == 403
    assert "acts as" not in here.get("/").text


def test_acting_asks_for_the_password_again(demo: Demo, joan: Browser) -> None:
    """After five minutes the gate sends the form to confirm; then it works (ASVS 7.5.1)."""
    demo.clock.advance(minutes=6)
    assert "so you are asked for it first" in words(joan.get("/support").text)
    sent = joan.post(*ACT_FOR_ADA)
    assert (sent.status_code, sent.headers["location"]) == (303, "/confirm?next=/support&reason=step_up")
    assert "acts as" not in joan.get("/").text
    joan.post("/confirm", {"password": JOAN.passphrase, "next": "/support"})
    joan.post(*ACT_FOR_ADA)

    assert "acts as" in joan.get("/").text


def test_nobody_proves_who_somebody_else_is(demo: Demo, joan: Browser, ada: Browser) -> None:
    """Whoever acts cannot sign out Ada's devices, and Ada's password is not asked of them (ASVS 7.5.2)."""
    joan.post(*ACT_FOR_ADA)
    for form in (("/devices/sign-out-others", {}), ("/devices/sign-out", {"id": ada.token.partition(".")[0]})):
        assert joan.post(*form).headers["location"].startswith("/confirm")

    asked, checked = joan.get("/confirm"), len(demo.hasher.checked)
    sent = joan.post("/confirm", {"password": ADA.passphrase})
    assert [asked.status_code, sent.status_code, len(demo.hasher.checked)] == [403, 403, checked]
    assert "Only Ada Lovelace can confirm this" in asked.text
    assert 'type="password"' not in asked.text
    assert "Back to your own account" in asked.text
    assert ada.get("/devices").status_code == 200


def test_it_is_on_their_list_and_they_can_end_it(joan: Browser, ada: Browser) -> None:
    """Ada sees that Joan acts, ends it, and Joan has to sign in again (ASVS 7.5.2)."""
    joan.post(*ACT_FOR_ADA)
    page = joan.get("/devices").text
    assert (page.count('aria-label="Sign out '), "Sign out all other devices" in page) == (1, False)
    assert "Joan Clarke acts" in words(ada.get("/devices").text)
    ada.post("/devices/sign-out", {"id": joan.token.partition(".")[0]})

    assert joan.get("/").headers["location"] == "/sign-in?next=/&reason=revoked"


@pytest.mark.parametrize("wanted", [JOAN.account.id, "u-0", ""])
def test_one_acts_for_somebody_else_who_exists(joan: Browser, wanted: str) -> None:
    """Nobody acts for themselves or for an account that there is not: 400, and nothing changes."""
    assert joan.post("/support/act", {"id": wanted}).status_code == 400
    assert "Signed in as Joan Clarke" in joan.get("/").text


def test_an_operators_power_is_not_lent(joan: Browser, demo: Demo) -> None:
    """Acting gives the roles of the other, and never the one that opens the operator's page (ASVS 8.2.1)."""
    joan.post(*ACT_FOR_ADA)
    (info,) = demo.client.portal.call(demo.sessions.list, ADA.account.id)
    assert (info.roles, info.actor_id) == (("editor", "user"), JOAN.account.id)
    joan.post("/acting/stop")
    grace = browser(demo.client)
    grace.sign_in(GRACE)
    joan.post("/operator/roles", {"id": GRACE.account.id, "roles": "operator, user"})
    grace.post("/support/act", {"id": JOAN.account.id})

    assert "Grace Hopper acts as Joan Clarke" in words(page := grace.get("/operator/").text)
    assert "not among yours: user." in page


def test_the_way_back_is_harmless_elsewhere(ada: Browser, demo: Demo) -> None:
    """Who acts for nobody stays who they are, and who is not signed in signs in."""
    assert ada.post("/acting/stop").headers["location"] == "/"
    assert "Signed in as Ada Lovelace" in ada.get("/").text
    assert browser(demo.client).post("/acting/stop").headers["location"] == "/sign-in?next=/"


def test_leaving_while_acting_ends_both(joan: Browser, demo: Demo) -> None:
    """Signing out while acting leaves neither session behind (S-47)."""
    joan.post(*ACT_FOR_ADA)
    joan.post("/sign-out")

    assert demo.client.portal.call(demo.sessions.count) == 0


# --- roles are obeyed at once


def test_the_next_click_obeys_new_roles_and_says_so(demo: Demo, joan: Browser, ada: Browser) -> None:
    """A role taken away shuts the newsroom at the next click, given back opens it, each with a new ticket (promise 5).

    What the page says of it is what the event says: when, and not who.
    """
    tickets = [ada.token]
    assert "Your roles were changed" not in ada.get("/newsroom").text
    for roles, status, path in (("user", 403, "/"), ("editor, user", 200, "/newsroom")):
        demo.clock.advance(minutes=1)
        joan.post("/operator/roles", {"id": ADA.account.id, "roles": roles})
        assert ada.get("/newsroom").status_code == status
        tickets.append(ada.token)
        demo.clock.advance(minutes=2)
        assert "Your roles were changed elsewhere 2 minutes ago." in words(ada.get(path).text)

    assert len(set(tickets)) == 3


def test_nothing_is_said_of_roles_that_came_with_the_sign_in(demo: Demo, joan: Browser, ada: Browser) -> None:
    """A session that began after the change was not changed, and no page claims it."""
    joan.post("/operator/roles", {"id": ADA.account.id, "roles": "user"})
    demo.clock.advance(minutes=1)
    ada.sign_in()

    assert "Your roles were changed" not in ada.get("/").text
    assert "Your roles were changed" not in joan.get("/").text
