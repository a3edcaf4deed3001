"""What an operator does from the console: forms, confirmations, the log, and whose page a form comes from."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coatcheck.errors import StoreUnavailable, Unconfirmed
from tests.web._console import AGENT, CHROME, Desk


@pytest.fixture(params=["memory", "sqlite"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """Serve a console on memory and on SQLite."""
    store = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/console.db"
    with Desk(store).serving() as made:
        yield made


def follow(desk: Desk, answer: Any) -> str:
    """Return the page that answers a form: what was done is in no address, which anybody could write."""
    assert answer.status_code == 200
    return str(answer.text)


@pytest.mark.parametrize(
    "said",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "", "origin": "https://evil.example"},
        {"sec-fetch-site": "", "origin": "null"},
        {"sec-fetch-site": "", "origin": ""},
    ],
)
def test_forms_of_other_sites_do_nothing(desk: Desk, said: dict[str, str]) -> None:
    """A form that another site's page sends is refused before anything is done (CS-7, CS-8, CS-14, G-18)."""
    wanted = desk.session("ada", roles=["user"])
    forms = {
        "/revoke": {"id": wanted},
        "/revoke-user": {"id": "ada", "typed": "ada"},
        "/roles": {"id": "ada", "roles": "operator"},
        "/revoke-everybody": {"typed": "everybody"},
        "/rule/run": {"user": "ada", "at": "9999999999999", "count": "1", "typed": "1"},
    }
    for path, fields in forms.items():
        refused = desk.post(path, fields, **said)
        assert refused.status_code == 403
        assert "That form came from elsewhere" in refused.text
        assert "Sec-Fetch-Site" in refused.headers["vary"]

    (info,) = desk.do(desk.sessions.list("ada"))
    assert info.roles == ("user",)


@pytest.mark.parametrize("path", ["/revoke", "/revoke-user", "/roles", "/revoke-everybody", "/rule/run", "/search"])
def test_links_do_nothing(desk: Desk, path: str) -> None:
    """An act has no GET: whatever follows links changes nothing."""
    assert desk.get(path).status_code == 405


def test_searching_leads_to_the_session_or_the_user(desk: Desk) -> None:
    """What is typed is taken for a session's id if there is such a session, and for a user's else."""
    wanted = desk.session("ada")
    desk.session("o'neil & co")

    assert desk.post("/search", {"q": f" {wanted} "}).headers["location"] == f"session?id={wanted}"
    assert desk.post("/search", {"q": "o'neil & co"}).headers["location"] == "user?id=o%27neil+%26+co"
    assert desk.post("/search", {"q": "  "}).headers["location"] == "sessions"


