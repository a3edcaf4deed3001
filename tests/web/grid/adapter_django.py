"""Django: ``request.session`` with Django's own API, in sync views over WSGI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import override_settings
from django.urls import path as route

from coatcheck.runtime import finish
from coatcheck.web.django import session_of
from tests.web import _django as project  # sets Django up
from tests.web.grid.deeds import DEEDS, Abort, Backstage, Call, Deed, Pieces, Redirect, Reply
from tests.web.grid.replies import body_of, pieces_in_thread
from tests.web.grid.site import OurSite

assert project.settings.configured

name, blocks, wsgi = "Django", True, True
cookie, public_cookie = "sessionid", "__Host-sessionid"


class Session(MutableMapping[str, Any]):
    """Data by Django's words, signing in by coatcheck's: ``django.contrib.auth`` has tests of its own."""

    def __init__(self, request: HttpRequest) -> None:
        """Show the session of *request*."""
        self._data: Any = request.session
        self._request = request

    def __getattr__(self, name: str) -> Any:
        """Return what coatcheck's session has."""
        return getattr(session_of(self._request), name)

    def __getitem__(self, key: str) -> Any:
        """Return a value."""
        return self._data[key]

    def __setitem__(self, key: str, value: Any) -> None:
        """Assign."""
        self._data[key] = value

    def __delitem__(self, key: str) -> None:
        """Remove."""
        del self._data[key]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys."""
        return iter(list(self._data.keys()))

    def __len__(self) -> int:
        """Count the keys."""
        return len(self._data.keys())


class Now:
    """The site whose turn it is: Django's routes belong to the process."""

    stage: Backstage


def build(site: OurSite, options: Mapping[str, Any]) -> Any:
    """Return the application."""
    configure(site, options, __name__)
    return WSGIHandler()


def configure(site: OurSite, options: Mapping[str, Any], urls: str) -> None:
    """Give Django the settings of *site* for as long as it is open."""
    Now.stage = site
    given = {"SESSIONS": site.manager, **{option.upper(): value for option, value in options.items()}}
    settings = override_settings(
        ALLOWED_HOSTS=["*"],
        COATCHECK=given,
        MIDDLEWARE=["coatcheck.web.django.SessionMiddleware"],
        ROOT_URLCONF=urls,
    )
    settings.enable()
    site.at_the_end.callback(settings.disable)


def respond(reply: Reply) -> HttpResponseBase:
    """Say a reply in Django's words."""
    if isinstance(reply, Abort):
        return HttpResponse(status=reply.status)
    if isinstance(reply, Redirect):
        response: HttpResponse = HttpResponseRedirect(reply.to)
        response.status_code = 303
        return response
    if isinstance(reply, Pieces):
        return StreamingHttpResponse(pieces_in_thread(reply))
    response = HttpResponse(body_of(reply), status=reply.status, content_type="application/json")
    for header, value in reply.headers:
        if header == "set-cookie":
            response.set_cookie(value.partition("=")[0], value.partition("=")[2].partition(";")[0])
        else:
            response[header] = value
    return response


def _view(deed: Deed, methods: tuple[str, ...]) -> Any:
    def view(request: HttpRequest) -> HttpResponseBase:
        if request.method not in (*methods, "HEAD"):
            return HttpResponse(status=405)
        reply: Reply = finish(deed(Call(Session(request), request.GET.dict(), Now.stage)))
        return respond(reply)

    return view


urlpatterns = [route(path.strip("/"), _view(deed, methods)) for path, (methods, deed) in DEEDS.items()]
