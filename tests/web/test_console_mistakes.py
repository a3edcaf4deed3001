"""What the console says when something was mistyped: at the form, beside the field, with nothing lost."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.web._console import Desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    """Serve a console."""
    with Desk().serving() as made:
        yield made


def field(page: str, name: str) -> str:
    """Return the tag of the field with that id."""
    (found,) = re.findall(rf'<input id="{name}"[^>]*>', page)
    return str(found)


def said_of(page: str, tag: str) -> str:
    """Return the text that describes a field that is marked as wrong."""
    assert 'aria-invalid="true"' in tag
    described = re.search(r'aria-describedby="([\w-]+)', tag)
    assert described is not None
    found = re.search(rf'id="{described[1]}">([^<]+)<', page)
    assert found is not None
    return found[1]


def test_a_mistyped_user_id_leads_back_to_its_form(desk: Desk) -> None:
    """The user's page is shown again with 400, the fault at the field; what was typed instead is not repeated."""
    desk.session("ada")
    answer = desk.post("/revoke-user", {"id": "ada", "typed": "adda-secret"})

    assert answer.status_code == 400
    assert "Nothing was done" in said_of(answer.text, field(answer.text, "typed"))
    assert 'action="./revoke-user"' in answer.text
    assert "adda-secret" not in answer.text
    assert desk.live() == 1


def test_a_mistyped_number_keeps_the_rule(desk: Desk) -> None:
    """The preview is shown again with the rule as it was written, and the right number then ends those sessions."""
    desk.session("ada")
    rule = {"user": "ada", "device": "firefox", "older": "", "who": "signed-in"}
    page = desk.post("/rule/preview", rule).text
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))
    desk.clock.advance("1m")
    answer = desk.post("/rule/run", {**hidden, "typed": "7"})

    assert answer.status_code == 400
    assert "Nothing was done" in said_of(answer.text, field(answer.text, "typed"))
    assert 'name="device" value="firefox"' in answer.text
    again = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', answer.text))
    assert again == hidden
    assert "Done: 1 session ended." in desk.post("/rule/run", {**again, "typed": "1"}).text


def test_a_rule_that_matches_none_any_more_says_so(desk: Desk) -> None:
    """Where the sessions ended meanwhile the fault is said though there is no field any more."""
    desk.session("ada")
    page = desk.post("/rule/run", {"user": "grace", "at": "9999999999999", "count": "1", "typed": "2"})

    assert page.status_code == 400
    assert "Nothing was done" in page.text


def test_a_mistyped_word_leads_back_to_everybodys_form(desk: Desk) -> None:
    """The page with the form is shown again, with the fault at its field."""
    desk.session("ada")
    answer = desk.post("/revoke-everybody", {"typed": "all"})

    assert answer.status_code == 400
    assert "is not the word everybody" in said_of(answer.text, field(answer.text, "everybody-typed"))
    assert desk.live() == 1


def test_every_unreadable_field_is_marked_at_once(desk: Desk) -> None:
    """Each field that cannot be read is marked and says how to write it; the others are not, and keep their text."""
    rule = {"older": "abc", "unseen": "1 week", "address": "here", "device": "firefox"}
    answer = desk.post("/rule/preview", rule)
    page = answer.text

    assert answer.status_code == 400
    assert page.count('aria-invalid="true"') == 3
    assert said_of(page, field(page, "older")) == "&#39;abc&#39; is not a length of time: write 7d, 12h or 30m."
    assert "write 7d, 12h or 30m" in said_of(page, field(page, "unseen"))
    assert "is neither an address nor a network" in said_of(page, field(page, "address"))
    assert "aria-invalid" not in field(page, "device")
    assert 'value="firefox"' in field(page, "device")
    assert "timedelta" not in page


def test_everybodys_form_says_how_many_they_are(desk: Desk) -> None:
    """That form has no preview, so it has the number and does not promise one."""
    for user in ("ada", "grace"):
        desk.session(user)
    page = desk.get("/rule").text

    assert "<b>2 sessions</b> are live now" in page
    assert "without a preview" in page
    assert "Nothing ends before" not in page


def test_the_page_of_counts_says_what_it_counts(desk: Desk) -> None:
    """Wrong passwords are the application's to count, and the two timeouts are named (S-83)."""
    page = desk.get("/").text

    assert "Sign-ins refused by the limit or a stale epoch" in page
    assert "Wrong passwords are not counted here" in page
    assert "abandoned (idle timeout)" in page
    assert "expired (absolute timeout)" in page


def test_who_is_refused_has_a_way_back() -> None:
    """The 403 page leads back to the application in its body."""
    with Desk(home="/start").serving() as desk:
        desk.operator = None
        page = desk.get("/").text

    assert '<a class="button" href="/start">Back to the application</a>' in page


def test_a_link_says_that_it_is_one(desk: Desk) -> None:
    """The way from a list to a session's end is a plain link that promises to look first."""
    wanted = desk.session("ada")
    page = desk.get("/sessions").text

    assert f'<a href="./session?id={wanted}#end">Look and revoke<' in page
