"""The stock admin on coatcheck, the page of sessions in it, the command, and an application of the tutorial's shape."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.web._django import (
    Browser,
    Choice,
    LogEntry,
    Permission,
    Question,
    get_sessions,
    live,
    new_question,
    new_user,
)

LIST = "/admin/coatcheck/session/"


def form_of(response: Any) -> dict[str, str]:
    """Return the hidden fields of a page's last form, Django's token among them."""
    page = response.content.decode()
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))
    assert "csrfmiddlewaretoken" in fields
    return fields


def administrator(*permissions: str) -> tuple[Browser, Any]:
    """Return a browser with the stock admin open, and who is signed in there: a superuser, or one with permissions."""
    user = new_user(staff=True, superuser=not permissions)
    user.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
    browser = Browser(checks_csrf=True)
    fields = form_of(browser.get("/admin/login/"))
    response = browser.post(
        "/admin/login/?next=/admin/", {**fields, "username": user.get_username(), "password": "secret"}
    )
    assert (response.status_code, response.headers["Location"]) == (302, "/admin/")
    return browser, user


# --- the stock admin and the tutorial's application


def test_the_stock_admin() -> None:
    """Issue 5, done when: sign in, add, change, messages and sign out in the stock admin, with Django's CSRF."""
    browser, user = administrator()
    page = browser.get("/admin/django_project/question/add/")
    inline = {
        "choice_set-TOTAL_FORMS": "1",
        "choice_set-INITIAL_FORMS": "0",
        "choice_set-0-text": "Yes",
        "choice_set-0-votes": "0",
    }
    token = {"csrfmiddlewaretoken": form_of(page)["csrfmiddlewaretoken"]}

    added = browser.post("/admin/django_project/question/add/", {**token, **inline, "text": "Added here?"})
    assert added.status_code == 302
    listed = browser.get("/admin/django_project/question/").content.decode()
    assert "was added successfully" in listed
    question = Question.objects.get(text="Added here?")
    inline = {"choice_set-TOTAL_FORMS": "0", "choice_set-INITIAL_FORMS": "0"}
    browser.post(f"/admin/django_project/question/{question.pk}/change/", {**token, **inline, "text": "Changed?"})
    assert Question.objects.filter(pk=question.pk, text="Changed?").exists()

    out = browser.post("/admin/logout/", form_of(browser.get("/admin/")))

    assert out.status_code == 200
    assert live(user) == []
    assert browser.get("/admin/").status_code == 302


def test_the_tutorials_application() -> None:
    """Issue 5, done when: an application of the tutorial's shape; a visitor votes once, is thanked, and keeps both."""
    question = new_question("Yes", "No")
    choice = Choice.objects.filter(question=question)[0]
    browser = Browser(checks_csrf=True)
    fields = form_of(browser.get(f"/{question.pk}/"))

    for _ in range(2):
        browser.post(f"/{question.pk}/vote/", {**fields, "choice": choice.pk})

    choice.refresh_from_db()
    assert choice.votes == 1
    assert "Thank you" in browser.get(f"/{question.pk}/").content.decode()
    assert "Thank you" not in browser.get(f"/{question.pk}/").content.decode()


def test_the_system_checks_are_content() -> None:
    """Django's checks: the stock admin finds a session middleware (admin.E410), and ours finds no fault."""
    said = io.StringIO()

    call_command("check", stdout=said, stderr=said)

    assert "no issues" in said.getvalue()


@pytest.mark.parametrize("every", [False, True])
def test_dumpdata_finds_no_table_missing(every: bool) -> None:
    """Django's own commands work unchanged: ``dumpdata`` looks at every model, also at ours, which has no table."""
    said = io.StringIO()

    call_command("dumpdata", stdout=said, use_base_manager=every)

    assert "coatcheck.session" not in {row["model"] for row in json.loads(said.getvalue())}


# --- the page of sessions


def test_the_list_shows_a_users_devices() -> None:
    """ASVS 7.5.2: an administrator finds a user's sessions by name: device, times, carrier; never a secret."""
    browser, _ = administrator()
    user, device = new_user(), Browser()
    device.post(
        "/accounts/login/",
        {"username": user.get_username(), "password": "secret"},
        HTTP_USER_AGENT="Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0",
        REMOTE_ADDR="192.0.2.7",
    )

    page = browser.get(LIST, {"user": user.get_username()}).content.decode()

    assert live(user)[0].device.name in page
    assert "192.0.2.7" in page
    assert ">cookie<" in page
    assert (device.ticket or "?").partition(".")[2] not in page
    everybody = browser.get(LIST).content.decode()
    assert user.get_username() in everybody
    assert "(this one)" in everybody
    assert "There is no such user" in browser.get(LIST, {"user": "nobody here"}).content.decode()
    assert "Sessions" in browser.get("/admin/").content.decode()


