"""What existing Django suites and scripts do with sessions: test clients and ``SessionStore``, unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from importlib import import_module
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.test import AsyncClient, Client, RequestFactory, override_settings

from coatcheck.web.settings import test_hosts
from tests.web._django import get_sessions, live, new_user


def store(key: str | None = None) -> Any:
    """Make a ``SessionStore`` as Django's documentation does."""
    return import_module(settings.SESSION_ENGINE).SessionStore(key)


@pytest.fixture(params=["with coatcheck's plugin", "with Django's runner alone"])
def client(request: pytest.FixtureRequest) -> Generator[Client]:
    """Return Django's own test client, as it talks to its ``testserver``."""
    allowed = set(test_hosts)
    if "alone" in request.param:
        test_hosts.clear()
    yield Client()
    test_hosts.update(allowed)


@pytest.mark.parametrize("secure", [False, True])
def test_force_login(client: Client, secure: bool) -> None:
    """Existing suites: ``force_login`` signs in, on http and https, and the session is the user's."""
    user = new_user()

    client.force_login(user)

    seen = client.get("/mine/", secure=secure).json()
    assert (seen["django"], seen["user_id"]) == (user.get_username(), str(user.pk))
    assert len(live(user)) == 1


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("named", ["HTTP_HOST", "SERVER_NAME"])
@override_settings(ALLOWED_HOSTS=["shop.example.com"])
def test_a_client_may_name_any_host(named: str, secure: bool) -> None:
    """Existing suites: a site with several hosts has clients for each, on http and https."""
    extra: Any = {named: "shop.example.com"}
    user, client = new_user(), Client(**extra)
    client.force_login(user)
    assert client.get("/mine/", secure=secure).json()["django"] == user.get_username()
    client.logout()
    assert client.get("/mine/", secure=secure).status_code == 302


@override_settings(ALLOWED_HOSTS=["*"])
def test_an_async_client_needs_no_name_among_the_allowed() -> None:
    """Existing suites: Django's asynchronous client signs in where ``testserver`` is allowed like any other host."""
    user = new_user()

    async def use() -> Any:
        client = AsyncClient()
        await client.aforce_login(user)
        return (await client.get("/async/?do=who", secure=True)).json()["done"]

    assert asyncio.run(use()) == [user.get_username(), str(user.pk)]


def test_login_and_logout(client: Client) -> None:
    """Existing suites: ``login`` checks the password, ``logout`` ends the session on the server."""
    user = new_user()
    assert not client.login(username=user.get_username(), password="wrong")
    assert client.login(username=user.get_username(), password="secret")
    assert client.get("/mine/").status_code == 200

    client.logout()

    assert client.get("/mine/").status_code == 302
    assert live(user) == []


def test_the_session_of_a_client(client: Client) -> None:
    """Existing suites: what is put into ``client.session`` and saved is there in the next request, and back."""
    session = client.session
    session["a"] = 1
    session.save()

    assert client.post("/act/?do=get&key=a").json()["done"] == 1
    client.post("/act/?do=set&key=b&value=2")
    assert dict(client.session.items()) == {"a": 1, "b": 2}


@pytest.mark.parametrize("name", ["sessionid", "shop", "__Host-shop"])
def test_signing_in_by_a_form(client: Client, name: str) -> None:
    """Existing suites: after a sign-in by the form the client's cookie has the name that the setting says."""
    user = new_user()
    with override_settings(SESSION_COOKIE_NAME=name):
        response = Client().post("/accounts/login/", {"username": user.get_username(), "password": "secret"})
        assert response.cookies[name].value
        again = Client()
        again.post("/accounts/login/", {"username": user.get_username(), "password": "secret"}, secure=True)
        assert again.session["_auth_user_id"] == str(user.pk)


def test_sessions_out_of_views() -> None:
    """Django's documentation, "Using sessions out of views": make, find, change and end a session by its key."""
    session = store()
    session["last_login"] = 1376587691
    session.create()
    key = session.session_key
    assert isinstance(session, SessionBase)

    again = store(key)
    assert again["last_login"] == 1376587691
    again["more"] = [1]
    again.save()
    assert store(key)["more"] == [1]
    assert (store(key).exists(key), store().exists("unknown0")) == (True, False)
    again.delete()
    assert store(key).load() == {}
    assert not store().exists(key)


