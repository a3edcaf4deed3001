"""``Authorization: Bearer``: how a request's token is read, and what answers say of it (RFC 6750, RFC 9470).

A request that says "Bearer", well formed or not, is judged by that alone: its cookie is as if it were not there, and it
gets none. So nobody can add a header in order to be judged more mildly than the cookie beside it would be.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from coatcheck.discreet import Discreet
from coatcheck.errors import CoatcheckError
from coatcheck.refusals import StepUpRequired
from coatcheck.state import State
from coatcheck.web.answers import Answer
from coatcheck.web.caching import RawHeaders, add_vary, forbid_storing

REALM: Final = "sessions"
"""Name of what the token opens, as challenges spell it (RFC 9110, 11.5)."""

# The scheme is a token of RFC 9110 and ends where no such character follows, so that "BearerX" is another scheme.
_SAYS_BEARER: Final = re.compile(rb"[ \t]*bearer(?![!#$%&'*+.^_`|~0-9A-Za-z-])", re.IGNORECASE)
_BEARER: Final = re.compile(rb"bearer +([\x21-\x7e]+)", re.IGNORECASE)


class Presented(Discreet, frozen=True, kw_only=True):
    """What a request that says "Bearer" brought: a token that may be one, or why it was not even read."""

    token: str | None = None
    rejected: str | None = None


def read_bearer(values: Sequence[bytes], *, insecure: bool = False) -> Presented | None:
    """Return what the ``Authorization`` headers of a request bring; ``None`` where none of them says "Bearer".

    Exactly one header and one token; its shape is judged where that of every ticket is. *insecure* is a request over
    plain http from a host that is not local: its token is not looked at.
    """
    if not any(_SAYS_BEARER.match(value) for value in values):
        return None
    if insecure:
        return Presented(rejected="insecure")
    if len(values) != 1:
        return Presented(rejected="duplicate")
    found = _BEARER.fullmatch(values[0].strip(b" \t"))
    return Presented(rejected="malformed") if found is None else Presented(token=found[1].decode("ascii"))


def challenge(made: Answer, error: CoatcheckError, state: State) -> Answer:
    """Add to a 401 how a program can do better: with a token, with a live one, or with a fresher sign-in.

    RFC 6750, 3: a challenge has at least one parameter, and no error where no token came. RFC 9470, 3: what is missing
    in the sign-in behind a token that is good.
    """
    if made.status != 401:
        return made
    said = [f'realm="{REALM}"', *_faults(error, state)]
    return Answer(
        made.status, [*made.headers, (b"www-authenticate", f"Bearer {', '.join(said)}".encode("ascii"))], made.body
    )


def _faults(error: CoatcheckError, state: State) -> Iterable[str]:
    if isinstance(error, StepUpRequired):
        yield 'error="insufficient_user_authentication"'
        yield 'error_description="A more recent or stronger sign-in is required"'
        if error.max_age is not None:
            yield f'max_age="{error.max_age}"'
        if error.aal is not None:
            yield f'acr_values="aal{error.aal}"'
    elif state.visit.carrier == "bearer":
        yield 'error="invalid_token"'
        yield 'error_description="The token is malformed, unknown or expired, or was revoked"'


def settle(headers: RawHeaders, state: State, *, offered: bool) -> RawHeaders:
    """Say what an answer depends on whose session was looked at (K-2), and keep a token's out of every cache.

    What a cookie's answer depends on is also that there was no token, where tokens are *offered*.
    """
    if state.visit.carrier == "bearer":
        return add_vary(forbid_storing(headers), b"Authorization")
    return add_vary(headers, b"Cookie", b"Authorization") if offered else add_vary(headers, b"Cookie")
