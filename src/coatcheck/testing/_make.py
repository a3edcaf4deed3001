"""Records, digests and users for tests, from a seeded source: the same in every run."""

from __future__ import annotations

import random
from typing import Any, Final

from coatcheck import tokens
from coatcheck.model import Millis, Record
from coatcheck.verbs import Change, Rotation, Seen

NOW: Final[Millis] = 4_000_000_000_000
"""The moment at which every test starts: far ahead, so that an engine with a clock of its own expires nothing."""
MINUTE: Final[Millis] = 60_000
IDLE: Final[Millis] = 30 * MINUTE
ABSOLUTE: Final[Millis] = 12 * 60 * MINUTE
NO_CHANGE: Final = Change({})


class Maker:
    """Makes records as the manager would: minted ids that carry the owner's tag, digests instead of secrets."""

    def __init__(self, key: bytes, *, tenant: str = "", seed: int = 1) -> None:
        """Make for the store whose key is *key*."""
        self._key, self._tenant = key, tenant
        self._random = random.Random(seed).randbytes  # noqa: S311  (test data, not secrets)

    def record(self, user_id: str | None = None, **fields: Any) -> Record:
        """Make a record that began at `NOW` with both clocks set; *fields* override any of it."""
        ticket = tokens.mint(self._random, tag=None if user_id is None else self.tag(user_id))
        given: dict[str, Any] = {
            "id": ticket.id,
            "secret_digest": tokens.digest(ticket, tenant=self._tenant),
            "created_at": NOW,
            "last_seen_at": NOW,
            "idle_expires_at": NOW + IDLE,
            "expires_at": NOW + ABSOLUTE,
            "rotated_at": NOW,
            "user_id": user_id,
            "tenant": self._tenant,
            **fields,
        }
        return Record(**given)

    def tag(self, user_id: str) -> str:
        """Return the user's three characters in an id."""
        return tokens.user_tag(self._key, user_id, tenant=self._tenant)

    def id(self) -> str:
        """Make a well-formed id that no store has."""
        return tokens.mint(self._random).id

    def digest(self) -> bytes:
        """Make a digest as of a new secret."""
        return tokens.DIGEST_VERSION + self._random(32)

    def rotation(self, record: Record, *, by_age: bool = True, at: Millis = NOW + MINUTE, **fields: Any) -> Rotation:
        """Make a rotation of *record*'s present secret."""
        nonce = self._random(16) if by_age else None
        given: dict[str, Any] = {"replaces": record.secret_digest, "secret_digest": self.digest(), **fields}
        return Rotation(nonce=nonce, at=at, **given)

    def namesakes(self) -> tuple[str, str]:
        """Find two users whose tags are the same: with 18 bits, a few hundred tries."""
        by_tag: dict[str, str] = {}
        number = 0
        while True:
            user_id = f"user-{number}"
            other = by_tag.setdefault(self.tag(user_id), user_id)
            if other != user_id:
                return other, user_id
            number += 1


def put(**values: bytes) -> Change:
    """Return a change that sets the named keys."""
    return Change(values)


def active(at: Millis, **fields: Any) -> Seen:
    """Return activity at *at* that moves the idle deadline along."""
    given: dict[str, Any] = {"idle_expires_at": at + IDLE, **fields}
    return Seen(at=at, **given)
