"""What the search field and addresses mean: a session's id, a user's, or a whole cookie that must not be here. Pure."""

from __future__ import annotations

import re
from typing import Final

from coatcheck import tokens
from coatcheck.manager.credentials import checked_user

WHOLE_COOKIE: Final = (
    "That is a whole cookie, secret included; the id is what stands before the dot. Whoever has seen it can act as its "
    "user: revoke that session."
)
"""Said instead of repeating what was pasted."""

_BREAKS: Final = re.compile(r"[\s=;,\"']+")
_LIKE_A_TICKET: Final = re.compile(r"0[A-Za-z0-9_-]{24}[AQgw]\.[A-Za-z0-9_-]{8,}", re.ASCII)
"""The shape of our ids, a dot, and a good part of a secret: a cookie to which something sticks, or from which the end
is missing. Other ids and addresses with a dot in them are not so."""


class PastedCookie(ValueError):
    """A whole cookie where an id was expected. It is never repeated."""


def refuse_cookie(text: str) -> str:
    """Return *text* unless a cookie of ours is in it, whole or nearly so.

    Raises:
        PastedCookie: there is one.
    """
    if any(tokens.parse(part) is not None or _LIKE_A_TICKET.search(part) for part in _BREAKS.split(text)):
        raise PastedCookie(WHOLE_COOKIE)
    return text


def session_id(text: str) -> str | None:
    """Return *text* if it is a session's id.

    Raises:
        PastedCookie: it is a whole cookie.
    """
    wanted = refuse_cookie(text).strip()
    return wanted if tokens.is_id(wanted) else None


def user_id(text: str) -> str | None:
    """Return *text* if it can name a user.

    Raises:
        PastedCookie: it is a whole cookie.
    """
    return shaped_user_id(refuse_cookie(text))


def shaped_user_id(text: str) -> str | None:
    """Return *text* if it can name a user, also where it looks like a cookie: some applications have such ids."""
    try:
        return checked_user(text)
    except ValueError:
        return None