def test_a_session_is_ended_after_a_question() -> None:
    """ASVS 7.4.5: ending asks first, ends at once, and is kept in the admin's log by the public id."""
    browser, admin = administrator()
    user, device = new_user(), Browser()
    device.sign_in(user)
    [info] = live(user)
    token = {"csrfmiddlewaretoken": form_of(browser.get("/admin/"))["csrfmiddlewaretoken"]}

    question = browser.post(f"{LIST}end/", {**token, "id": info.id})
    assert user.get_username() in question.content.decode()
    assert len(live(user)) == 1
    done = browser.post(f"{LIST}end/", {**form_of(question), "id": info.id, "confirmed": "yes"})

    assert done.headers["Location"] == LIST
    assert "1 session was ended" in browser.get(LIST).content.decode()
    assert device.get("/mine/").status_code == 302
    entry: Any = LogEntry.objects.get(object_id=info.id)
    assert (entry.user_id, entry.action_flag) == (admin.pk, 3)


@pytest.mark.parametrize("missing", ["token", "post", "permission"])
def test_nothing_is_ended_without(missing: str) -> None:
    """CS-1, ASVS 8.2.1: no session ends by a GET, without Django's token, or for who may only look."""
    browser, _ = administrator(*(["view_session"] if missing == "permission" else []))
    user = new_user()
    Browser().sign_in(user)
    token = {"csrfmiddlewaretoken": form_of(browser.get(LIST))["csrfmiddlewaretoken"]}
    fields = {**token, "id": live(user)[0].id, "confirmed": "yes"}

    if missing == "post":
        browser.get(f"{LIST}end/", fields)
    elif missing == "token":
        assert browser.post(f"{LIST}end/", {**fields, "csrfmiddlewaretoken": ""}).status_code == 403
    else:
        assert browser.post(f"{LIST}end/", fields).status_code == 403
        assert 'name="id"' not in browser.get(LIST).content.decode()

    assert len(live(user)) == 1


def test_the_page_asks_for_permission() -> None:
    """ASVS 8.2.1: staff without ``view_session`` do not see whose devices there are."""
    browser, _ = administrator("add_question")

    assert browser.get(LIST).status_code == 403
    assert "coatcheck/session" not in browser.get("/admin/").content.decode()


# --- the command


def said_by(*words: str) -> str:
    """Return what ``manage.py coatcheck`` says."""
    out = io.StringIO()
    call_command("coatcheck", *words, stdout=out)
    return out.getvalue()


def test_the_command_lists_and_ends() -> None:
    """S-41: sessions are listed, ended one by one and all at once from the command line, by username or by id."""
    user, kept = new_user(), Browser()
    Browser().sign_in(user)
    kept.sign_in(user)
    name, key = user.get_username(), str(user.pk)
    first, second = (json.loads(line)["id"] for line in said_by("list", name, "--json").splitlines())
    assert said_by("list", key).count("\n") == 2

    assert "Ended." in said_by("revoke", second)
    with pytest.raises(CommandError, match="no live session"):
        call_command("coatcheck", "revoke", second)
    assert "revoked" in said_by("list", name, "--ended")
    assert "Ended 0 sessions" in said_by("revoke-user", name, "--noinput", "--keep", first)
    assert "Ended 1 sessions" in said_by("revoke-user", key, "--by-id", "--noinput")
    assert kept.get("/mine/").status_code == 302
    with pytest.raises(CommandError, match="no user"):
        call_command("coatcheck", "list", "nobody here")


def test_the_command_asks_before_it_ends_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """S-41: without ``--noinput`` all of a user's sessions are ended only after a yes."""
    user = new_user()
    Browser().sign_in(user)
    for answer, left in (("n", 1), ("y", 0)):
        monkeypatch.setattr("builtins.input", lambda _, answer=answer: answer)
        try:
            said_by("revoke-user", user.get_username())
        except CommandError:
            assert answer == "n"
        assert len(live(user)) == left


def test_the_command_says_how_things_stand() -> None:
    """S-41: how many sessions live, what the policy comes to, and a sweep."""
    assert int(said_by("count")) == get_sessions().count()
    assert "30 days" in said_by("policy")
    assert "Removed" in said_by("sweep")
