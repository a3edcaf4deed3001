"""Sign-in at another site that answers by a form, under Django: this browser's, once, and without Django's token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from coatcheck.web.csrf import Callback, Csrf
from coatcheck.web.django import session_of
from tests.web._django import LOCAL, User, live, new_user

CALLBACKS = [Callback("/answer/", begin="/begin/"), Callback("/exempt/", begin="/begin/")]
EVIL: dict[str, Any] = {"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_ORIGIN": "https://idp.example"}


def begin(request: HttpRequest) -> HttpResponse:
    """Send the browser away, remembering why."""
    request.session["state"] = "kept"
    return HttpResponse("go")


def answer(request: HttpRequest) -> HttpResponse:
    """Take the answer: what was remembered, and who it names."""
    told = str(request.session.get("state"))
    login(request, User.objects.get(username=request.POST["user"]), "django.contrib.auth.backends.ModelBackend")
    return HttpResponse(told)


def who(request: HttpRequest) -> HttpResponse:
    """Tell who is signed in."""
    return HttpResponse(str(session_of(request).user_id))


urlpatterns = [
    path("begin/", begin),
    path("answer/", answer),
    path("exempt/", csrf_exempt(answer)),
    path("plain/", csrf_exempt(answer)),
    path("who/", who),
]


@pytest.fixture
def browser() -> Iterator[Client]:
    """Give a browser of pages with Django's CSRF middleware behind coatcheck's."""
    with override_settings(
        COATCHECK={"STORE": "memory://", "CSRF": Csrf(callbacks=CALLBACKS)},
        ROOT_URLCONF=__name__,
        MIDDLEWARE=[
            "coatcheck.web.django.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
    ):
        yield Client(enforce_csrf_checks=True, **LOCAL)  # type: ignore[arg-type] # keywords of the environment


@pytest.mark.parametrize("where", ["/answer/", "/exempt/"])
def test_the_answer_finds_what_was_begun_in_this_browser(browser: Client, where: str) -> None:
    """10.1.2, CS-16: a callback gets what this browser began, once, without Django's token, ``csrf_exempt`` or not."""
    user = new_user()
    browser.get("/begin/")

    taken = browser.post(where, {"user": user.get_username()}, **EVIL)

    assert (taken.status_code, taken.content) == (200, b"kept")
    assert browser.get("/who/").content == str(user.pk).encode()
    assert browser.post(where, {"user": user.get_username()}, **EVIL).status_code == 400


@pytest.mark.parametrize("where", ["/answer/", "/exempt/"])
def test_an_answer_that_nobody_waits_for_reaches_no_view(browser: Client, where: str) -> None:
    """CS-16: another site cannot sign this browser in by an answer that it never asked for."""
    user = new_user()

    assert browser.post(where, {"user": user.get_username()}, **EVIL).status_code == 400
    assert live(user) == []


def test_what_is_exempt_and_no_callback_is_judged_by_nobody(browser: Client) -> None:
    """CS-12: ``csrf_exempt`` alone means what it means in Django."""
    user = new_user()

    assert browser.post("/plain/", {"user": user.get_username()}, **EVIL).content == b"None"