def test_one_session_is_revoked(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """The session ends, its page says so, the log says who did it; a second time says that there was none (S-49)."""
    caplog.set_level(logging.INFO, "coatcheck.console")
    wanted, other = desk.session(), desk.session()
    page = follow(desk, desk.post("/revoke", {"id": wanted}))

    assert "1 session ended." in page
    assert "Revoked." in page
    assert [info.id for info in desk.do(desk.sessions.list("ada"))] == [other]
    assert "operator='Joan' act='revoke'" in caplog.text
    (line,) = (record for record in caplog.records if record.name == "coatcheck.console")
    assert line.coatcheck == {"operator": "Joan", "act": "revoke", "session_id": wanted, "sessions": 1}  # type: ignore[attr-defined]
    assert "There was no such live session any more." in follow(desk, desk.post("/revoke", {"id": wanted}))


def test_a_guard_that_answers_true_has_no_name(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Without a name the log says that it was an operator."""
    caplog.set_level(logging.INFO, "coatcheck.console")
    desk.operator = True
    desk.post("/revoke", {"id": desk.session()})

    assert "operator='an operator'" in caplog.text


@pytest.mark.parametrize("typed", ["", "Ada", "grace", "ada'", "everybody"])
def test_a_users_sessions_end_only_when_the_id_is_typed(desk: Desk, typed: str) -> None:
    """Another word than the user's id ends nothing, and is not repeated."""
    desk.session("ada")
    refused = desk.post("/revoke-user", {"id": "ada", "typed": typed})

    assert refused.status_code == 400
    assert "Nothing was done" in refused.text
    assert desk.live() == 1


def test_a_users_sessions_end(desk: Desk) -> None:
    """All of the user's sessions end, nobody else's, and a sign-in that was checked before is refused (promise 2)."""
    for user in ("ada", "ada", "grace"):
        desk.session(user)
    before = desk.do(desk.sessions.epoch("ada"))
    page = follow(desk, desk.post("/revoke-user", {"id": "ada", "typed": " ada "}))

    assert "2 sessions of this user ended, and sign-ins under way are refused." in page
    assert "This user is not signed in anywhere." in page
    assert desk.live() == 1
    assert desk.do(desk.sessions.epoch("ada")) > before


def test_roles_change_in_every_session(desk: Desk) -> None:
    """The form gives the roles as they are; what is written holds in all of the user's sessions at once (promise 5)."""
    desk.session("ada", roles=["editor", "user"])
    desk.session("ada", roles=["editor", "user"])
    assert 'value="editor, user"' in desk.get("/user?id=ada").text

    page = follow(desk, desk.post("/roles", {"id": "ada", "roles": " operator ,, user,"}))

    assert "The roles are changed in 2 sessions." in page
    assert {info.roles for info in desk.do(desk.sessions.list("ada"))} == {("operator", "user")}


@pytest.mark.parametrize("typed", ["", "yes", "Everybody!", "2"])
def test_everybody_ends_only_when_the_word_is_typed(desk: Desk, typed: str) -> None:
    """Another word ends nothing."""
    desk.session()

    assert desk.post("/revoke-everybody", {"typed": typed}).status_code == 400
    assert desk.live() == 1


def test_everybody_ends(desk: Desk) -> None:
    """The word ends every session, and the page says how many and that one's own was among them (ruling 11)."""
    for user in ("ada", "grace", None):
        desk.session(user)
    page = desk.post("/revoke-everybody", {"typed": "everybody"})

    assert page.status_code == 200
    assert "3 sessions ended" in page.text
    assert desk.live() == 0


# --- by rule


def hidden(page: str) -> dict[str, str]:
    """Return the hidden fields of the confirmation."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))


def test_a_rule_is_shown_before_it_is_run(desk: Desk) -> None:
    """A preview says how many match of how many, in words, with the newest of them, and ends nothing."""
    desk.session("ada", agent=CHROME)
    desk.clock.advance("2h")
    for _ in range(12):
        desk.session("grace", agent=CHROME)
    desk.session("grace", agent=AGENT)
    page = desk.post("/rule/preview", {"device": "chrome", "user": "grace"}).text

    assert re.search(r"12 of \d+ sessions that are live match", page)
    assert "They are sessions of user grace in a browser named like" in page
    assert "Here are the newest 10." in page
    assert page.count('class="name"') == 10
    assert desk.live() == 14


@pytest.mark.parametrize(
    ("rule", "left"),
    [
        ({"user": "ada"}, {"grace", None}),
        ({"role": "editor"}, {"ada", None}),
        ({"device": "ANDROID"}, {"grace", None}),
        ({"address": "192.0.2.0/25"}, {"grace", None}),
        ({"older": "1h"}, {"grace", None}),
        ({"unseen": "1h30m"}, {"grace", None}),
        ({"who": "anonymous"}, {"ada", "grace"}),
        ({"memory": "remembered"}, {"ada", None}),
        ({"who": "signed-in", "older": "1m"}, {"grace", None}),
    ],
)
def test_a_rule_ends_what_it_shows(desk: Desk, rule: dict[str, str], left: set[str | None]) -> None:
    """Each field chooses what it says; with the number typed exactly those sessions end, and the page says how many."""
    desk.session("ada", agent=CHROME, address="192.0.2.7")
    desk.clock.advance("2h")
    desk.session("grace", roles=["editor"], address="192.0.2.200", remember=True)
    desk.session(None, address="198.51.100.1")
    page = desk.post("/rule/preview", rule).text
    fields = hidden(page)
    assert fields["count"] == "1"
    desk.clock.advance("1s")

    done = desk.post("/rule/run", {**fields, "typed": "1"})

    assert "Done: 1 session ended." in done.text
    assert {info.user_id for info in desk.do(desk.sessions.browse())[0] if info.live} == left


@pytest.mark.parametrize("typed", ["", "2", "one", "everybody"])
def test_another_number_ends_nothing(desk: Desk, typed: str) -> None:
    """Whoever types another number than the preview's ends nothing."""
    desk.session("ada")
    fields = hidden(desk.post("/rule/preview", {"user": "ada"}).text)
    refused = desk.post("/rule/run", {**fields, "typed": typed})

    assert refused.status_code == 400
    assert "Nothing was done" in refused.text
    assert desk.live() == 1


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({}, "Write into at least one field."),
        ({"older": "soon"}, "is not a length of time"),
        ({"address": "here"}, "is neither an address nor a network"),
        ({"user": "ada", "who": "anonymous"}, "An anonymous session has no user"),
    ],
)
def test_a_rule_that_cannot_be_read_says_why(desk: Desk, rule: dict[str, str], said: str) -> None:
    """A fault names what is wrong and how to write it; what was typed stays in the form; nothing can be run with it."""
    desk.session()
    answer = desk.post("/rule/preview", rule)

    assert answer.status_code == 400
    assert said in answer.text
    assert all(f'value="{value}"' in answer.text for value in rule.values())
    ran = desk.post("/rule/run", {**rule, "at": "1", "count": "0", "typed": "0"})
    assert ran.status_code == 400
    assert desk.live() == 1


