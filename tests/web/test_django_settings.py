"""What Django's settings say of sessions: honoured, or refused with a remedy; and how long sessions last."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import global_settings, settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, override_settings

from coatcheck import Policy, Sessions
from coatcheck.errors import ConfigurationError, InsecureTransport
from coatcheck.web.django import SessionMiddleware, roles_of
from coatcheck.web.django.configuration import read
from coatcheck.web.gate import Gate, Rule
from tests.web._django import Browser, get_sessions, live, new_user


def with_settings(**changed: Any) -> Any:
    """Return Django's defaults with what the how-to names, and these changes."""
    defaults = {name: getattr(global_settings, name) for name in dir(global_settings) if name.isupper()}
    ours = {
        "SESSION_ENGINE": "coatcheck.web.django.sessions",
        "MIDDLEWARE": ["coatcheck.web.django.SessionMiddleware"],
        "COATCHECK": {"STORE": "memory://"},
    }
    return SimpleNamespace(**{**defaults, **ours, **changed})


def faults(**changed: Any) -> str:
    """Return what is refused."""
    with pytest.raises(ConfigurationError) as caught:
        read(with_settings(**changed))
    return "\n".join(caught.value.faults)


# --- refused


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"SESSION_ENGINE": "django.contrib.sessions.backends.db"}, "SESSION_ENGINE"),
        ({"MIDDLEWARE": ["django.contrib.sessions.middleware.SessionMiddleware"]}, "in its place"),
        ({"MIDDLEWARE": ["coatcheck.web.django.SessionMiddleware"] * 2}, "2 times"),
        (
            {
                "MIDDLEWARE": [
                    "django.contrib.auth.middleware.AuthenticationMiddleware",
                    "coatcheck.web.django.middleware.SessionMiddleware",
                ]
            },
            "put it after",
        ),
        ({"SESSION_COOKIE_HTTPONLY": False}, "SESSION_COOKIE_HTTPONLY"),
        ({"SESSION_COOKIE_SAMESITE": False}, "SESSION_COOKIE_SAMESITE"),
        ({"SESSION_COOKIE_DOMAIN": "localhost"}, "domain"),
        ({"SESSION_COOKIE_NAME": "__Host-shop", "SESSION_COOKIE_PATH": "/shop"}, "path"),
        ({"CSRF_TRUSTED_ORIGINS": ["shop.example.com"]}, "shop.example.com"),
        ({"COATCHECK": "sqlite:///sessions.db"}, "COATCHECK is a str"),
        ({"COATCHECK": {"STOR": "memory://"}}, "did you mean 'STORE'"),
        ({"COATCHECK": {"STORE": "mysql://"}}, "mysql"),
        ({"COATCHECK": {"STORE": "memory://", "POLICY": "30m"}}, "cannot be imported"),
        ({"COATCHECK": {"STORE": "memory://", "POLICY": 30}}, "POLICY"),
        ({"COATCHECK": {"STORE": "memory://", "ROLES": 5}}, "ROLES"),
        ({"COATCHECK": {"STORE": "memory://", "SESSIONS": Sessions("memory://")}}, "SESSIONS and STORE"),
        ({"COATCHECK": {"SESSIONS": 1}}, "coatcheck.Sessions(...)"),
        ({"COATCHECK": {"STORE": "memory://", "COOKIE_NAME": "shop"}}, "SESSION_COOKIE_NAME"),
        (
            {"COATCHECK": {"STORE": "memory://", "SAME_SITE": "strict"}, "SESSION_COOKIE_SAMESITE": "None"},
            "different things",
        ),
        (
            {"COATCHECK": {"STORE": "memory://", "POLICY": Policy()}, "SESSION_COOKIE_AGE": 60},
            "SESSION_COOKIE_AGE is 60",
        ),
        (
            {"COATCHECK": {"STORE": "memory://", "POLICY": Policy()}, "SESSION_EXPIRE_AT_BROWSER_CLOSE": True},
            "persistent=False",
        ),
    ],
)
def test_what_is_refused(changed: dict[str, Any], said: str) -> None:
    """ASVS 7.1.2: a setting that weakens sessions, or contradicts another, is refused with what to write instead."""
    assert said in faults(**changed)


def test_all_faults_come_at_once() -> None:
    """House rule: everything that is wrong is said at once, by the check and by the middleware."""
    with override_settings(SESSION_COOKIE_HTTPONLY=False, COATCHECK={"STOR": 1, "SAME_SITE": "sideways"}):
        found = [each.msg for each in checks.run_checks(tags=[checks.Tags.security]) if each.id == "coatcheck.E001"]
        with pytest.raises(ImproperlyConfigured) as caught:
            SessionMiddleware(lambda request: None)

    assert len(found) == 3
    assert all(fault in str(caught.value) for fault in found)


