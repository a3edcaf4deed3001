"""What a form ends is what was confirmed, what it did is said by its answer alone, and each act is in the log."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from coatcheck.errors import StoreUnavailable
from tests.web._console import Desk


@pytest.fixture(params=["memory", "sqlite"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """Serve a console on memory and on SQLite."""
    store = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/console.db"
    with Desk(store).serving() as made:
        yield made


def hidden(page: str) -> dict[str, str]:
    """Return the hidden fields of the confirmation."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))


def confirmed(desk: Desk, rule: Mapping[str, str]) -> dict[str, str]:
    """Return the confirmation of a rule, with the number of its preview typed."""
    fields = hidden(desk.post("/rule/preview", rule).text)
    return {**fields, "typed": fields["count"]}


# --- what was confirmed


def test_sessions_that_begin_after_the_preview_stay(desk: Desk) -> None:
    """Who confirmed one session ends one, however many sign in between the preview and the click."""
    desk.session("ada", roles=["editor"])
    form = confirmed(desk, {"role": "editor"})
    assert form["count"] == "1"
    desk.clock.advance("1s")
    later = {desk.session(f"u-{number}", roles=["editor"]) for number in range(7)}

    assert "Done: 1 session ended." in desk.post("/rule/run", form).text
    assert {info.id for info in desk.do(desk.sessions.browse())[0] if info.live} == later


def test_more_sessions_than_were_confirmed_are_shown_first(desk: Desk) -> None:
    """Where older sessions came to match meanwhile nothing ends: the new number is shown and has to be typed."""
    desk.session("ada", roles=["editor"])
    desk.session("grace", roles=["user"])
    form = confirmed(desk, {"role": "editor"})
    desk.clock.advance("1s")
    desk.do(desk.sessions.set_roles("grace", ["editor"]))
    refused = desk.post("/rule/run", form)

    assert refused.status_code == 400
    assert "Nothing was done: meanwhile the rule applies to more sessions." in refused.text
    assert desk.live() == 2
    again = hidden(refused.text)
    assert (again["count"], again["role"]) == ("2", "editor")
    assert "Done: 2 sessions ended." in desk.post("/rule/run", {**again, "typed": "2"}).text


def test_a_mistyped_number_leads_back_to_the_same_sessions(desk: Desk) -> None:
    """The preview that is shown again is of the first one's moment: who came later is in neither."""
    desk.session("ada", roles=["editor"])
    form = confirmed(desk, {"role": "editor"})
    desk.clock.advance("1s")
    later = desk.session("grace", roles=["editor"])
    again = desk.post("/rule/run", {**form, "typed": "7"})

    assert hidden(again.text) == {name: value for name, value in form.items() if name != "typed"}
    assert later not in again.text


def test_a_rule_runs_by_the_time_of_its_preview(desk: Desk) -> None:
    """A session that became old enough only after the preview was not confirmed, and stays."""
    desk.session("ada")
    desk.clock.advance("30m")
    young = desk.session("grace")
    desk.clock.advance("31m")
    form = confirmed(desk, {"older": "1h"})
    desk.clock.advance("2h")

    assert "Done: 1 session ended." in desk.post("/rule/run", form).text
    assert [info.id for info in desk.do(desk.sessions.browse())[0] if info.live] == [young]


def test_the_outcome_stands_after_the_list_of_progress(desk: Desk) -> None:
    """A list holds list items alone; what came of it is a paragraph with the role of a status (WCAG 1.3.1)."""
    desk.session("ada")
    page = desk.post("/rule/run", confirmed(desk, {"user": "ada"})).text

    assert re.search(r'</ol>\s*<p class="outcome card" role="status">Done: 1 session ended\.', page)
    assert "<!--" not in page


def test_a_heading_of_the_preview_stays_a_heading(desk: Desk) -> None:
    """A role would take the heading from its element, so the number is a paragraph of its own."""
    desk.session("ada")
    page = desk.post("/rule/preview", {"user": "ada"}).text

    assert re.search(r"<h\d[^>]*\brole=", page) is None
    assert re.search(r'<p [^>]*role="status"><b>1 of 1 session', page)


@pytest.mark.parametrize(("typed", "left"), [("", 1), ("  ", 1), (" ", 0)])
def test_a_user_id_of_one_space_is_not_confirmed_by_nothing(desk: Desk, typed: str, left: int) -> None:
    """Nothing typed confirms nothing, whatever the user id is."""
    desk.session(" ")
    desk.post("/revoke-user", {"id": " ", "typed": typed})

    assert desk.live() == left


# --- what was done