@pytest.mark.parametrize("wrong", [{"at": ""}, {"at": "-1"}, {"count": "1e9"}, {"at": "9" * 40}])
def test_a_forged_confirmation_is_a_bad_request(desk: Desk, wrong: dict[str, str]) -> None:
    """Fields that our page did not write are refused."""
    desk.session("ada")

    assert desk.post("/rule/run", {"user": "ada", "at": "1", "count": "1", "typed": "1", **wrong}).status_code == 400
    assert desk.live() == 1


def test_a_run_shows_its_progress_and_is_logged(
    desk: Desk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it runs the page says how far it is; at the end how many ended; and the log who did it."""
    caplog.set_level(logging.INFO, "coatcheck.console")
    monkeypatch.setattr("coatcheck.web.console.ruling.EVERY", 0.0)
    for _ in range(6):
        desk.session("ada")
    fields = hidden(desk.post("/rule/preview", {"user": "ada"}).text)
    page = desk.post("/rule/run", {**fields, "typed": "6"}).text

    assert re.search(r"<li>\d+ looked at, \d+ ended <small>It goes on when this page is closed.</small></li>", page)
    assert page.index("looked at, ") < (done := page.index("Done: 6 sessions ended."))
    assert "It goes on" not in page[done:]
    assert "It goes on" not in page[: page.index("<ol")]
    assert page.rstrip().endswith("</html>")
    assert "act='revoke_where' rule='sessions of user ada' sessions=6" in caplog.text


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (StoreUnavailable("db.internal is away"), "Sessions are unavailable. 0 sessions had ended by then."),
        (Unconfirmed("1 of 2"), "too few replicas confirmed it"),
        (RuntimeError("hunter2"), "Something went wrong and was written to the log."),
    ],
)
def test_a_run_that_fails_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch, fault: Exception, said: str) -> None:
    """What goes wrong while a rule runs is said on its page, without a word of where."""

    async def failing(*_arguments: object, **_options: object) -> int:
        raise fault

    monkeypatch.setattr(desk.sessions, "revoke_where", failing)
    page = desk.post("/rule/run", {"user": "ada", "at": "1", "count": "1", "typed": "1"}).text

    assert said in page
    assert "db.internal" not in page
    assert "hunter2" not in page


def test_a_run_goes_on_when_its_page_is_closed(desk: Desk) -> None:
    """An operator who closes the page stops watching, not the revocation."""
    from coatcheck.selection import Selection
    from coatcheck.web.console.ruling import Run

    for _ in range(3):
        desk.session("ada")

    async def closed() -> int:
        run = Run(desk.sessions, Selection(user_id="ada"))
        watching = asyncio.create_task(anext(run.watch()))
        await asyncio.sleep(0)
        watching.cancel()
        return await run.work

    assert desk.do(closed()) == 3
    assert desk.live() == 0
