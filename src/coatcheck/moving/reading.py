"""What several sources share: the time inside a signed cookie, and mappings out of bytes that nobody vouches for."""

from __future__ import annotations

import json
from base64 import b64decode
from binascii import Error as NotBase64
from typing import Any, Final

import msgspec

from coatcheck.model import Millis
from coatcheck.moving.legacy import Legacy

LONGEST: Final = 16_384
"""Characters of a cookie's value that are looked at; browsers keep a quarter of it."""


class Signed:
    """What a signed cookie is made of once its signature fits.

    Attributes:
        payload: what was signed, without the time.
        issued_at: when, in milliseconds: the signature counts in seconds.
    """

    __slots__ = ("issued_at", "payload")

    def __init__(self, payload: bytes, issued_at: Millis) -> None:
        """Keep both."""
        self.payload, self.issued_at = payload, issued_at


def unsign(signer: Any, value: str) -> Signed | None:
    """Return what *value* holds if *signer*, an ``itsdangerous.TimestampSigner``, made it; ages are judged later."""
    from itsdangerous import BadSignature

    if len(value) > LONGEST:
        return None
    try:
        payload, moment = signer.unsign(value.encode(), return_timestamp=True)
    except (BadSignature, ValueError, OverflowError):
        return None
    return Signed(payload, int(moment.timestamp()) * 1000)


def covered(value: str) -> bytes:
    """Return the octets of a signed cookie that its signature covers: payload and time.

    The signature itself has several spellings, of which this knows nothing.
    """
    return value.rpartition(".")[0].encode()


def dated(signed: Signed, data: dict[str, Any], *, max_age: int | None, persistent: bool, now: Millis) -> Legacy | None:
    """Return a signed session that is *max_age* seconds old at most, by our own clock; ``None`` for another."""
    expires_at = None if max_age is None else signed.issued_at + max_age * 1000
    if signed.issued_at > now or (expires_at is not None and expires_at <= now):
        return None
    return Legacy(data=data, issued_at=signed.issued_at, expires_at=expires_at, persistent=persistent)


def json_mapping(raw: bytes | str) -> dict[str, Any] | None:
    """Return the mapping that JSON text holds, ``None`` for anything else."""
    try:
        return mapping(json.loads(raw))
    except (ValueError, RecursionError):
        return None


def base64_json(raw: bytes) -> dict[str, Any] | None:
    """Return the mapping that is JSON in base64, ``None`` for anything else."""
    try:
        return json_mapping(b64decode(raw))
    except NotBase64:
        return None


def mapping(value: Any) -> dict[str, Any] | None:
    """Return *value* if it is a mapping with keys that are text."""
    try:
        return msgspec.convert(value, dict[str, Any])
    except msgspec.ValidationError:
        return None
