"""Django's keys in the data and the session's owner say the same, whoever writes or removes them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web._django import Browser, get_sessions, live, new_user
from tests.web.test_django import signed_in


@pytest.mark.parametrize(
    "act",
    [{"do": "clear", "then": "{}"}, {"do": "unset", "key": "_auth_user_id"}, {"do": "clear_and_cycle"}],
    ids=["clear", "unset", "cycle_key"],
)
def test_removing_djangos_key_is_a_sign_out(act: dict[str, Any]) -> None:
    """Promise 2: ``request.session.clear()`` signs out of Django, so the user's session and its ticket end with it."""
    browser, user = signed_in()
    copied = Browser()
    copied.ticket = browser.ticket or ""

    browser.act(**act)

    assert live(user) == []
    assert browser.ticket is None
    assert copied.get("/mine/").status_code == 302
    assert copied.act("key") is None


def test_what_is_written_after_clear_is_a_visitors() -> None:
    """CS-16: a message for the next page is kept, under another id; what the user had stored is not."""
    browser, user = signed_in()
    browser.act("set", key="cart", value="[1]")
    before = browser.act("key")

    browser.act("clear", then='{"bye": true}')

    assert browser.act("all") == {"bye": True}
    assert browser.act("key") not in (None, before)
    assert live(user) == []


def test_a_client_may_clear_its_session_and_save() -> None:
    """Issue 5, section 1: suites end a session by ``client.session``, cleared and saved."""
    browser, user = signed_in()
    browser.client.cookies["sessionid"] = browser.ticket or ""
    session = browser.client.session

    session.clear()
    session.save()

    assert live(user) == []
    assert browser.get("/mine/").status_code == 302


def test_a_visitors_session_survives_clear() -> None:
    """Django's own rule: clearing removes the keys, and keeps the session of whoever was not signed in."""
    browser = Browser()
    browser.act("set", key="cart", value="[1]")
    before = browser.act("key")

    browser.act("clear", then='{"seen": 1}')

    assert (browser.act("key"), browser.act("all")) == (before, {"seen": 1})


@pytest.mark.parametrize("do", ["clear_and_login", "forge"])
def test_another_user_is_signed_in_after_djangos_key_was_removed(do: str) -> None:
    """CS-16: who signs in over another user's session is signed in in Django's words too, and finds nothing there."""
    browser, first = signed_in()
    browser.act("set", key="cart", value="[1]")
    user = new_user()

    browser.act(do, user=user.get_username())

    said = browser.get("/mine/").json()
    assert (said["django"], said["user_id"]) == (user.get_username(), str(user.pk))
    assert "cart" not in browser.act("all")
    assert (len(live(first)), len(live(user))) == (0, 1)


def test_a_sign_in_over_another_user_holds_whole() -> None:
    """Section 4 of the design: what fails after ``login()`` takes nothing of it back, Django's keys neither."""
    browser, _ = signed_in()
    user = new_user()

    assert browser.act("login_and_fail", user=user.get_username()).status_code == 500

    assert browser.get("/mine/").json()["django"] == user.get_username()


def test_an_expiry_before_the_sign_in_comes_along() -> None:
    """Issue 5, section 1: ``set_expiry`` before ``login()`` holds, also over another user's session."""
    browser, _ = signed_in()
    user = new_user()

    browser.act("clear_and_login", user=user.get_username(), expiry="300")

    assert 290 < browser.get("/mine/").json()["age"] <= 300


def test_coatchecks_own_sign_in_needs_no_keys_of_djangos() -> None:
    """Issue 5, section 1: a session that never had Django's key does not end for want of it."""
    session: Any = Browser().client.session
    session.typed.login("nobody-of-djangos")

    session["cart"] = [1]
    session.save()

    assert [info.user_id for info in get_sessions().list("nobody-of-djangos")] == ["nobody-of-djangos"]
