"""Django's database sessions are taken over: ``django.contrib.auth`` goes on, the row goes, a replay is nobody."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Generator
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.core import signing
from django.test import AsyncClient, Client, override_settings
from django.utils import timezone

from coatcheck import ConfigurationError, Policy, Sessions
from coatcheck.moving import DjangoSessions, Moving
from coatcheck.testing import CapturedEvents
from coatcheck.web.settings import Options, Settings
from tests.web._django import LOCAL, Group, get_sessions, live, new_user

Session: Any = import_module("django.contrib.sessions.models").Session  # once Django is set up

BEFORE = {
    "SESSION_ENGINE": "django.contrib.sessions.backends.db",
    "MIDDLEWARE": [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
}
ENGINES = pytest.mark.parametrize("engine", ["db", "cached_db"])
SITE: dict[str, Any] = {"HTTP_HOST": "example.com", "secure": True}


@pytest.fixture
def events() -> CapturedEvents:
    """Keep what is told."""
    return CapturedEvents()


@pytest.fixture(autouse=True)
def after(request: pytest.FixtureRequest, events: CapturedEvents) -> Generator[None]:
    """Let the project move the sessions it had."""
    engine = getattr(request.node, "callspec", None)
    name = engine.params.get("engine", "db") if engine else "db"
    moving = Moving(DjangoSessions(f"django.contrib.sessions.backends.{name}"), until="2099-12-31")
    sessions = Sessions("memory://", policy=Policy(keep_ended="1s"), listeners=[events])
    with override_settings(COATCHECK={"SESSIONS": sessions, "MOVING": moving}):
        yield


def credential(user: Any = None, engine: str = "db", **data: Any) -> str:
    """Let the project as it was begin a session, and return its cookie."""
    with override_settings(**{**BEFORE, "SESSION_ENGINE": f"django.contrib.sessions.backends.{engine}"}):
        client = Client()
        if user is not None:
            client.force_login(user)
        session = client.session
        session.update(data)
        session.save()
        return str(session.session_key)


def browser(key: str, kind: Any = Client) -> Any:
    """Open a browser that has this cookie."""
    client = kind(raise_request_exception=False)
    client.cookies["sessionid"] = key
    return client


@ENGINES
@pytest.mark.parametrize("where", [SITE, LOCAL], ids=["https", "http"])
def test_who_was_signed_in_still_is(engine: str, where: dict[str, Any]) -> None:
    """Issue 5.1: Django's user stays signed in with the roles of now, the row is gone, and a replay is nobody."""
    user = new_user(staff=True)
    user.groups.add(Group.objects.get_or_create(name="editors")[0])
    key = credential(user, engine, cart=["apple"])
    client = browser(key)

    seen = client.get("/mine/", **where).json()
    assert (seen["django"], seen["user_id"]) == (user.get_username(), str(user.pk))
    (info,) = live(user)
    assert info.roles == ("editors", "staff", "user")
    assert not Session.objects.filter(session_key=key).exists()
    assert client.get("/mine/", **where).json() == seen

    get_sessions().revoke_user(str(user.pk))
    for _ in range(2):
        assert browser(key).get("/mine/", **where).status_code == 302
        get_sessions().sweep()


def test_in_an_event_loop() -> None:
    """Issue 5.1: an asynchronous request moves a session in a thread, as it loads one."""
    user = new_user()
    key = credential(user)

    async def story() -> None:
        client = browser(key, AsyncClient)
        answer = await client.get("/mine/")
        assert (answer.status_code, answer.json()["user_id"]) == (200, str(user.pk))

    asyncio.run(story())


def test_the_deadline_is_the_rows() -> None:
    """Issue 5.1: expire_date is carried over, and what is past it is over."""
    user = new_user()
    soon, past = credential(user), credential(user)
    now = timezone.now()
    Session.objects.filter(session_key=soon).update(expire_date=now + timedelta(hours=1))
    Session.objects.filter(session_key=past).update(expire_date=now - timedelta(seconds=1))

    assert browser(soon).get("/mine/", **LOCAL).status_code == 200
    assert browser(past).get("/mine/", **LOCAL).status_code == 302

    (info,) = live(user)
    assert info.expires_at == int((now + timedelta(hours=1)).timestamp() * 1000)


def test_what_was_not_moved_is_revoked_too() -> None:
    """Promise 2: Django's sessions do not say when they began, so revoke_user refuses all that were not moved yet."""
    user, other = new_user(), new_user()
    key, others = credential(user), credential(other)
    get_sessions().revoke_user(str(user.pk))

    assert browser(key).get("/mine/", **LOCAL).status_code == 302
    assert browser(others).get("/mine/", **LOCAL).status_code == 200


def test_a_changed_password_counts_as_before() -> None:
    """Django's own rule: a session whose user has changed the password since is nobody's, also once it is moved."""
    user = new_user()
    key = credential(user)
    user.set_password("another")
    user.save()

    assert browser(key).get("/mine/", **LOCAL).status_code == 302


class Pickled:
    """Django's former PickleSerializer."""

    def dumps(self, obj: Any) -> bytes:
        """Pickle."""
        return pickle.dumps(obj)

    def loads(self, data: bytes) -> Any:
        """Unpickle, which must not happen."""
        raise AssertionError("pickle was loaded")


@override_settings(SESSION_SERIALIZER="tests.web.test_moving_django.Pickled")
def test_pickle_is_refused(events: CapturedEvents) -> None:
    """CVE-2021-33026: pickled sessions are never loaded, whatever SESSION_SERIALIZER says."""
    user, key = new_user(), "a" * 32
    salt = "django.contrib.sessions.SessionStore"
    data = signing.dumps({"_auth_user_id": str(user.pk)}, salt=salt, serializer=Pickled, compress=True)
    Session.objects.create(session_key=key, session_data=data, expire_date=timezone.now() + timedelta(days=1))

    assert browser(key).get("/mine/", **LOCAL).status_code == 302
    assert [event.details["why"] for event in events.only("moving.refused")] == ["unknown"]
    Session.objects.filter(session_key=key).delete()


@pytest.mark.parametrize("key", ["A" * 32, "a" * 31, "a" * 33, "../" + "a" * 29, "a" * 32])
def test_foreign_keys_are_nobody(key: str) -> None:
    """Promise 1: a key spelt as Django never spells it is not looked for, and one it does not know is nobody's."""
    before = Session.objects.count()

    assert browser(key).get("/mine/", **LOCAL).status_code == 302
    assert Session.objects.count() == before


@pytest.mark.parametrize(
    ("engine", "told"),
    [
        ("django.contrib.sessions.backends.file", "keeps no table"),
        ("django.contrib.sessions.backends.signed_cookies", "keeps no table"),
        ("no.such.engine", "is no session engine"),
    ],
)
def test_engines_that_cannot_be_moved_are_refused(engine: str, told: str) -> None:
    """G-1: an engine that does not say when its sessions end is refused when the settings are read."""
    with pytest.raises(ConfigurationError, match=told):
        Settings(Options(moving=Moving(DjangoSessions(engine), "2099-12-31")))
