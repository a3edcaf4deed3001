"""The contract's words as parameters of statements, and the statements' answers as the contract's words."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from coatcheck.errors import UnreadableRecord
from coatcheck.model import Millis, Record, Tombstone
from coatcheck.stores.postgres.rows import CREATED_AT, ID, RawRow, decode, tombstones
from coatcheck.verbs import Change, Limit, Refusal, Replacing, Rotation, Seen, TooLarge

Parameters = Mapping[str, Any]

FIRST_PLACE: Final[tuple[Millis, str]] = (2**63 - 1, "")
_read_place: Final = msgspec.msgpack.Decoder(tuple[Millis, str])


def activity(seen: Seen | None) -> dict[str, object]:
    """Return recorded activity as parameters; absent values leave the columns as they are."""
    if seen is None:
        return {"at": None, "idle": None, "confirms": None, "address": None}
    return {"at": seen.at, "idle": seen.idle_expires_at, "confirms": seen.confirms, "address": seen.address}


def changed(change: Change) -> dict[str, object]:
    """Return changed keys as parameters."""
    return {"keys": list(change.set), "values": list(change.set.values()), "unset": list(change.unset)}


def secret(rotation: Rotation) -> dict[str, object]:
    """Return a new secret, and what is granted with it, as parameters."""
    grant = rotation.grant
    return {
        "replaces": rotation.replaces, "digest": rotation.secret_digest, "rotated_at": rotation.at,
        "nonce": rotation.nonce, "held": rotation.held,
        "roles": None if grant is None or grant.roles is None else list(grant.roles),
        "auth_time": None if grant is None else grant.auth_time,
        "amr": None if grant is None or grant.amr is None else list(grant.amr),
        "aal": None if grant is None else grant.aal,
    }  # fmt: skip


def signing_in(
    limit: Limit | None, epoch: int | None, began_at: Millis | None, replacing: Replacing | None, max_bytes: int | None
) -> dict[str, object]:
    """Return the terms of a sign-in as parameters."""
    return {
        "limit": None if limit is None else limit.count,
        "at_limit": None if limit is None else limit.at_limit,
        "epoch": epoch, "began_at": began_at, "max": max_bytes,
        "replacing": None if replacing is None else replacing.id,
        "replacing_generation": None if replacing is None else replacing.generation,
        "carry": replacing is not None and replacing.carry,
        "unset": [] if replacing is None else list(replacing.unset),
    }  # fmt: skip


def refused(outcome: str, id: str) -> Refusal:
    """Return the refusal that an outcome names.

    Raises:
        UnreadableRecord: a newer release wrote the session.
    """
    if outcome == "future":
        raise UnreadableRecord(f"a newer release wrote session {id}; upgrade this one")
    return Refusal(outcome)


def too_large(size: int, keys: list[str], sizes: list[int]) -> TooLarge:
    """Return the answer to data that would pass its limit."""
    return TooLarge(size=size, largest=tuple(zip(keys, sizes, strict=True)))


def rotated(answered: Sequence[RawRow]) -> Record | None:
    """Return the record that a rotation answered, if it was made."""
    outcome, _size, _keys, _sizes, *row = answered[0]
    session = decode(row) if outcome == "done" else None
    return session if isinstance(session, Record) else None


def epoch(answered: Sequence[RawRow]) -> int:
    """Return the epoch that was raised."""
    return int(answered[0][0])


def ended(answered: Sequence[RawRow]) -> dict[str, tuple[Tombstone, ...]]:
    """Return what an unconfirmed end keeps of its answer."""
    return {"ended": tombstones(answered)}


def cursor(row: RawRow) -> str:
    """Name the place of a row: its creation time and id, as text that nobody needs to read."""
    return _spell((row[CREATED_AT], row[ID]))


def place(text: str) -> tuple[Millis, str]:
    """Return the place that a cursor names; only the one spelling that `cursor` writes is accepted.

    Raises:
        ValueError: *text* is not a cursor of an earlier page.
    """
    try:
        found = _read_place.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if -(2**63) <= found[0] < 2**63 and "\0" not in found[1] and _spell(found) == text:
            return found
    except (msgspec.MsgspecError, ValueError):
        pass
    raise ValueError("this is not a cursor of an earlier page")


def _spell(found: tuple[Millis, str]) -> str:
    return urlsafe_b64encode(msgspec.msgpack.encode(found)).decode().rstrip("=")
