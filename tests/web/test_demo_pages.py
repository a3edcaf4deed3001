"""The demo application in process: the cart, the devices, forms of other sites, and what answers hold."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.testclient import TestClient

from coatcheck.demo.assets import fingerprint
from coatcheck.demo.home import USE
from coatcheck.web.starlette import session_of
from tests.web._demo import ADA, GRACE, Browser, Demo, browser

TIMES = "\N{MULTIPLICATION SIGN}"
CHROME = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36"


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


# --- the cart


def test_a_visitors_cart_comes_along_when_they_sign_in(here: Browser) -> None:
    """A cart filled before sign-in is there afterwards (S-03)."""
    assert here.get("/").headers.get("set-cookie") is None
    here.post("/cart/add", {"thing": "lamp"})
    here.post("/cart/add", {"thing": "lamp"})
    assert "Desk lamp added to your cart." in here.get("/").text
    here.sign_in()

    page = here.get("/").text
    assert f'Desk lamp <b class="count">{TIMES} 2</b>' in page
    assert "added to your cart" not in page
    here.post("/cart/remove", {"thing": "lamp"})
    assert f"{TIMES} 1" in here.get("/").text


def test_a_form_of_an_ended_session_changes_nothing(demo: Demo, here: Browser) -> None:
    """Whoever was signed out elsewhere is told so; their click does not land in a new anonymous cart."""
    here.sign_in()
    demo.client.portal.call(demo.sessions.revoke_user, ADA.account.id)

    sent = here.post("/cart/add", {"thing": "lamp"})

    assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in?next=/&reason=revoked&cart=unchanged")
    assert "Your cart was not changed." in here.get(sent.headers["location"]).text
    assert demo.client.portal.call(demo.sessions.count) == 0


def test_a_form_of_a_signed_out_tab_changes_nothing(demo: Demo, here: Browser) -> None:
    """A click on a page from before the sign-out in another tab makes no anonymous cart, and says what happened."""
    here.sign_in()
    assert f'name="for" value="{ADA.account.id}"' in here.get("/").text
    here.post("/sign-out")

    sent = here.post("/cart/add", {"thing": "lamp", "for": ADA.account.id})

    assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in?next=/&reason=gone&cart=unchanged")
    told = here.get(sent.headers["location"]).text
    assert "This browser is no longer signed in" in told
    assert "Your cart was not changed." in told
    assert (here.token, demo.client.portal.call(demo.sessions.count)) == ("", 0)


def test_a_form_of_somebody_else_changes_nothing(here: Browser) -> None:
    """A click on Ada's page when Grace has signed in since does not land in Grace's cart, and she reads why."""
    here.sign_in(GRACE)
    here.post("/cart/add", {"thing": "lamp", "for": ADA.account.id})

    page = here.get("/").text
    assert "This browser is signed in as Grace Hopper now. The cart was not changed." in page
    assert "Nothing in it yet" in page


# --- the first look


def test_a_first_visitor_reads_what_this_is(here: Browser) -> None:
    """The home page says what coatcheck is, what the demo shows and where to go; signed in, it says what one has."""
    page = here.get("/").text
    assert "Session management for web applications, in Python</h1>" in page
    assert {"/sign-in", "/proof"} <= set(re.findall(r'<a class="button[^"]*" href="([^"]+)"', page))
    assert "comes with you when you sign in, and ends with the session" in page
    here.sign_in()

    assert "It belongs to this session, and ends with it." in here.get("/").text


def test_the_code_on_the_home_page_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines that a visitor reads, run as they are, sign somebody in."""
    monkeypatch.chdir(tmp_path)
    made: dict[str, Any] = {"app": Starlette()}
    exec(compile(USE, "use", "exec"), made)  # noqa: S102 - it is our own

    async def sign_in(request: Request) -> Response:
        await made["sign_in"](request)
        return PlainTextResponse(str(session_of(request).user_id))

    made["app"].add_route("/", sign_in)
    with TestClient(made["app"], base_url="http://localhost") as client:
        answer = client.get("/")

    assert answer.text == "ada"
    assert answer.headers["set-cookie"].startswith("session=")


@pytest.mark.parametrize("thing", ["", "yacht", "__class__"])
def test_the_cart_takes_only_what_there_is(here: Browser, thing: str) -> None:
    """A form with another value is refused and stores nothing."""
    assert here.post("/cart/add", {"thing": thing}).status_code == 400
    assert not here.token


