"""Flask's configuration: honoured, or refused at once with what to write (house rule; C-1 to C-9)."""

from __future__ import annotations

import importlib
import sys
from datetime import timedelta
from typing import Any

import flask
import pytest
from flask_session import Session  # type: ignore[import-untyped]  # it has no types
from flask_session.filesystem import FileSystemSessionInterface  # type: ignore[import-untyped]  # as above

from coatcheck import AsyncSessions, ConfigurationError, MissingExtra, Policy, Sessions
from coatcheck.web.flask import Coatcheck
from tests.web._flask_site import World


def cookie_of(config: dict[str, Any], base: str = "https://www.shop.example", **options: Any) -> str:
    """Return the Set-Cookie header of an application with this configuration."""
    return str(World(config=config, **options).browser().get("/put?a=1", base_url=base).headers["set-cookie"])


def faults_of(config: dict[str, Any], **options: Any) -> tuple[str, ...]:
    """Return what is refused when the extension is installed."""
    with pytest.raises(ConfigurationError) as caught:
        World(config=config, **options)
    return caught.value.faults


def test_the_default_is_safe() -> None:
    """Flask's defaults give coatcheck's cookie: __Host-, HttpOnly, Secure, SameSite=Lax (promise 10)."""
    text = cookie_of({})
    assert text.startswith("__Host-session=")
    for part in ("; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"):
        assert part in text
    assert "Domain" not in text


@pytest.mark.parametrize(
    ("config", "part"),
    [
        ({"SESSION_COOKIE_NAME": "shop"}, "shop="),
        ({"SESSION_COOKIE_SAMESITE": "Strict"}, "; SameSite=Strict"),
        ({"SESSION_COOKIE_SAMESITE": "None", "SESSION_COOKIE_PARTITIONED": True}, "; Partitioned"),
        ({"SESSION_COOKIE_NAME": "shop", "SESSION_COOKIE_DOMAIN": "shop.example"}, "; Domain=shop.example"),
        ({"SESSION_COOKIE_NAME": "shop", "SESSION_COOKIE_PATH": "/put"}, "; Path=/put"),
        ({"SESSION_COOKIE_SECURE": True, "SESSION_REFRESH_EACH_REQUEST": False}, "__Host-session="),
        ({"PERMANENT_SESSION_LIFETIME": timedelta(days=7)}, "__Host-session="),
        ({"SECRET_KEY": "unused"}, "__Host-session="),
    ],
)
def test_what_makes_sense_is_honoured(config: dict[str, Any], part: str) -> None:
    """The cookie is as Flask's configuration says."""
    assert part in cookie_of(config)


@pytest.mark.parametrize(
    ("config", "options", "remedy"),
    [
        ({"SESSION_COOKIE_HTTPONLY": False}, {}, "Remove it"),
        ({"SESSION_TYPE": "redis"}, {}, 'Sessions("redis://...")'),
        ({"PERMANENT_SESSION_LIFETIME": 3600}, {}, "Policy(idle_timeout=...)"),
        ({"REMEMBER_COOKIE_DURATION": timedelta(days=365)}, {}, "Policy(remember_absolute_timeout=...)"),
        ({"SESSION_COOKIE_NAME": "a"}, {"cookie_name": "b"}, "keep one"),
        ({"SESSION_COOKIE_DOMAIN": "shop.example"}, {}, "__Secure-"),
        ({"SESSION_COOKIE_PATH": "/app"}, {}, "__Host-"),
        ({"SESSION_COOKIE_SAMESITE": "sometimes"}, {}, "sometimes"),
    ],
)
def test_what_contradicts_is_refused(config: dict[str, Any], options: dict[str, Any], remedy: str) -> None:
    """What would not be kept is refused when the extension is installed, with its remedy."""
    assert any(remedy in fault for fault in faults_of(config, **options))


def test_all_faults_are_named_at_once() -> None:
    """The application's configuration and the options' own faults come together."""
    config = {"SESSION_COOKIE_HTTPONLY": False, "SESSION_TYPE": "redis", "PERMANENT_SESSION_LIFETIME": 60}
    assert len(faults_of(config, paths=["app"])) == 4


def test_configuration_after_the_extension_is_told() -> None:
    """A setting that is changed when it has been read is refused at the first request."""
    world = World(config={"TESTING": True})
    world.app.config["SESSION_COOKIE_NAME"] = "late"
    with pytest.raises(ConfigurationError, match="init_app"):
        world.browser().get("/plain")


def test_flask_session_beside_it_is_told(tmp_path: Any) -> None:
    """Flask-Session on the same application is refused, whichever of both comes first."""
    app = flask.Flask(__name__)
    app.config.update(SESSION_TYPE="filesystem", SESSION_FILE_DIR=str(tmp_path), TESTING=True)
    with pytest.warns(DeprecationWarning, match="[Ff]ile"):
        Session(app)
    with pytest.raises(ConfigurationError, match="FileSystemSessionInterface") as caught:
        Coatcheck(app, sessions=Sessions("memory://"))
    assert len(caught.value.faults) == 2

    world = World(config={"TESTING": True})
    with pytest.warns(DeprecationWarning, match="[Ff]ile"):
        world.app.session_interface = FileSystemSessionInterface(world.app, cache_dir=str(tmp_path))
    with pytest.raises(ConfigurationError, match="was replaced"):
        world.browser().get("/plain")


def test_it_is_installed_once() -> None:
    """Twice on one application is refused."""
    world = World()
    with pytest.raises(ConfigurationError, match="twice"):
        Coatcheck(world.app, sessions=world.sessions)


def test_it_wants_the_blocking_manager() -> None:
    """AsyncSessions is refused with the line to write."""
    with pytest.raises(ConfigurationError, match=r"Sessions\(url\)"):
        Coatcheck(sessions=AsyncSessions("memory://"))  # type: ignore[arg-type]


def test_without_flask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Flask is not installed the command that adds it is told (house rule)."""
    for name in [name for name in sys.modules if name.startswith("coatcheck.web.flask")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "flask", None)
    with pytest.raises(MissingExtra, match=r'pip install "coatcheck\[flask\]"'):
        importlib.import_module("coatcheck.web.flask")


def test_a_policy_with_the_same_lifetime_agrees() -> None:
    """PERMANENT_SESSION_LIFETIME may stay where the policy says the same."""
    World(config={"PERMANENT_SESSION_LIFETIME": timedelta(hours=1)}, policy=Policy(idle_timeout="1h"))
