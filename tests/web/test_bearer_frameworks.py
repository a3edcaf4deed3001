"""Bearer tokens and exchange tickets in Flask and in Django: the neutral exchange does it, and their layers agree."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Generator
from typing import Any

import pytest
from django.test import AsyncClient, override_settings

from coatcheck.web.entering import Entering
from coatcheck.web.flask import session_of
from tests.web._django import Browser, Choice, get_sessions, new_question, settings
from tests.web._flask_site import World

OTHER_SITE = {"HTTP_SEC_FETCH_SITE": "cross-site"}


def hidden(page: str) -> dict[str, str]:
    """Return the form of the page of an exchange ticket."""
    return {"csrf_token": re.findall('name="csrf_token" value="([^"]+)"', page)[0], "choice": "enter"}


def who() -> Any:
    """Answer with the user of a Flask session."""
    return str(session_of().user_id)


def test_flask_knows_a_token() -> None:
    """S-12: a token identifies a request of Flask's, whose answer is private and sets no cookie."""
    world = World(who, bearer=True)
    token = world.sessions.issue("ada").token
    answer = world.browser().post("/who", headers={"authorization": f"Bearer {token}", "sec-fetch-site": "cross-site"})
    assert (answer.text, answer.headers["vary"], "set-cookie" in answer.headers) == ("ada", "Authorization", False)


def test_flask_lets_somebody_in_by_a_ticket() -> None:
    """S-12: the page of exchange tickets is in front of Flask's routes."""
    world = World(who, entering=Entering())
    browser, token = world.browser(), world.sessions.issue_exchange("ada", next="/who").token
    hop = browser.get(f"/enter?sid={token}")
    assert (hop.status_code, hop.headers["location"]) == (303, "/enter")
    page = browser.get("/enter")
    done = browser.post("/enter", data=hidden(page.text), headers={"sec-fetch-site": "same-origin"})
    assert (done.status_code, done.headers["location"], browser.get("/who").text) == (303, "/who", "ada")


@pytest.fixture
def django() -> Generator[Browser]:
    """Return a browser on a Django project with both switched on, which is asked for CSRF tokens."""
    given = {**settings.COATCHECK, "STORE": "memory://", "BEARER": True, "ENTERING": Entering()}
    with override_settings(COATCHECK=given):
        yield Browser(checks_csrf=True)


def test_django_knows_a_token(django: Browser) -> None:
    """G-16, S-12: with a token Django asks for no token of its own; with a cookie it does, also beside a bad one."""
    token, question = get_sessions().issue("7").token, new_question("yes")
    vote = {"choice": Choice.objects.get(question=question).pk}
    bearing = {"HTTP_AUTHORIZATION": f"Bearer {token}"}
    answer = django.post(f"/{question.pk}/vote/", vote, **bearing, **OTHER_SITE)
    assert (answer.status_code, "sessionid" in answer.cookies) == (302, False)
    assert django.post(f"/{question.pk}/vote/", vote, **bearing).status_code == 302
    assert django.post(f"/{question.pk}/vote/", vote, **OTHER_SITE).status_code == 403
    assert django.post(f"/{question.pk}/vote/", vote).status_code == 403  # Django's own token is missing


def test_django_lets_somebody_in_by_a_ticket(django: Browser) -> None:
    """S-12: the page of exchange tickets is in front of Django's views, and has its own CSRF token."""
    token = get_sessions().issue_exchange("7").token
    assert django.get(f"/enter?sid={token}")["Location"] == "/enter"
    done = django.post("/enter", hidden(django.get("/enter").content.decode()))
    assert (done.status_code, done["Location"]) == (303, "/")
    (info,) = get_sessions().list("7")
    assert django.ticket is not None
    assert django.ticket.startswith(info.id)


def test_the_ticket_is_looked_up_off_the_event_loop(django: Browser) -> None:
    """Promise 13: an asynchronous Django asks a blocking store in a thread for this page too."""
    threads: list[str] = []

    async def story() -> int:
        client: Any = AsyncClient(headers={"host": "localhost"})
        client.cookies["enter"] = token
        return int((await client.get("/enter")).status_code)

    def name_of(user_id: str) -> str:
        import threading

        threads.append(threading.current_thread().name)
        return user_id

    with override_settings(COATCHECK={**settings.COATCHECK, "ENTERING": Entering(name_of=name_of)}):
        token = get_sessions().issue_exchange("7").token
        assert asyncio.run(story()) == 200
    assert "MainThread" not in threads
