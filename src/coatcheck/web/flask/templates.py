"""``session`` in templates, where ``session.user`` has always meant the key ``"user"``.

Jinja asks for an attribute first and for a key then. Flask's own session has few attributes; coatcheck's has more, and
an application's keys must not be hidden by them.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

from flask import has_request_context
from flask.sessions import SecureCookieSession

from coatcheck.web.flask.current import current
from coatcheck.web.flask.session import FlaskSession


class Shown(MutableMapping[str, Any]):
    """A session as templates see it: Flask's attributes first, then the keys, then coatcheck's attributes."""

    __slots__ = ("_session",)

    def __init__(self, session: FlaskSession) -> None:
        """Show *session*; that is no look."""
        self._session = session

    def __getattribute__(self, name: str) -> Any:
        """Return an attribute in the order of the class."""
        session: FlaskSession = object.__getattribute__(self, "_session")
        if name.startswith("_"):
            return object.__getattribute__(self, name)
        if hasattr(SecureCookieSession, name) or name not in session:
            return getattr(session, name)
        return session[name]

    def __getitem__(self, key: str) -> Any:
        """Return a key's value."""
        return self._session[key]

    def __setitem__(self, key: str, value: Any) -> None:
        """Assign a key."""
        self._session[key] = value

    def __delitem__(self, key: str) -> None:
        """Remove a key."""
        del self._session[key]

    def __contains__(self, key: object) -> bool:
        """Whether the key is there."""
        return key in self._session

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys."""
        return iter(self._session)

    def __len__(self) -> int:
        """Count the keys."""
        return len(self._session)

    def __repr__(self) -> str:
        """Show what the session shows of itself."""
        return repr(self._session)


def context() -> dict[str, Shown]:
    """Return what templates are given: nothing outside of a request."""
    return {"session": Shown(current())} if has_request_context() else {}
