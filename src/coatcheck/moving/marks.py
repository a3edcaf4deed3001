"""How a credential of the other library leads to one session, and to no second one. Pure.

A credential is treated as the *first secret* of the session that it becomes. From the store's own key and what is
peculiar to the credential follow the session's id and that secret, so that every request that brings the credential
comes to the same, and the ticket it is answered with is the secret's successor (`coatcheck.tokens.successor`), as at a
rotation by age: open until the successor was seen, and for the grace after that; later it is a theft event.

A **mark** beside it outlives the session and what is left of it: a row of its own, until the window ends. It is made
before the session, and told afterwards that the session was made:

==================================  ================================  ============
mark                                session                           credential
==================================  ================================  ============
none                                any                               is new
made                                any                               FOLLOW
not yet                             there, live or ended              FOLLOW
not yet, younger than ``resume``    none                              MAKE
not yet, older                      none                              SPENT
ended, expired, damaged             any                               SPENT
==================================  ================================  ============

The last but one row: whoever made the mark got no further, and nobody can tell any more whether the session was made,
ended and forgotten since.
"""

from __future__ import annotations

import enum
import hmac
from base64 import urlsafe_b64encode
from typing import Final

from coatcheck.discreet import Discreet
from coatcheck.model import Found, Millis, Record
from coatcheck.origin import Origin
from coatcheck.tokens import DIGEST_VERSION, REGION, Ticket

MADE: Final = "coatcheck.made"
SESSION: Final = "coatcheck.session"
ENDED: Final = "coatcheck.ended"
REVOKED: Final = "coatcheck.revoked"

RESUME: Final[Millis] = 600_000
"""Milliseconds that another request may finish what one has begun; never longer than ended sessions are remembered."""

LABEL: Final = "coatcheck.moving"
MARKED: Final = Origin(carrier="exchange", label=LABEL)
"""What the rows beside the sessions say of themselves. No ticket fits them."""


class Step(enum.Enum):
    """What a credential comes to; see the module's text."""

    FOLLOW = "follow"
    MAKE = "make"
    SPENT = "spent"


class Names(Discreet, frozen=True):
    """What follows from one credential. ``secret`` is secret; it cannot be found from the store without the credential.

    Attributes:
        mark: id of the row that remembers it.
        secret: the first secret of its session.
    """

    mark: str
    secret: str
    _rest: str

    def __repr__(self) -> str:
        """Show the mark's public id, never the secret."""
        return f"Names(mark={self.mark!r})"

    def session_id(self, tag: str | None) -> str:
        """Return the session's id; *tag* is its user's."""
        return f"{REGION}{tag or self._rest[:3]}{self._rest[3:]}"

    def ticket(self, session_id: str) -> Ticket:
        """Return the ticket that the credential stands for."""
        return Ticket(session_id, self.secret)


def names(key: bytes, tenant: str, source: str, identity: bytes) -> Names:
    """Derive everything from the store's *key* and the credential's *identity*."""
    bound = f"{tenant}\0{source}\0".encode() + identity
    rest = _mac(key, "session", bound)
    return Names(
        _row(_mac(key, "mark", bound)), _text(_mac(key, "secret", bound)), _text(rest[:3])[:3] + _text(rest[3:19])
    )


def window_id(key: bytes, tenant: str, everybody: int) -> str:
    """Return the id of the row that says which windows are open. A store-wide epoch begins another one."""
    return _row(_mac(key, "window", f"{tenant}\0{everybody}".encode()))


def cutoff_id(key: bytes, tenant: str, everybody: int, user_id: str) -> str:
    """Return the id of the row that says from when on credentials of a user are good."""
    return _row(_mac(key, "cutoff", f"{tenant}\0{everybody}\0{user_id}".encode()))


def row(id: str, tenant: str, data: dict[str, bytes], now: Millis, expires_at: Millis | None) -> Record:
    """Return a row that stands beside sessions: nobody's, opened by nothing, ended by no idle clock."""
    return Record(
        id=id,
        secret_digest=DIGEST_VERSION + bytes(32),  # SHA-256 of nothing that is known
        created_at=now,
        last_seen_at=now,
        idle_expires_at=None,
        expires_at=expires_at,
        rotated_at=now,
        confirmed_at=now,
        persistent=False,
        tenant=tenant,
        data=data,
        origin=MARKED,
    )


def is_row(found: Found) -> bool:
    """Whether *found* is one of the rows beside sessions."""
    return isinstance(found, Record) and found.origin.label == LABEL and found.origin.carrier == "exchange"


def judge(mark: Found, session: Found, now: Millis, resume: Millis) -> Step:
    """Say what a credential comes to that has a *mark*, by the table in the module's text."""
    if not isinstance(mark, Record) or mark.dead_at(now) is not None:
        return Step.SPENT
    if MADE in mark.data or session is not None:
        return Step.FOLLOW
    return Step.MAKE if now < mark.created_at + resume else Step.SPENT


def is_cut_off(issued_at: Millis | None, cutoff: Millis) -> bool:
    """Whether a credential was made at or before *cutoff*; 0 is none."""
    return cutoff > 0 and (issued_at is None or issued_at <= cutoff)


def earliest(*deadlines: Millis | None) -> Millis | None:
    """Return the first of the deadlines that there are: what is moved never lives longer than it would have."""
    return min((deadline for deadline in deadlines if deadline is not None), default=None)


def fitting(data: dict[str, bytes], limit: int) -> tuple[dict[str, bytes], list[str]]:
    """Return what of *data* stays within *limit* bytes, and which keys do not: the largest, until the others fit."""
    kept, left_out = dict(data), list[str]()
    size = sum(_size(item) for item in kept.items())
    for key in sorted(data, key=lambda key: _size((key, data[key])), reverse=True):
        if size <= limit:
            break
        size -= _size((key, kept.pop(key)))
        left_out.append(key)
    return kept, left_out


def _size(item: tuple[str, bytes]) -> int:
    return len(item[0].encode()) + len(item[1])


def _mac(key: bytes, purpose: str, bound: bytes) -> bytes:
    return hmac.digest(key, f"coatcheck/moving/{purpose}/1\0".encode() + bound, "sha256")


def _row(mac: bytes) -> str:
    return f"{REGION}{_text(mac[:3])[:3]}{_text(mac[3:19])}"


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
