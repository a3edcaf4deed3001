"""What a Django request says of where it came from, and what its session cookie is called there."""

from __future__ import annotations

import copy
import dataclasses
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, Final

from django.conf import settings as django_settings
from django.http import HttpRequest
from msgspec import structs

from coatcheck.web.csrf import Csrf
from coatcheck.web.csrf_shield import Shield
from coatcheck.web.settings import Settings, Transport
from coatcheck.web.wsgi import scope_of

TEST_HOST: Final = "testserver"
"""The host that Django's test clients make up; Django allows it while tests run, and only then."""

TESTED: Final = "coatcheck.tested"
"""Where the scope says whether Django's test client made the request."""

_UNPREFIXED: Final = ("CONTENT_TYPE", "CONTENT_LENGTH")


class DjangoSettings(Settings):
    """The middleware's options, and what Django's test clients need: their cookie has one name wherever it goes."""

    def transport(self, scope: MutableMapping[str, Any], host: bytes, forwarded: bytes) -> Transport:
        """As `Settings.transport`; in a test the cookie is called as the test client calls it, on plain http too.

        Where a cookie may not travel, the remedy is in the words of Django's settings.
        """
        found = super().transport(scope, host, forwarded)
        if not (scope.get(TESTED) or _is_test_host(host)):
            return found if found.insecure is None else structs.replace(found, insecure=_remedy(found.place.host))
        if found.cookie is None:
            found = structs.replace(found, cookie=self._plain, aside=self._plain_aside, insecure=None)
        name: str = django_settings.SESSION_COOKIE_NAME
        return structs.replace(found, cookie=found.cookie and dataclasses.replace(found.cookie, name=name))

    def unshielded(self) -> DjangoSettings:
        """Return these settings for views that are ``csrf_exempt``: nothing is judged by where it came from.

        Another site's answer is judged by what began in this browser, exempt or not: a view that takes one may well be.
        """
        other, csrf = copy.copy(self), self.options.csrf
        vars(other)["shield"] = None
        if isinstance(csrf, Csrf) and csrf.callbacks:
            vars(other)["shield"] = Shield(csrf, frozenset(), own_tokens=False, callbacks_alone=True)
        return other


def scope_for(request: HttpRequest) -> dict[str, Any]:
    """Return what ASGI would say of *request*, believing what Django's own settings say of proxies.

    The path is the one that Django's resolver sees, whatever ``FORCE_SCRIPT_NAME`` or earlier middleware made of it.
    """
    native = getattr(request, "scope", None)
    scope = dict(native) if native is not None else scope_of(request.META)
    scope["scheme"] = request.scheme
    root: str = request.META.get("SCRIPT_NAME", "").rstrip("/")
    scope["root_path"], scope["path"] = root, root + request.path_info
    if isinstance(query := scope.get("query_string", b""), str):
        scope["query_string"] = query.encode("latin-1", "replace")  # Django's own asynchronous test client says text
    scope["headers"] = [*_with_host(request, scope["headers"])]
    scope[TESTED] = _is_of_a_test_client(request)
    return scope


def _remedy(host: str) -> str:
    return (
        f"a session over plain http to {host or 'an unnamed host'!r} could be read on the way. Serve https; behind a "
        "proxy that does, set SECURE_PROXY_SSL_HEADER, or name the proxy: COATCHECK = {'TRUSTED_PROXIES': [...]}; for "
        f"a network you trust write COATCHECK = {{'ALLOW_HTTP_HOSTS': [{host!r}]}}"
    )


def _is_of_a_test_client(request: HttpRequest) -> bool:
    """Whether Django's test client made the request, whatever host it names: no server has such a body to give."""
    tests = sys.modules.get("django.test.client")
    if tests is None:
        return False
    body: Any = request.META.get("wsgi.input", getattr(request, "_stream", None))
    inner = getattr(getattr(body, "_read", None), "__self__", body)  # Django's LimitedStream keeps no other reference
    return isinstance(inner, tests.FakePayload)


def _is_test_host(host: bytes) -> bool:
    return host.partition(b":")[0] == TEST_HOST.encode() and TEST_HOST in django_settings.ALLOWED_HOSTS


def _with_host(request: HttpRequest, headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
    """Give the headers with the host that Django goes by; a test client sends none."""
    host: str | None = request.META.get("HTTP_X_FORWARDED_HOST") if django_settings.USE_X_FORWARDED_HOST else None
    if host is None and "HTTP_HOST" not in request.META:
        host = request.META.get("SERVER_NAME", "")
    if host is None:
        return headers
    others = [(name, value) for name, value in headers if name != b"host"]
    return [*others, (b"host", host.encode("latin-1", "replace"))]


def rewrite(request: HttpRequest, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Let views see *headers* and no others: a gate has taken out what nobody but it may say.

    As Django has it, a name with an underscore is nobody's (``Remote_User`` must not become ``Remote-User``), and a
    header that repeats is one list.
    """
    meta: dict[str, Any] = request.META
    for key in [key for key in meta if key.startswith("HTTP_")]:
        del meta[key]
    for name, value in headers:
        key = f"HTTP_{name.decode('latin-1').upper().replace('-', '_')}"
        if b"_" not in name and key.removeprefix("HTTP_") not in _UNPREFIXED:
            before, text = meta.get(key), value.decode("latin-1")
            meta[key] = text if before is None else f"{before},{text}"
    vars(request).pop("headers", None)