def test_what_says_nothing_here_is_told() -> None:
    """Django's checks: a setting that has no effect any more is a warning."""
    with override_settings(SESSION_FILE_PATH="/tmp", SESSION_SERIALIZER="some.PickleSerializer"):  # noqa: S108 - a name
        found = {each.msg.partition(" ")[0] for each in checks.run_checks() if each.id == "coatcheck.W001"}

    assert found == {"SESSION_FILE_PATH", "SESSION_SERIALIZER"}


# --- honoured


def test_djangos_settings_are_honoured() -> None:
    """Issue 5, Django: name, domain, path, SameSite, age, browser close and trusted origins mean what they say."""
    setup = read(
        with_settings(
            SESSION_COOKIE_NAME="shop",
            SESSION_COOKIE_DOMAIN="example.com",
            SESSION_COOKIE_PATH="/shop",
            SESSION_COOKIE_SAMESITE="Strict",
            SESSION_COOKIE_AGE=40 * 86400,
            SESSION_EXPIRE_AT_BROWSER_CLOSE=True,
            CSRF_TRUSTED_ORIGINS=["https://app.example.com"],
            LOGIN_URL="/enter/",
        )
    )

    options, policy = setup.settings.options, setup.sessions.policy
    assert (options.cookie_name, options.domain, options.path) == ("__Secure-shop", "example.com", "/shop")
    assert (options.same_site, options.trusted_origins) == ("strict", ["https://app.example.com"])
    assert (options.sign_in_url, options.own_tokens) == ("/enter/", False)
    assert policy.span("default").idle == policy.span("default").absolute == 40 * 86400 * 1000
    assert not policy.persistent


def test_the_name_has_the_strictest_prefix_that_fits() -> None:
    """Promise 10: ``sessionid`` becomes ``__Host-sessionid`` on https; a name with a prefix is left as it is."""
    assert read(with_settings()).settings.options.cookie_name == "__Host-sessionid"
    assert read(with_settings(SESSION_COOKIE_NAME="__Host-a")).settings.options.cookie_name == "__Host-a"


def test_a_manager_of_ones_own() -> None:
    """Issue 5, Django: ``SESSIONS`` is a ready manager, ``ROLES`` a function of the user or its dotted path."""
    sessions = Sessions("memory://")
    assert read(with_settings(COATCHECK={"SESSIONS": sessions})).sessions is sessions

    with override_settings(COATCHECK={"STORE": "memory://", "ROLES": "tests.web.test_django_settings.shout"}):
        user = new_user()
        Client().force_login(user)
        assert live(user)[0].roles == (user.get_username().upper(),)
        assert roles_of(user) == (user.get_username().upper(),)


def shout(user: Any) -> list[str]:
    """Return a role that nobody would give."""
    return [user.get_username().upper()]


def test_one_manager_in_a_process() -> None:
    """Issue 5, Django: every caller has the same manager, until a test overrides the settings."""
    first = get_sessions()
    assert get_sessions() is first
    with override_settings(COATCHECK={"STORE": "memory://"}):
        assert get_sessions() is not first


# --- other sites: the origin layer is ours, the token layer is Django's


@pytest.mark.parametrize("path", ["/accounts/login/", "/mine/", "/1/vote/"])
def test_other_sites_are_refused(path: str) -> None:
    """CS-7, G-9: what says that it comes from another site is refused before a view sees it."""
    browser = Browser()
    browser.sign_in(new_user())

    for told in ({"HTTP_SEC_FETCH_SITE": "cross-site"}, {"HTTP_ORIGIN": "https://evil.example"}):
        response = browser.client.post(path, {"a": 1}, HTTP_HOST="localhost", **told)
        assert response.status_code == 403
        assert response.json()["code"] == "csrf_refused"


@pytest.mark.parametrize("in_session", [False, True])
def test_the_token_is_djangos(in_session: bool) -> None:
    """Issue 5, section 3: Django's token is asked for and is enough, in its cookie or in the session; never two."""
    with override_settings(CSRF_USE_SESSIONS=in_session):
        browser = Browser(checks_csrf=True)
        page = browser.get("/accounts/login/").content.decode()
        token = page.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
        fields = {"username": new_user().get_username(), "password": "secret"}
        silent = {"HTTP_HOST": "localhost"}

        assert browser.client.post("/accounts/login/", fields, **silent).status_code == 403
        sent = browser.client.post("/accounts/login/", {**fields, "csrfmiddlewaretoken": token}, **silent)

    assert sent.status_code == 302
    assert ("csrftoken" in browser.client.cookies) is not in_session


def test_exempt_views_are_exempt() -> None:
    """CS-6: ``csrf_exempt`` is Django's loud word, for webhooks and APIs that check by themselves: it holds here."""
    browser = Browser()

    response = browser.client.post("/act/?do=key", HTTP_HOST="localhost", HTTP_SEC_FETCH_SITE="cross-site")

    assert response.status_code == 200