# --- devices


def test_devices_are_listed_by_name_and_address(demo: Demo, here: Browser) -> None:
    """Each device has browser, system, address and times; this one is marked and comes first (S-53, SM-24)."""
    phone = browser(demo.client, agent=CHROME, address="192.0.2.7")
    here.sign_in()
    demo.clock.advance(minutes=180)
    phone.sign_in()

    page = here.get("/devices").text

    names = re.findall(r'class="name">([^<]+?)( <span class="tag strong">This device)?<', page)
    assert [(name, bool(mark)) for name, mark in names] == [
        ("Firefox 153 on Linux", True),
        ("Chrome Mobile 156 on Android", False),
    ]
    assert "192.0.2.7" in page
    assert "3 hours ago" in page


def test_one_device_signs_out_another(demo: Demo, here: Browser) -> None:
    """The other device is signed out at its next request and told why; the list says what ended (promise 2, S-49)."""
    phone = browser(demo.client, agent=CHROME)
    phone.sign_in()
    here.sign_in()

    here.post("/devices/sign-out", {"id": phone.token.partition(".")[0]})

    assert "That device is signed out." in (page := here.get("/devices").text)
    assert page.count('class="name"') == 1
    assert "Ended from another device, by an operator, or because its cookie was used in two places" in page
    assert phone.get("/devices").headers["location"] == "/sign-in?next=/devices&reason=revoked"


def test_nobody_signs_out_somebody_elses_device(demo: Demo, here: Browser) -> None:
    """Another user's session id ends nothing, and the answer is that for an id which does not exist (SM-25)."""
    victim = browser(demo.client)
    victim.sign_in(GRACE)
    here.sign_in()

    answers = []
    for wanted in (victim.token.partition(".")[0], "0" + "A" * 25, "x"):
        done = here.post("/devices/sign-out", {"id": wanted})
        answers.append((done.status_code, done.headers["location"], here.get("/devices").text))

    assert answers[0] == answers[1] == answers[2]
    assert "Signed in as Grace Hopper" in victim.get("/").text


def test_signing_out_this_device_from_the_list_is_a_sign_out(here: Browser) -> None:
    """The button beside this device ends this session and deletes its cookie (S-28)."""
    here.sign_in()

    done = here.post("/devices/sign-out", {"id": here.token.partition(".")[0]})

    assert done.headers["location"] == "/sign-in?reason=signed_out"
    assert not here.token


def test_signing_out_all_others_keeps_this_one_with_a_new_secret(demo: Demo, here: Browser) -> None:
    """All others end; this one goes on under the same id with a new secret, and the old secret is dead (promise 5)."""
    others = [browser(demo.client) for _ in range(3)]
    for each in [*others, here]:
        each.sign_in()
    before = here.token

    here.post("/devices/sign-out-others")

    assert "3 other devices are signed out." in here.get("/devices").text
    assert {each.get("/devices").status_code for each in others} == {303}
    assert before.partition(".")[0] == here.token.partition(".")[0]
    assert before != here.token
    others[0].token = before
    assert others[0].get("/devices").status_code == 303


def test_the_eleventh_device_ends_the_one_used_longest_ago(demo: Demo) -> None:
    """The limit holds, and the one that had to go is told why (promise 4, S-51)."""
    devices = [browser(demo.client) for _ in range(11)]
    for each in devices:
        demo.clock.advance(seconds=1)
        each.sign_in()

    assert devices[0].get("/").headers["location"] == "/sign-in?next=/&reason=evicted"
    assert devices[-1].get("/devices").text.count('class="name"') == 10


# --- other sites


@pytest.mark.parametrize(
    "said",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "", "origin": "https://evil.example"},
        {"sec-fetch-site": "", "origin": "null"},
        {"sec-fetch-site": "", "origin": "http://localhost:8001"},
        {"sec-fetch-site": "", "origin": ""},
    ],
)
@pytest.mark.parametrize("path", ["/sign-out", "/devices/sign-out-others", "/cart/add", "/sign-in"])
def test_forms_of_other_sites_are_refused(here: Browser, said: dict[str, str], path: str) -> None:
    """A form from elsewhere gets 403 before its handler runs, and nothing changes (CS-7, CS-8, CS-14, G-18)."""
    here.sign_in()
    before = here.token

    refused = here.post(path, {"thing": "lamp", "username": "grace", "password": GRACE.passphrase}, **said)

    assert refused.status_code == 403
    assert "This request was refused" in refused.text
    assert {"Sec-Fetch-Site", "Origin"} <= set(refused.headers["vary"].split(", "))
    assert here.token == before
    page = here.get("/").text
    assert "Signed in as Ada" in page
    assert "Nothing in it yet" in page


