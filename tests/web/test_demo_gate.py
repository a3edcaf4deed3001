"""The demo's gate: who is let in where, what refusals look like, and the page that explains them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest

from coatcheck.demo.doors import make_gate
from coatcheck.errors import StoreUnavailable
from tests.web._demo import ADA, BASE, GRACE, JOAN, Browser, Demo, browser

PEOPLE = {"ada": ADA, "grace": GRACE, "joan": JOAN}


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


def words(page: str) -> str:
    """Return what a page says, without its tags, spaces folded."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", page)).split())


# --- who is let in


@pytest.mark.parametrize(
    ("path", "ada", "grace", "joan", "nobody"),
    [
        ("/", 200, 200, 200, 200),
        ("/gate", 200, 200, 200, 200),
        ("/proof", 200, 200, 200, 200),
        ("/devices", 200, 200, 200, 303),
        ("/newsroom", 200, 403, 403, 303),
        ("/newsroom/", 307, 403, 403, 303),
        ("/support", 403, 403, 200, 303),
        ("/operator/", 403, 403, 200, 303),
        ("/operator/sessions", 403, 403, 200, 303),
        ("/operator/static/base.css", 200, 200, 200, 200),
        ("/nowhere", 404, 404, 404, 303),
        ("//newsroom", 400, 400, 400, 400),
        ("/newsroom%2f", 400, 400, 400, 400),
    ],
)
def test_the_gate_lets_in_by_role(demo: Demo, path: str, ada: int, grace: int, joan: int, nobody: int) -> None:
    """Each page opens to whom its rule names, in any spelling; what no rule names asks for a sign-in (S-56)."""
    got: dict[str, int] = {}
    for name, who in {"nobody": None, **PEOPLE}.items():
        here = browser(demo.client)
        if who is not None:
            here.sign_in(who)
        got[name] = here.get(f"{BASE}{path}").status_code
    assert got == {"nobody": nobody, "ada": ada, "grace": grace, "joan": joan}


def test_a_role_is_asked_of_forms_too(here: Browser) -> None:
    """Whoever is no editor cannot send the newsroom's form, and nothing changes (ASVS 8.2.1)."""
    here.sign_in(GRACE)

    assert here.post("/newsroom/recommend", {"thing": "lamp"}).status_code == 403
    assert "The newsroom recommends" not in here.get("/").text


def test_a_refused_person_reads_why_in_the_demos_own_page(here: Browser) -> None:
    """The 403 says who one is and with which roles, keeps the header, and leads to the gate's own answer (S-56)."""
    here.sign_in(GRACE)
    page = here.get("/newsroom")

    assert (page.status_code, "no-store" in page.headers["cache-control"]) == (403, True)
    assert "You are signed in as Grace Hopper. This page needs a role that is not among yours: user." in words(
        page.text
    )
    assert "Sign out" in page.text
    (way,) = re.findall(r'<a class="button" href="([^"]+)"', page.text)
    told = here.get(html.unescape(way).partition("#")[0])
    assert "rule 3 /newsroom/:path* decides: somebody must be signed in, with the role editor" in words(told.text)


def test_programs_are_refused_with_a_problem(here: Browser) -> None:
    """What does not ask for a page gets problem details, as the library gives them (RFC 9457)."""
    here.sign_in(GRACE)

    refused = here.get("/newsroom", accept="application/json")

    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "role_required"


def test_a_dead_session_is_deleted_by_the_gates_answer(demo: Demo, here: Browser) -> None:
    """A form of somebody signed out elsewhere leads to sign in with the reason, and the dead cookie goes (S-39)."""
    here.sign_in()
    demo.client.portal.call(demo.sessions.revoke_user, ADA.account.id)
    sent = here.post("/newsroom/recommend", {"thing": "lamp"})

    assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in?next=/newsroom&reason=revoked")
    assert "Max-Age=0" in sent.headers["set-cookie"]


def test_an_outage_is_a_page_too(demo: Demo, here: Browser) -> None:
    """A store that does not answer is 503 in the demo's look, to try again later, and the cookie stays (promise 9)."""

    async def broken(*_arguments: object, **_options: object) -> None:
        raise StoreUnavailable("no answer")

    here.sign_in()
    demo.sessions.store.find = broken  # type: ignore[method-assign]
    pages = [here.get(path) for path in ("/", "/gate", "/devices", "/newsroom")]

    assert {(page.status_code, page.headers["retry-after"]) for page in pages} == {(503, "5")}
    assert [page.text for page in pages if '<a class="brand"' not in page.text] == []
    assert here.token


