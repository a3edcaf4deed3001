"""CSRF tokens: proof that a form was given out to the browser that sends it, without a row for it.

A token is ``base64url(random || HMAC-SHA256(key, purpose | random | what it is bound to))``. The server keeps nothing:
it makes the code again from what it knows of the request, and compares (signed double submit, CS-2). What a token is
bound to is one of these, each with its own purpose, so that none passes for another (ASVS 9.2.2):

* a session, by its id and generation: it survives rotation by age and dies with every change of privilege, sign-in
  among them, which makes a new id (CS-3, CS-5);
* a visitor without a session, by the value of a short-lived cookie of its own: nothing is stored for a sign-in form;
* an exchange ticket, by its value, and the session that signing in by it would replace;
* a sealed cookie's session, by the random value inside it.

The random part is new in every token, so that a page which is compressed on its way does not tell it (BREACH).
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from coatcheck.tokens import Randomness

RANDOM_OCTETS: Final = 16
"""Random bytes at the beginning of a token."""

TOKEN_LENGTH: Final = 64
"""Characters of a token: 16 random bytes and a code of 32, in base64url without padding."""

VISITOR_LENGTH: Final = 43
"""Characters of a visitor's value: 256 random bits in base64url."""

_PURPOSE: Final = b"coatcheck/csrf/1\0"
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{64}", re.ASCII)
_VISITOR: Final = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", re.ASCII)


def make(key: bytes, bound: bytes, random: Randomness) -> str:
    """Return a new token for what `of_session`, `of_visitor` or `of_sealed` returned."""
    fresh = random(RANDOM_OCTETS)
    return urlsafe_b64encode(fresh + _code(key, bound, fresh)).decode()


def check(key: bytes, bound: bytes, token: str) -> bool:
    """Whether *token* was made with *key* for *bound*; compares in constant time and never raises."""
    if len(token) != TOKEN_LENGTH or _TOKEN.fullmatch(token) is None:
        return False
    raw = urlsafe_b64decode(token)
    return hmac.compare_digest(raw[RANDOM_OCTETS:], _code(key, bound, raw[:RANDOM_OCTETS]))


def of_session(session_id: str, generation: int, *, tenant: str = "") -> bytes:
    """Return what a session's tokens are bound to."""
    return _joined("session", tenant, session_id, str(generation))


def of_visitor(value: str, *, tenant: str = "") -> bytes:
    """Return what the tokens of a visitor without a session are bound to: *value* is that of their cookie."""
    return _joined("visitor", tenant, value)


def of_exchange(ticket: str, session_id: str | None, *, tenant: str = "") -> bytes:
    """Return what the page of an exchange ticket binds its tokens to: the ticket, and whom it would replace."""
    return _joined("exchange", tenant, ticket, session_id or "")


def of_sealed(value: str, *, tenant: str = "") -> bytes:
    """Return what the tokens of a sealed cookie are bound to: *value* is random and made anew at each sign-in."""
    return _joined("sealed", tenant, value)


def new_visitor(random: Randomness) -> str:
    """Make the value of a visitor's cookie."""
    return urlsafe_b64encode(random(32)).rstrip(b"=").decode()


def is_visitor(value: str) -> bool:
    """Whether *value* has the shape of a visitor's value; its content is nobody's secret but the browser's."""
    return len(value) == VISITOR_LENGTH and _VISITOR.fullmatch(value) is not None


def _joined(*parts: str) -> bytes:
    """Join texts, each behind its length, so that no two lists give the same bytes (CS-2)."""
    encoded = [part.encode(errors="surrogatepass") for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def _code(key: bytes, bound: bytes, random: bytes) -> bytes:
    return hmac.digest(key, _PURPOSE + random + bound, "sha256")
