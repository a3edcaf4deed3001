"""Django's sessions with its own sign-in: database on SQLite, cache on Redis, or signed cookies.

A user's sessions are ended by changing the password, which is Django's way: every session carries a hash of it.
"""

# pyright: basic
# mypy: disable-error-code="import-untyped"
# (Django has no types of its own)

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec

from torture.rivals.calling import WsgiCaller
from torture.rivals.wire import Body

_ENGINES = {"db": "db", "cache": "cache", "signed_cookies": "signed_cookies"}


def build(variant: str, url: str) -> WsgiCaller:
    """Build it; *url* names the Redis, if any, and, after a space, the database's file."""
    redis_url, _, file = url.rpartition(" ")
    _configure(variant, redis_url, Path(file))
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application

    app: Any = get_wsgi_application()
    call_command("migrate", verbosity=0)
    return WsgiCaller(app)


def _configure(variant: str, redis_url: str, file: Path) -> None:
    from django.conf import settings

    cache = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    if redis_url:
        cache = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": redis_url}
    # What Django's documentation says a busy SQLite wants.
    sqlite = {"timeout": 20, "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"}
    settings.configure(
        SECRET_KEY="a key for the torture alone",  # noqa: S106 - made up, and the same in both processes
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        SESSION_ENGINE=f"django.contrib.sessions.backends.{_ENGINES[variant]}",
        SESSION_COOKIE_SECURE=True,
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(file), "OPTIONS": sqlite}},
        CACHES={"default": cache},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        LOGGING_CONFIG=None,
        USE_TZ=True,
    )


def _answer(body: Body | None = None) -> Any:
    from django.http import HttpResponse

    return HttpResponse(msgspec.json.encode(body or Body()), content_type="application/json")


def _work(request: Any) -> None:
    time.sleep(int(request.GET.get("work", "0")) / 1000)


def _named(name: str) -> Any:
    from django.contrib.auth.models import User

    user, made = User.objects.get_or_create(username=name)
    if made:
        _change_password(user)
    return user


def _change_password(user: Any) -> None:
    user.set_password("the same again, with new salt")
    user.save()


def _read(request: Any) -> Any:
    user = request.user.username or None if request.user.is_authenticated else None
    data = {key: value for key, value in request.session.items() if key.startswith("k")}
    _work(request)
    return _answer(Body(user, data))


def _put(request: Any) -> Any:
    answer = _read(request)
    request.session[request.GET["key"]] = int(request.GET["value"])
    return answer


def _sign_in(request: Any) -> Any:
    from django.contrib.auth import login

    user = _named(request.GET["user"])
    body = Body(user.username, checked=time.monotonic_ns())
    _work(request)
    login(request, user)
    return _answer(body)


def _sign_out(request: Any) -> Any:
    from django.contrib.auth import logout

    logout(request)
    return _answer()


def _renew(request: Any) -> Any:
    request.session.cycle_key()
    return _answer()


def _end_user(request: Any) -> Any:
    _change_password(_named(request.GET["user"]))
    return _answer()


def __getattr__(name: str) -> Any:
    """Give Django's resolver its `urlpatterns`: Django must be configured before they can be made."""
    if name != "urlpatterns":
        raise AttributeError(name)
    from django.urls import path

    acts = {"read": _read, "set": _put, "in": _sign_in, "out": _sign_out, "renew": _renew, "end": _end_user}
    return [path(route, act) for route, act in acts.items()]
