"""May this request change something? The one decision about cross-site request forgery, without I/O.

The table, first match wins. *Says nothing* means that ``Sec-Fetch-Site``, ``Origin`` and ``Referer`` are all absent,
which no browser's form or script sends today; *our cookie* is the session's, that of a visitor's forms or that of a
list of accounts.

===================================================  ==================================
the request                                          ruling
===================================================  ==================================
identified by another carrier than a cookie          FINE
a safe method, no socket, not protected              FINE
an exempt path                                       FINE
comes from another site (`judge_origin`)             REFUSED, our cookie or not
says nothing, in a test of one's own                 FINE
says nothing, with our cookie                        PROOF
says nothing, without our cookie                     UNPROVEN
comes from our own or a trusted site                 FINE
the same, ``token="always"``, with our cookie        PROOF
the same, ``token="always"``, without our cookie     UNPROVEN
===================================================  ==================================

PROOF goes on with a token that fits, else it is refused. UNPROVEN goes on and identifies nobody: it may not begin a
session (login CSRF, CS-16). A WebSocket's handshake can carry no token, so ``token="always"`` asks none of it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final, Literal, TypeAlias
from urllib.parse import parse_qsl

from msgspec import Struct

from coatcheck.origin import Carrier
from coatcheck.web.csrf import Csrf
from coatcheck.web.csrf_paths import Paths
from coatcheck.web.origins import SAFE_METHODS, Refused, RefusedFor, is_safe, judge_origin, names_a_method

Reason: TypeAlias = RefusedFor | Literal["no_token", "wrong_token", "no_multipart", "no_transaction"]
"""A short word for logs and metrics; it never holds what the request said."""


class Step(enum.Enum):
    """What becomes of a request; the table is in the module's text."""

    FINE = "fine"
    REFUSED = "refused"
    PROOF = "proof"
    UNPROVEN = "unproven"


class Ruling(Struct, frozen=True):
    """A step, and why it is not ``FINE``.

    ``by_headers`` says that the headers of `coatcheck.web.origins.DECIDED_BY` decided.
    """

    step: Step
    reason: Reason | None = None
    by_headers: bool = True


class Asked(Struct, frozen=True, kw_only=True):
    """What is known of a request.

    Attributes:
        method: as it was sent.
        path: as the router sees it: decoded, without ``root_path``.
        headers: raw ASGI headers.
        own_origin: scheme, host and port that the request was sent to.
        raw_path: the path as it was sent; empty where the server does not tell.
        query: the query as it was sent.
        socket: whether it opens a WebSocket.
        cookie: whether a cookie of ours came with it.
        carrier: what carried the credential that identified the request: only a cookie is sent without being asked.
        tested: whether it came to a host that exists in tests alone.
    """

    method: str
    path: str
    headers: Iterable[tuple[bytes, bytes]]
    own_origin: str
    raw_path: bytes = b""
    query: bytes = b""
    socket: bool = False
    cookie: bool = False
    carrier: Carrier = "cookie"
    tested: bool = False


UNJUDGED: Final = Ruling(Step.FINE, by_headers=False)
"""What becomes of a request that is none of this module's business."""

_FINE: Final = Ruling(Step.FINE)


class Rules:
    """An application's `Csrf` in the form that requests need."""

    __slots__ = ("_always", "_answers", "_begins", "_exempt", "_protected", "_trusted", "named")

    def __init__(self, csrf: Csrf, trusted: frozenset[str] = frozenset()) -> None:
        """Prepare options that have no faults; *trusted* is as `parse_origins` returns it."""
        self._always = csrf.token == "always"  # noqa: S105 - the option's word, no token
        self._trusted = trusted
        self._exempt = Paths(csrf.exempt)
        self._protected = Paths(csrf.protect_safe)
        self._answers = Paths(callback.path for callback in csrf.callbacks)
        self._begins = Paths(callback.begin for callback in csrf.callbacks)
        self.named = bool(self._protected) or bool(self._answers)

    def answers(self, path: str, raw: bytes = b"") -> bool:
        """Whether another site's answer arrives at *path*."""
        return self._answers.match(path, raw)

    def begins(self, path: str, raw: bytes = b"") -> bool:
        """Whether the handler at *path* sends the browser to the other site."""
        return self._begins.match(path, raw)

    def protects(self, path: str) -> bool:
        """Whether a safe method changes something at *path*, however it is spelt (CS-10)."""
        return self._protected.may_match(path)

    def judge(self, asked: Asked) -> Ruling:
        """Decide by the table in the module's text."""
        if asked.carrier != "cookie" or self._is_safe(asked) or self._exempt.match(asked.path, asked.raw_path):
            return UNJUDGED
        # Not a safe method, whatever it is called: those that are have been let go (G-13, G-14, G-17, CS-10).
        verdict = judge_origin("CONNECT", asked.headers, asked.own_origin, self._trusted)
        if isinstance(verdict, Refused):
            if verdict.reason != "no_origin":
                return Ruling(Step.REFUSED, verdict.reason)
            return _FINE if asked.tested else _prove(asked, "no_origin")
        return _prove(asked, "no_token") if self._always and not asked.socket else _FINE

    def _is_safe(self, asked: Asked) -> bool:
        """Whether a request changes nothing, neither by its method nor by what asks for another one (G-13, CS-10)."""
        safe = not asked.socket and is_safe(asked.method, asked.headers)
        return safe and not overridden(asked.query) and not self.protects(asked.path)


def _prove(asked: Asked, reason: Reason) -> Ruling:
    return Ruling(Step.PROOF if asked.cookie else Step.UNPROVEN, reason)


def overridden(query: bytes) -> bool:
    """Whether a query asks for another method than a safe one (G-13)."""
    if not names_a_method(query):
        return False
    try:
        fields = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        return True
    return any(name.lower() == "_method" and value not in SAFE_METHODS for name, value in fields)
