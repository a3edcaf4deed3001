"""A browser's cookies: what an answer sets, deletes, and the header that the next request sends."""

from __future__ import annotations

from collections.abc import Iterable

_GONE = ("max-age=0", "expires=thu, 01 jan 1970")


def changes(set_cookies: Iterable[str]) -> dict[str, str | None]:
    """Return what Set-Cookie headers change: a value for each name, None for a deletion."""
    found: dict[str, str | None] = {}
    for header in set_cookies:
        pair, _, attributes = header.strip().partition(";")
        name, _, value = pair.partition("=")
        deleted = any(mark in attributes.lower() for mark in _GONE)
        found[name] = None if deleted else value
    return found


class Jar:
    """The session cookie of one browser, and whatever else the site sets beside it."""

    def __init__(self, name: str, ticket: str | None = None) -> None:
        """Begin with *ticket* under the session cookie's *name*, or with nothing."""
        self._name = name
        self._cookies: dict[str, str] = {} if ticket is None else {name: ticket}

    @property
    def ticket(self) -> str | None:
        """The session cookie's value."""
        return self._cookies.get(self._name)

    @property
    def header(self) -> str:
        """The Cookie header of the next request."""
        return "; ".join(f"{name}={value}" for name, value in self._cookies.items())

    def obey(self, changed: dict[str, str | None]) -> None:
        """Take over what an answer sets."""
        for name, value in changed.items():
            if value is None:
                self._cookies.pop(name, None)
            else:
                self._cookies[name] = value
