"""The contenders, as data: which driver, over which store, in how many processes, and what the library offers."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

LIMIT: Final = 3
"""How many sessions one user may have, where a library knows a limit."""

StoreKind = Literal["none", "memory", "file", "folder", "redis", "valkey"]
Offer = Literal["anonymous", "renew", "end_user", "end_each", "limit"]

ALL: Final[frozenset[Offer]] = frozenset({"anonymous", "renew", "end_user", "end_each", "limit"})


class Contender(Struct, frozen=True):
    """One library over one store.

    Attributes:
        name: what the command line and the results call it.
        package: the distribution whose version counts.
        driver: the module in `torture.rivals.drivers`.
        variant: which of the driver's stores.
        store: what must be there: a file, a folder, a server, or nothing.
        offers: what the library can do; the rest is "not offered" and never judged.
        processes: how many worker processes share the store.
        users: whether the application needs a database of users beside the sessions' store.
        by_design: promises that no cookie can keep which holds the data itself: counted, and never called a violation.
        planted: a cookie of the right name and shape that the library never made.
        note: what a reader should know of the way it is driven.
    """

    name: str
    package: str
    driver: str
    variant: str
    store: StoreKind
    planted: str
    offers: frozenset[Offer] = frozenset({"anonymous"})
    processes: int = 2
    users: bool = False
    by_design: frozenset[int] = frozenset()
    note: str = ""


_STARSESSIONS: Final = "session=0123456789abcdef0123456789abcdef"
_FLASK: Final = "session=c29tZWJvZHktcGxhbnRlZC10aGlzLWlkLWhlcmUtMDA"
_DJANGO: Final = "sessionid=abcdefghijklmnopqrstuvwxyz012345"
_COATCHECK: Final = f"__Host-session=0abc{'A' * 22}.{'B' * 43}"
_RENEW: Final[frozenset[Offer]] = frozenset({"anonymous", "renew"})
_DJANGO_OFFERS: Final[frozenset[Offer]] = frozenset({"anonymous", "renew", "end_user"})
_COOKIES: Final = frozenset({2, 5})
_BY_CHANGE: Final = "A user's sessions are ended by a change of password, which is Django's way; no list, no limit."
_CRUDAUTH: Final = (
    "No visitor has a session, and there is no application data but a session's metadata, changed by modify_session. "
    "A user's sessions are ended as by its change of password: token_version grows, then revoke_all."
)
_SDK: Final = "HGETEX reads the data and renews its time to live in one command."

CONTENDERS: Final = (
    Contender("coatcheck-memory", "coatcheck", "coatcheck_site", "", "memory", _COATCHECK, ALL, 1),
    Contender("coatcheck-sqlite", "coatcheck", "coatcheck_site", "", "file", _COATCHECK, ALL),
    Contender("coatcheck-redis", "coatcheck", "coatcheck_site", "", "redis", _COATCHECK, ALL),
    Contender("starsessions-memory", "starsessions", "starsessions_site", "memory", "memory", _STARSESSIONS, _RENEW, 1),
    Contender("starsessions-redis", "starsessions", "starsessions_site", "redis", "redis", _STARSESSIONS, _RENEW),
    Contender("flask-session-redis", "Flask-Session", "flask_session_site", "redis", "redis", _FLASK, _RENEW),
    Contender("flask-session-files", "Flask-Session", "flask_session_site", "cachelib", "folder", _FLASK, _RENEW),
    Contender(
        "django-db", "Django", "django_site", "db", "file", _DJANGO,
        _DJANGO_OFFERS, users=True, note=_BY_CHANGE,
    ),
    Contender(
        "django-cache", "Django", "django_site", "cache", "redis", _DJANGO,
        _DJANGO_OFFERS, users=True, note=_BY_CHANGE,
    ),
    Contender(
        "django-signed-cookies", "Django", "django_site", "signed_cookies", "none", "sessionid=eyJrMSI6MX0:1abcde:AAAA",
        _DJANGO_OFFERS, users=True, by_design=_COOKIES, note=_BY_CHANGE,
    ),
    Contender(
        "fastapi-redis-sdk", "fastapi-redis-sdk", "redis_sdk_site", "", "valkey",
        "session=c29tZWJvZHktcGxhbnRlZC10aGlzLWlkLWhlcmUtMDA", ALL - {"limit"}, note=_SDK,
    ),
    Contender(
        "crudauth-memory", "crudauth", "crudauth_site", "memory", "memory",
        "session_id=0b5e2c1e-0000-4000-8000-000000000000", ALL - {"anonymous", "renew"}, 1, users=True, note=_CRUDAUTH,
    ),
    Contender(
        "crudauth-redis", "crudauth", "crudauth_site", "redis", "redis",
        "session_id=0b5e2c1e-0000-4000-8000-000000000000", ALL - {"anonymous", "renew"}, users=True, note=_CRUDAUTH,
    ),
    Contender(
        "starlette-cookie", "starlette", "signed_cookie", "", "none", "session=eyJrMSI6MX0=.aAAAAA.AAAA",
        by_design=_COOKIES,
    ),
)  # fmt: skip

BY_NAME: Final = {contender.name: contender for contender in CONTENDERS}
