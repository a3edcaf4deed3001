"""The rivals in the order of the table, each by where it is."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from tests.web.grid.rivals_facade import RivalSite

RIVALS: Final = {
    "Starlette's signed cookies": "rivals_starlette.StarletteCookies",
    "starsessions": "rivals_starlette.Starsessions",
    "Litestar's server-side sessions": "rivals_litestar.LitestarServerSide",
    "Flask's signed cookies": "rivals_flask.FlaskCookies",
    "Flask-Session": "rivals_flask.FlaskSession",
    "Django's database sessions": "rivals_django.DjangoDatabase",
    "Django's signed cookies": "rivals_django.DjangoCookies",
}


def rival(name: str) -> type[RivalSite]:
    """Return a rival's site."""
    module, _, kind = RIVALS[name].partition(".")
    found: type[RivalSite] = getattr(import_module(f"tests.web.grid.{module}"), kind)
    return found