def test_a_proxy_that_django_believes() -> None:
    """Ruling 6: behind ``SECURE_PROXY_SSL_HEADER`` a request is https for the cookie too."""
    user = new_user()
    with override_settings(SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https")):
        response = Browser().client.post(
            "/accounts/login/",
            {"username": user.get_username(), "password": "secret"},
            HTTP_HOST="example.com",
            HTTP_X_FORWARDED_PROTO="https",
            HTTP_SEC_FETCH_SITE="same-origin",
        )

    assert response.cookies["__Host-sessionid"]["secure"]


# --- how long a session lasts


@pytest.mark.parametrize(
    ("value", "persistent", "lifetime", "most"),
    [
        ("null", True, "default", 7 * 86400),
        ("0", False, "default", 7 * 86400),
        ("300", True, "default", 300),
        (str(14 * 86400), True, "remember_me", 14 * 86400),
        (str(400 * 86400), True, "remember_me", 30 * 86400),
    ],
)
def test_set_expiry_at_sign_in(value: str, persistent: bool, lifetime: str, most: int) -> None:
    """Ruling 2: ``set_expiry`` after ``login`` chooses cookie and lifetime; it never passes the policy."""
    browser, user = Browser(), new_user()

    browser.act("login", user=user.get_username(), expiry=value)

    seen = browser.get("/mine/").json()
    assert (seen["persistent"], seen["lifetime"], seen["close"]) == (persistent, lifetime, not persistent)
    assert most - 10 < seen["age"] <= most
    assert len(live(user)) == 1
    assert (browser.client.cookies["sessionid"]["max-age"] != "") is persistent


def test_an_expiry_is_enforced_on_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise 8: a session whose own expiry has come is over on the server; changing it begins the seconds anew."""
    browser, user = Browser(), new_user()
    browser.sign_in(user)
    browser.act("expiry", value="300")
    core = get_sessions()._core
    now = core.now

    monkeypatch.setattr(core, "now", lambda: now() + 200_000)
    assert browser.act("set", key="a", value="1") is None
    monkeypatch.setattr(core, "now", lambda: now() + 450_000)
    assert browser.get("/mine/").status_code == 200
    monkeypatch.setattr(core, "now", lambda: now() + 510_000)
    response = browser.get("/mine/")

    assert response.status_code == 302
    assert response.cookies["sessionid"]["max-age"] == "0"
    assert live(user) == []


def test_a_moment_is_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Django's API: an expiry that is a moment stays where it is, whatever is stored meanwhile."""
    from datetime import UTC, datetime, timedelta

    from coatcheck.web.django.sessions import SessionStore

    session = SessionStore()
    until = datetime.now(UTC) + timedelta(hours=1)
    session.set_expiry(until)
    session.save()
    session["a"] = 1
    session.save()

    assert abs(session.get_expiry_date() - until) < timedelta(seconds=1)
    assert session.get_expiry_age(modification=until - timedelta(seconds=60)) in (59, 60)
    session.set_expiry(timedelta(minutes=5))
    assert 290 < session.get_expiry_age() <= 300
    session.set_expiry(None)
    assert session.get_expiry_age() > 300
    assert settings.SESSION_COOKIE_AGE == global_settings.SESSION_COOKIE_AGE


def test_a_gate_stands_before_the_views() -> None:
    """G-9, S-54: the options of the other frameworks work as keys: a gate decides, and tells the views who it is."""
    gate = Gate([Rule("/act/", allow="public", identify=True)], default="signed_in", sign_in_url="/accounts/login/")
    with override_settings(COATCHECK={"STORE": "memory://", "GATE": gate}):
        browser, user = Browser(), new_user()
        refused = browser.get("/", HTTP_ACCEPT="text/html")
        assert (refused.status_code, refused.headers["Location"]) == (303, "/accounts/login/?next=/")
        browser.sign_in(user)
        assert browser.get("/").status_code == 200

        told = browser.post("/act/?do=headers", HTTP_X_USER_ID="forged").json()["done"]

    assert told == {"X-User-Id": str(user.pk)}


def test_a_store_in_memory_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """ADR 0011: it is out of place where others than this machine ask; here and in Django's test client it is not."""
    with override_settings(COATCHECK={"STORE": "memory://"}):
        Browser().get("/")
        Client().get("/", HTTP_HOST="example.com")
        assert caplog.messages == []
        browser = Browser(secure=True)
        browser.get("/")
        browser.get("/")
    assert [message.split(" ")[0] for message in caplog.messages] == ["memory://"]


def test_plain_http_is_refused_in_djangos_words() -> None:
    """Ruling 6: the remedy names settings that a Django project has."""
    browser = Browser()
    browser.client.raise_request_exception = True

    with pytest.raises(InsecureTransport, match=r"SECURE_PROXY_SSL_HEADER.*'ALLOW_HTTP_HOSTS': \['example.com'\]"):
        browser.post("/act/?do=set&key=a&value=1", HTTP_HOST="example.com")
