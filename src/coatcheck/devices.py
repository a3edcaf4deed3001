"""A browser's name for people. The raw user agent is read here and kept nowhere.

With the ``devices`` extra the names come from ua-parser's maintained rules; without it they stay unknown.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from typing import Protocol

_LONGEST = 1024
"""Characters of a user agent that are looked at; the rest cannot name a browser and costs time."""


_CALLED = {"Mac OS X": "macOS"}
"""Systems that are called otherwise today than in the rules."""


class Describe(Protocol):
    """Names the browser and the system behind a user agent, ``None`` for what is not recognised."""

    def __call__(self, user_agent: str, /) -> tuple[str | None, str | None]:
        """Return ``(browser, system)``, such as ``("Firefox 153", "Linux")``."""
        ...


def describer() -> Describe:
    """Return the best describer that is installed."""
    return _with_ua_parser if importlib.util.find_spec("ua_parser") else _unknown


def _unknown(_user_agent: str, /) -> tuple[str | None, str | None]:
    return None, None


@lru_cache(maxsize=512)
def _named(user_agent: str) -> tuple[str | None, str | None]:
    from ua_parser import parse

    found = parse(user_agent)
    browser = system = None
    if found.user_agent is not None and found.user_agent.family != "Other":
        family, major = found.user_agent.family, found.user_agent.major
        browser = f"{family.removeprefix('Headless')} {major}" if major else family
    if found.os is not None and found.os.family != "Other":
        system = _CALLED.get(found.os.family, found.os.family)
    return browser, system


def _with_ua_parser(user_agent: str, /) -> tuple[str | None, str | None]:
    return _named(user_agent[:_LONGEST])