@pytest.mark.parametrize("done", ["revoked", "revoked-user", "roles", "nothing"])
def test_an_address_cannot_say_that_something_was_done(desk: Desk, done: str) -> None:
    """A link that somebody sends makes no page tell of an act."""
    wanted = desk.session("ada")
    for path in (f"/user?id=ada&done={done}&n=5", f"/session?id={wanted}&done={done}&n=5", f"/?done={done}&n=5"):
        page = desk.get(path).text
        assert "note good" not in page
        assert "5 sessions" not in page


@pytest.mark.parametrize(
    ("path", "fields", "said"),
    [
        ("/revoke", {}, "1 session ended. Its browser is signed out"),
        ("/revoke-user", {"id": "ada", "typed": "ada"}, "1 session of this user ended, and sign-ins under way"),
        ("/roles", {"id": "ada", "roles": "editor"}, "The roles are changed in 1 session."),
    ],
)
def test_the_answer_to_a_form_says_what_it_did(desk: Desk, path: str, fields: dict[str, str], said: str) -> None:
    """The page that answers tells it, with links that lead on; the same page opened later does not."""
    wanted = desk.session("ada")
    page = desk.post(path, fields or {"id": wanted})

    assert page.status_code == 200
    assert re.search(rf'<p class="note good">{re.escape(said)}', page.text)
    assert "note good" not in desk.get("/user?id=ada").text + desk.get(f"/session?id={wanted}").text
    for link in re.findall(r'<(?:a|link|script)[^>]*(?:href|src)="([^"#]+)', page.text):
        assert desk.client.get(str(page.request.url.join(link.replace("&amp;", "&")))).status_code == 200, link


# --- the log


ACTS: list[tuple[str, dict[str, str], dict[str, Any]]] = [
    ("/revoke-user", {"id": "ada", "typed": "ada"}, {"act": "revoke_user", "sessions": 2, "user_id": "ada"}),
    (
        "/roles",
        {"id": "ada", "roles": "editor, user"},
        {"act": "set_roles", "sessions": 2, "user_id": "ada", "roles": "editor,user"},
    ),
    ("/revoke-everybody", {"typed": "everybody"}, {"act": "revoke_all", "sessions": 3}),
    (
        "/rule/run",
        {"user": "ada", "at": "9999999999999", "count": "2", "typed": "2"},
        {"act": "revoke_where", "sessions": 2, "rule": "sessions of user ada"},
    ),
]


def told(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return what the console's log says of acts."""
    records = [record for record in caplog.records if record.name == "coatcheck.console"]
    return [record.coatcheck for record in records if hasattr(record, "coatcheck")]


@pytest.mark.parametrize(("path", "fields", "said"), ACTS)
def test_every_act_is_one_line_of_the_log(
    desk: Desk, caplog: pytest.LogCaptureFixture, path: str, fields: dict[str, str], said: dict[str, Any]
) -> None:
    """Who did what to whom, and how many sessions it was, at level INFO and as plain values (S-49)."""
    caplog.set_level(logging.INFO, "coatcheck.console")
    for user in ("ada", "ada", "grace"):
        desk.session(user)
    desk.post(path, fields)

    assert told(caplog) == [{"operator": "Joan", **said}]


@pytest.mark.parametrize(("path", "fields", "_said"), ACTS)
def test_what_was_not_confirmed_is_no_act(
    desk: Desk, caplog: pytest.LogCaptureFixture, path: str, fields: dict[str, str], _said: object
) -> None:
    """A form that was refused leaves no line that says it was done."""
    caplog.set_level(logging.INFO, "coatcheck.console")
    desk.session("ada")
    desk.post(path, {**fields, "typed": "?", "differ": "yes", "roles": " , "})

    assert told(caplog) == []
    assert desk.live() == 1


def test_a_run_that_fails_is_in_the_log_with_its_cause(
    desk: Desk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator's act is a line of its own, with what had ended by then; the fault another, with its traceback."""
    caplog.set_level(logging.INFO, "coatcheck.console")
    fault = StoreUnavailable("away")

    async def failing(_selection: object, *, on_progress: Any) -> int:
        on_progress(5, 3)
        raise fault

    desk.session("ada")
    monkeypatch.setattr(desk.sessions, "revoke_where", failing)
    desk.post("/rule/run", confirmed(desk, {"user": "ada"}))

    rule = "sessions of user ada"
    assert told(caplog) == [{"operator": "Joan", "act": "revoke_where failed", "sessions": 3, "rule": rule}]
    (error,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    assert error.exc_info is not None
    assert error.exc_info[1] is fault
