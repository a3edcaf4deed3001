"""Which cells the grid has: the frameworks, and the scenarios that are coatcheck's own affair there."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from tests.web.scenarios import Scenario

ADAPTERS: Final = ("asgi", "starlette", "fastapi", "litestar", "wsgi", "flask", "django", "django_async")

_LEFT_TO_OTHERS: Final = {"django": frozenset({"own_token"}), "django_async": frozenset({"own_token"})}
"""What a framework does itself: under Django the form token is that of its ``CsrfViewMiddleware``, never two."""


def adapter(framework: str) -> Any:
    """Return a framework's adapter, imported when it is wanted: Django is set up by its import."""
    return import_module(f"tests.web.grid.adapter_{framework}")


def applies(framework: str, scenario: Scenario) -> bool:
    """Whether a scenario is coatcheck's affair in a framework."""
    return not scenario.needs & _LEFT_TO_OTHERS.get(framework, frozenset())