def test_an_editor_recommends_to_everybody(demo: Demo, here: Browser) -> None:
    """What the newsroom is for: everybody's home page shows the choice, with who made it."""
    here.sign_in()
    assert here.post("/newsroom/recommend", {"thing": "yacht"}).status_code == 400
    here.post("/newsroom/recommend", {"thing": "lamp"})

    assert "Desk lamp is recommended on everybody's home page." in words(here.get("/newsroom").text)
    assert "The newsroom recommends: Desk lamp (Ada Lovelace)" in words(browser(demo.client).get("/").text)


# --- the page about it


def doors(page: str) -> dict[str, str]:
    """Return each door's answer."""
    rows = re.findall(r'<tr role="row">(.*?)</tr>', page.partition("What is open to you now")[2], re.DOTALL)
    cells = [[words(cell) for cell in re.findall(r"<td.*?>(.*?)</td>", row, re.DOTALL)] for row in rows]
    return {row[1]: row[2] for row in cells if row}


def test_the_page_shows_what_the_gate_does(demo: Demo) -> None:
    """For nobody and for each person the page's answers are those that requests get (S-56)."""
    for who in (None, ADA, GRACE, JOAN):
        here = browser(demo.client)
        if who is not None:
            here.sign_in(who)
        for request, said in doors(here.get("/gate").text).items():
            method, path = request.split()
            status = (here.get if method == "GET" else here.post)(path).status_code
            expected = {"Opens": (200, 400, 404), "Asks to sign in": (303,), "Refused": (403,)}[said]
            assert status in expected, (request, said, status)


def test_the_page_says_when_the_password_is_asked_for(demo: Demo, here: Browser) -> None:
    """After five minutes the door that wants a fresh sign-in says so, with the gate's sentence (ASVS 7.5.1)."""
    here.sign_in(JOAN)
    assert doors(here.get("/gate").text)["POST /support/act"] == "Opens"
    demo.clock.advance(minutes=5, seconds=1)
    page = here.get("/gate").text

    assert doors(page)["POST /support/act"] == "Asks for the password"
    assert "they must prove again who they are, within 5 minutes" in words(page)


def test_the_rules_are_told_in_order(here: Browser) -> None:
    """The page lists every rule with its matchers and whom it lets pass, and the default last."""
    rules = words(here.get("/gate").text.partition('<ol class="rules')[2].partition("</ol>")[0])

    assert rules.index("/operator/static/:path*") < rules.index("/operator/:path* The role operator")
    assert "/newsroom/:path* The role editor" in rules
    assert "/support/act POST alone The role operator, if the password was given within 5 minutes" in rules
    assert "/ /cart/:path* /proof /gate Everybody; the page shows who is signed in" in rules
    assert rules.endswith("Every other path Whoever is signed in")
    assert make_gate().unguarded == ()


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("GET", "/newsroom", "Asks to sign in"),
        ("DELETE", "/cart/add", "Opens"),
        ("GET", "/newsroom/../devices", "Refused"),
        ("GET", "/newsroom%2fx", "Refused"),
        ("GET", "/a\\b", "Refused"),
        ("GET", "newsroom", "Refused"),
        ("GET", "/%67ate?x=1#y", "Opens"),
        ("GET", "", "Refused"),
        ("GET", '/"><script>', "Asks to sign in"),
    ],
)
def test_any_path_may_be_asked_about(here: Browser, method: str, path: str, said: str) -> None:
    """A form asks the gate about any method and path: nothing is sent there, and nothing typed becomes markup."""
    here.client.params = {"method": method, "path": path}
    page = here.get("/gate")
    answer = page.text.partition('<p role="status">')[2].partition("</p>")[0]

    assert page.status_code == 200
    assert words(answer).startswith(said)
    assert "<script>" not in page.text


@pytest.mark.parametrize("asked", ["method=BREW&path=/", "method=get&path=/", f"path=/{'x' * 200}"])
def test_what_cannot_be_asked_is_refused(here: Browser, asked: str) -> None:
    """A method that the form does not offer and a path without end are 400."""
    assert here.get(f"/gate?{asked}").status_code == 400
