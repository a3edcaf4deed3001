"""What an application says about exchange tickets: ``SessionMiddleware(entering=Entering(...))``. Off without it.

An exchange ticket is the one way in which something in an address signs somebody in: a link in a mail, a link from
another site or from a native application. The address is used once, for a short time, and asks before it does anything.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final, TypeAlias

from msgspec import Struct

from coatcheck.cookies import Cookie, CookieSpec

__all__ = ["Entering"]

NameOf: TypeAlias = Callable[[str], str | Awaitable[str | None] | None]
"""Says how people call the account of a user id; ``None`` where there is no such account any more."""

LIFE: Final = 120
"""Seconds that a browser keeps a ticket while its user reads the page."""

TICKET_NAME: Final = "__Host-enter"

_SPEC: Final = CookieSpec(name=TICKET_NAME, same_site="lax")
_SECURE: Final = _SPEC.on(secure=True)
_PLAIN: Final = _SPEC.on(secure=False)
_PATH: Final = re.compile(r"(?:/[A-Za-z0-9_~][A-Za-z0-9._~-]*)+")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


class Entering(Struct, frozen=True, kw_only=True):
    """Where exchange tickets are used.

    Attributes:
        path: the page's path, as the application's router would see it. The application never does.
        parameter: the query parameter that holds the ticket.
        name_of: how people call an account; its user id where nothing is given. A blocking application gives a plain
            function.
    """

    path: str = "/enter"
    parameter: str = "sid"
    name_of: NameOf | None = None

    def faults(self, paths: Sequence[str] | None) -> Iterator[str]:
        """Yield what is wrong, one sentence each; *paths* are those below which the application uses sessions."""
        if not isinstance(self.path, str) or not _PATH.fullmatch(self.path):
            yield f'Entering(path={self.path!r}) must be a plain path, such as "/enter"'
        elif paths is not None and not any(_is_below(self.path, prefix) for prefix in paths):
            yield f"Entering(path={self.path!r}) lies outside of paths={list(paths)!r}, where there are no sessions"
        if not isinstance(self.parameter, str) or not _NAME.fullmatch(self.parameter):
            yield f'Entering(parameter={self.parameter!r}) must be a plain name, such as "sid"'
        if self.name_of is not None and not callable(self.name_of):
            yield f"Entering(name_of={self.name_of!r}) must be a function from a user id to a name"


def ticket_cookie(*, secure: bool) -> Cookie:
    """Return the cookie that holds a ticket between its address and the click; on plain http without its prefix."""
    return _SECURE if secure else _PLAIN


def _is_below(path: str, prefix: object) -> bool:
    return isinstance(prefix, str) and (path == prefix or path.startswith(prefix.rstrip("/") + "/"))