def test_managing_by_the_public_id() -> None:
    """ADR 0025: the public id opens a session for whoever manages it: read, change, end; the browser's ticket stays."""
    client, user = Client(), new_user()
    client.force_login(user)
    public = live(user)[0].id

    managed = store(public)
    managed["note"] = "from the office"
    managed.save()
    assert managed.session_key == public
    assert client.post("/act/?do=get&key=note").json()["done"] == "from the office"

    store(public).flush()
    assert client.get("/mine/").status_code == 302
    other = Client()
    other.force_login(user)
    store().delete(live(user)[0].id)
    assert other.get("/mine/").status_code == 302


def test_the_public_id_opens_nothing_in_a_cookie() -> None:
    """ADR 0025: what a request shows as its key is worth nothing to whoever reads it in a log."""
    client, user = Client(), new_user()
    client.force_login(user)

    thief = Client()
    thief.cookies[settings.SESSION_COOKIE_NAME] = live(user)[0].id

    assert thief.get("/mine/").status_code == 302


def test_a_key_that_opens_nothing_is_a_visitors() -> None:
    """Promise 1: an unknown key is not adopted: saving makes a session with another key."""
    session = store("abcdefghijklmnopqrstuvwxyz012345")
    assert (session.load(), session.session_key) == ({}, None)

    session["a"] = 1
    session.save()

    assert session.session_key != "abcdefghijklmnopqrstuvwxyz012345"
    assert get_sessions().load(session.session_key)["a"] == 1


def test_expired_sessions_are_swept_by_djangos_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Django's command: ``manage.py clearsessions`` sweeps."""
    from django.core.management import call_command

    swept: list[Any] = []
    store: Any = get_sessions().store
    real = store.sweep

    def seen(**terms: Any) -> Any:
        swept.append(terms)
        return real(**terms)

    monkeypatch.setattr(store, "sweep", seen)
    call_command("clearsessions")

    assert swept


def test_the_whole_api_of_djangos_sessions() -> None:
    """Django's API: every public word of ``SessionBase`` works on a session of ours."""
    session = store()
    session.set_test_cookie()
    assert session.test_cookie_worked()
    session.delete_test_cookie()
    session.update({"a": 1, "b": 2})
    assert session.setdefault("c", []) == []
    session["c"].append(3)
    assert (session.pop("a"), session.pop("a", None), session.has_key("b"), "c" in session) == (1, None, True, True)
    assert (sorted(session.keys()), sorted(session.items())) == (["b", "c"], [("b", 2), ("c", [3])])
    assert (session.modified, session.accessed, session.is_empty()) == (True, True, False)
    session.save()
    key = session.session_key
    session.cycle_key()
    assert session.session_key != key
    assert list(store(session.session_key).values()) == [2, [3]]
    session.clear()
    session.save()
    assert store(session.session_key).load() == {}
    session.flush()
    assert (session.session_key, session.is_empty()) == (None, True)


def test_every_word_of_djangos_api_is_ours_or_safe() -> None:
    """Django's API: a word that a newer Django adds to its sessions is noticed here before anybody misses it."""
    known = {name for name in dir(SessionBase) if not name.startswith("_")}
    stems = {"get", "set", "pop", "setdefault", "update", "has_key", "keys", "values", "items", "clear", "is_empty"}
    stems |= {"set_test_cookie", "test_cookie_worked", "delete_test_cookie", "set_expiry", "get_expiry_age"}
    stems |= {"get_expiry_date", "get_expire_at_browser_close", "get_session_cookie_age", "flush", "cycle_key"}
    stems |= {"exists", "create", "save", "delete", "load", "clear_expired", "encode", "decode", "key_salt"}
    stems |= {"session_key", "TEST_COOKIE_NAME", "TEST_COOKIE_VALUE"}

    assert known - stems - {f"a{stem}" for stem in stems} == set()


def test_a_request_made_by_hand() -> None:
    """Existing suites: a view called with ``RequestFactory`` and a ``SessionStore`` signs in and out."""
    from django.contrib.auth import login, logout

    user = new_user()
    request = RequestFactory().get("/")
    request.session = store()
    login(request, user)
    request.session.save()
    assert len(live(user)) == 1

    logout(request)

    assert live(user) == []
