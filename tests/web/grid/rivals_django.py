"""Rivals on Django: its database sessions and its signed cookies, with its own sign-in's way with tickets."""

from __future__ import annotations

import secrets
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.test import override_settings
from django.urls import path as route

from coatcheck.runtime import finish
from tests.web import _django as project  # sets Django up
from tests.web.grid.adapter_django import Now, respond
from tests.web.grid.deeds import DEEDS, Call, Deed
from tests.web.grid.rivals_facade import USER, Facade, RivalSite, attempt

assert project.settings.configured


class _DjangoSite(RivalSite):
    package, cookie, public_cookie = "Django", "sessionid", "sessionid"
    blocks = wsgi = True
    engine = ""

    def __init__(self, *, secure: bool = False) -> None:
        """Give Django the settings for as long as the site is open."""
        super().__init__(secure=secure)
        Now.stage = self
        self._settings = override_settings(
            ALLOWED_HOSTS=["*"],
            MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
            ROOT_URLCONF=__name__,
            SESSION_ENGINE=f"django.contrib.sessions.backends.{self.engine}",
            SESSION_COOKIE_SECURE=secure,
        )
        self._settings.enable()
        self.app = WSGIHandler()

    async def close(self) -> None:
        """Take the settings back."""
        self._settings.disable()


class DjangoDatabase(_DjangoSite):
    """Django's sessions in the database."""

    engine = "db"

    def planted(self) -> str:
        """Return a key of its own shape that it never made."""
        return secrets.token_hex(16)


class DjangoCookies(_DjangoSite):
    """Django's sessions in signed cookies."""

    engine = "signed_cookies"
    offers = frozenset({"plain_types"})

    def planted(self) -> str:
        """Return a cookie that another key signed."""
        return "eyJhIjoxfQ:1abcde:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


class _Cycling(Facade):
    """As ``django.contrib.auth`` does it: a sign-in cycles the key, one as somebody else flushes first."""

    def renew(self) -> None:
        self.inner.cycle_key()

    def rotate(self) -> Any:
        self.inner.cycle_key()

    def login(self, user_id: str, **options: Any) -> Any:
        if self.inner.get(USER, user_id) != user_id:
            self.inner.flush()
        super().login(user_id, **options)

    def logout(self) -> Any:
        self.inner.flush()


def _view(deed: Deed) -> Any:
    def view(request: HttpRequest) -> HttpResponseBase:
        call = Call(_Cycling(lambda: request.session), request.GET.dict(), Now.stage)
        return respond(finish(attempt(deed, call)))

    return non_atomic_requests(view)


urlpatterns = [route(path.strip("/"), _view(deed)) for path, (_, deed) in DEEDS.items()]
