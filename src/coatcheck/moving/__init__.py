"""Moving an application to coatcheck without signing anybody out: ``SessionMiddleware(moving=Moving(...))``.

For a stated time, the sessions of the library that was there before are taken over, each once. See
``docs/howto/moving.md`` and ``docs/decisions/0027-moving.md``. Nothing of that library is imported before it is used.
"""

from coatcheck.moving.django import DjangoSessions
from coatcheck.moving.flask import FlaskCookies, FlaskSessionRedis
from coatcheck.moving.legacy import Legacy, LegacyCookie, Source
from coatcheck.moving.options import Moving
from coatcheck.moving.starlette import StarletteCookies
from coatcheck.moving.starsessions import StarsessionsStore

__all__ = [
    "DjangoSessions",
    "FlaskCookies",
    "FlaskSessionRedis",
    "Legacy",
    "LegacyCookie",
    "Moving",
    "Source",
    "StarletteCookies",
    "StarsessionsStore",
]