def test_forms_are_bounded(here: Browser) -> None:
    """A form that is too large, of another type or not text is refused with a page."""
    assert here.post("/sign-in", {"password": "x" * 20_000}).status_code == 413
    assert here.post("/sign-in", **{"content-type": "text/plain"}).status_code == 415
    assert here.post("/sign-in", {f"f{number}": "x" for number in range(30)}).status_code == 400


# --- what leaves


def test_no_answer_and_no_log_holds_a_secret(demo: Demo, here: Browser, caplog: pytest.LogCaptureFixture) -> None:
    """Secrets travel in Set-Cookie alone: no body, other header, address or log line holds one (promise 7, S-84)."""
    caplog.set_level(logging.DEBUG)
    secrets: set[str] = set()
    phone = browser(demo.client, agent=CHROME)
    for each in (here, phone):
        each.post("/cart/add", {"thing": "pen"})
        secrets.add(each.token.partition(".")[2])
        each.post("/sign-in", {"username": "ada", "password": "guess-4711"})
        each.sign_in(remember="yes", next="/devices")
        for path in ("/", "/devices", "/nowhere", "/sign-in", "/sign-out", "/static/app.css"):
            each.get(path)
        secrets.add(each.token.partition(".")[2])
    here.post("/devices/sign-out-others")
    secrets.add(here.token.partition(".")[2])
    phone.get("/")
    here.post("/sign-out")

    assert len(secrets) == 5
    told = caplog.text
    for response in [*here.heard, *phone.heard]:
        headers = [f"{name}: {value}" for name, value in response.headers.items() if name != "set-cookie"]
        told += response.text + "\n".join(headers)
    assert [secret for secret in secrets if secret in told] == []
    assert [word for word in (ADA.passphrase, "guess-4711", "argon2") if word in told] == []


def test_pages_of_a_signed_in_person_are_stored_nowhere(here: Browser) -> None:
    """What shows a person is private, no-store, and varies by cookie (K-1, K-2)."""
    here.sign_in()
    for path in ("/", "/devices"):
        page = here.get(path)
        assert set(page.headers["cache-control"].split(", ")) == {"private", "no-store"}
        assert "Cookie" in page.headers["vary"]


def test_files_ask_for_no_session(here: Browser) -> None:
    """Stylesheet and script look at no session, send no cookie and may be cached (K-5)."""
    here.sign_in()

    file = here.get(f"/static/app.js?v={fingerprint()}")

    assert file.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "cookie" not in file.headers.get("vary", "").lower()
    assert "set-cookie" not in file.headers


ANSWERS = dict.fromkeys(("/", "/gate", "/sign-in"), 200) | dict.fromkeys(("/nowhere", "/static/no.css"), 404)
ANSWERS |= {"/newsroom": 403, "/sign-out": 405}


@pytest.mark.parametrize(("path", "status"), ANSWERS.items())
def test_every_answer_is_hardened(here: Browser, path: str, status: int) -> None:
    """Pages, errors and the gate's refusals run nothing inline, are framed by nobody and have the demo's look."""
    if path in ("/nowhere", "/newsroom"):
        here.sign_in(GRACE)
    page = here.get(path)

    assert page.status_code == status
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert '<a class="brand"' in page.text
    assert re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", page.text) is None


def test_a_fault_of_ours_is_a_page_too(demo: Demo) -> None:
    """An unexpected error is answered with 500 in the demo's look, hardened, without a word of what it was."""

    async def broken(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("the database password is hunter2")

    demo.sessions.list = broken  # type: ignore[method-assign]
    here = browser(demo.client)
    here.sign_in()
    here.client._transport.raise_server_exceptions = False

    page = here.get("/devices")

    assert page.status_code == 500
    assert "Something went wrong" in page.text
    assert "hunter2" not in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
