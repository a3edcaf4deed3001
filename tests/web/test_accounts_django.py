"""Several accounts in one browser under Django: its own sign-in adds them, and ``request.user`` follows."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from django.test import override_settings

from coatcheck import ConfigurationError
from coatcheck.web.django import accounts_of
from tests.web._django import Browser, new_user
from tests.web.django_project import views


@pytest.fixture(autouse=True)
def _accounts() -> Generator[None]:
    with override_settings(COATCHECK={"STORE": "memory://", "ACCOUNTS": 3}):
        yield
    views.hooks.clear()


def during(browser: Browser, do: Any) -> Any:
    """Do something with the accounts of a request, and return what came of it."""
    done: list[Any] = []
    views.hooks["during"] = lambda request: done.append(do(request))
    browser.act("look")
    (result,) = done
    return result


def users(browser: Browser) -> dict[str, str]:
    """Return the sessions of the accounts that are listed."""
    return {row.user_id: row.session_id for row in during(browser, lambda request: accounts_of(request).list())}


def test_djangos_own_sign_in_adds_an_account() -> None:
    """Issue 5, section 4: parked, Django's own page signs the next user in; switching changes ``request.user``."""
    browser, ada, bob = Browser(), new_user(), new_user()
    browser.sign_in(ada)
    during(browser, lambda request: accounts_of(request).park())
    assert browser.ticket is None
    browser.sign_in(bob)
    assert browser.get("/mine/").json()["django"] == bob.get_username()
    known = users(browser)
    assert list(known) == [str(bob.pk), str(ada.pk)]

    during(browser, lambda request: accounts_of(request).switch(known[str(ada.pk)]))

    seen = browser.get("/mine/").json()
    assert (seen["django"], seen["user_id"]) == (ada.get_username(), str(ada.pk))
    during(browser, lambda request: accounts_of(request).sign_out_all())
    assert browser.ticket is None
    assert users(browser) == {}


def test_the_ticket_of_the_list_is_hidden() -> None:
    """Promise 7: Django's error pages and mails show ``request.COOKIES``; the list's ticket is not in there."""
    browser = Browser()
    browser.sign_in(new_user())
    during(browser, lambda request: accounts_of(request).park())
    assert "sessionid-accounts" in browser.client.cookies
    assert "sessionid-accounts" not in during(browser, lambda request: dict(request.COOKIES))


def test_without_the_setting_there_is_none() -> None:
    """Errors speak: a project that did not ask for accounts is told the setting to write."""
    with override_settings(COATCHECK={"STORE": "memory://"}):
        browser = Browser()

        def ask(request: Any) -> None:
            assert not hasattr(request, "accounts")
            with pytest.raises(ConfigurationError, match="ACCOUNTS"):
                accounts_of(request)

        during(browser, ask)
