"""How a session came to be: what is said when it is made, and never changes while it lives.

Pure data. A store writes it once, as the bytes that `encode_origin` makes, and hands it back with every record. Most
sessions are a browser's and nothing more: they are `PLAIN`, which takes no bytes and is not decoded.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from coatcheck.discreet import Discreet

Carrier: TypeAlias = Literal["cookie", "bearer", "exchange", "accounts"]
"""What carries the ticket: a browser's cookie, an ``Authorization: Bearer`` header, a single-use exchange ticket, or
the cookie of a browser's list of accounts."""


class Pending(Discreet, frozen=True, kw_only=True, omit_defaults=True):
    """A sign-in that is half done: what the next factor completes. It opens nothing by itself.

    Attributes:
        user_id: who signs in, if the rest succeeds.
        epoch: the user's epoch before the first factor was checked.
        until: when it must be complete, in milliseconds since the Unix epoch; ``None`` for any time.
        amr: the methods that have succeeded (RFC 8176 values).
        roles: what the user gets, ``None`` when nobody has said.
        remember: the choice of lifetime, ``None`` for the policy's.
        aal: assurance level (NIST SP 800-63B) once it is complete, ``None`` when nobody stated one.
    """

    user_id: str
    epoch: int
    until: int | None = None
    amr: tuple[str, ...] = ()
    roles: tuple[str, ...] | None = None
    remember: bool | None = None
    aal: int | None = None

    def __repr__(self) -> str:
        """Show who signs in."""
        return f"Pending(user_id={self.user_id!r})"


class Origin(Discreet, frozen=True, kw_only=True, omit_defaults=True):
    """What a session's record says of how it came to be.

    Attributes:
        carrier: what carries its ticket; through another one it is refused.
        actor_id: who really acts, where somebody impersonates the session's user.
        actor_session: public id of the session that began the impersonation.
        pending: the sign-in that is not complete yet.
        label: the name that a person gave to an API token.
    """

    carrier: Carrier = "cookie"
    actor_id: str | None = None
    actor_session: str | None = None
    pending: Pending | None = None
    label: str | None = None

    def __repr__(self) -> str:
        """Show the carrier and who acts; a label is the person's own words."""
        return f"Origin(carrier={self.carrier!r}, actor_id={self.actor_id!r})"


PLAIN: Final = Origin()
"""A browser's session, signed in or not, that stands for nobody else."""

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Origin)


def encode_origin(origin: Origin) -> bytes | None:
    """Return *origin* as a MessagePack map of what differs from `PLAIN`, ``None`` where nothing does.

    Raises:
        ValueError: a text holds a lone surrogate, or a number has more than 64 bits.
    """
    if origin == PLAIN:
        return None
    try:
        return _encoder.encode(origin)
    except OverflowError:
        raise ValueError("a number of the origin is too large to be stored") from None


def decode_origin(stored: bytes | None) -> Origin:
    """Return what `encode_origin` was given; fields of a newer release are passed over.

    Raises:
        msgspec.DecodeError: *stored* is no origin; a wrong value is a `msgspec.ValidationError`.
    """
    if stored is None:
        return PLAIN
    try:
        return _decoder.decode(stored)
    except UnicodeDecodeError as fault:
        raise msgspec.DecodeError("a text is no UTF-8") from fault
