"""Millions of signed-in sessions out of a number each: the same in every run, and none of them kept in memory.

A session is what a manager makes of a sign-in from a browser: a minted id with the owner's tag, a digest, both clocks,
one role, one authentication method, a device with two addresses and a small datum. The policy is `Policy()`'s: idle
after 7 days, over after 30. Sessions are created in the order of their numbers, as in life; where that matters (the
index by creation) an engine packs them better than it would a random order.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable
from typing import Final

from coatcheck import codec, tokens
from coatcheck.model import Device, Millis, Record

MINUTE: Final[Millis] = 60_000
DAY: Final[Millis] = 24 * 60 * MINUTE
IDLE: Final[Millis] = 7 * DAY
ABSOLUTE: Final[Millis] = 30 * DAY

_FIRST_EXPIRED: Final = 1_000_000_000
_BETWEEN: Final[Millis] = 300
"""Milliseconds from one sign-in to the next: 5 million take 17 days, so nobody's absolute deadline is near."""

DATA: Final = {"cart": codec.encode(["apples", "pears"]), "theme": codec.encode("dark")}
"""What the application stored: two keys, 27 bytes with their names."""

_BROWSERS: Final = (
    ("Chrome 156", "Windows"),
    ("Chrome Mobile 156", "Android"),
    ("Mobile Safari 26", "iOS"),
    ("Safari 26", "macOS"),
    ("Firefox 153", "Linux"),
)


class People:
    """Makes the sessions of one store.

    Args:
        key: the store's own key, which tags are made with.
        now: when the measurement begins.
        per_user: sessions that one user has. One is the dearest: every user has an index of their own.
    """

    def __init__(self, key: bytes, *, now: Millis, per_user: int = 1) -> None:
        """Remember for whom."""
        self._key, self._per_user = key, per_user
        self.now = now

    def user(self, number: int) -> str:
        """Return whose session *number* is; 12 characters."""
        return f"user-{number // self._per_user:07d}"

    def id(self, number: int) -> str:
        """Return the id of session *number*, without making the session."""
        return self._ticket(number, self.user(number)).id

    def record(self, number: int, *, user_id: str | None = None) -> Record:
        """Return a live session, of *user_id* if it is named."""
        created = self.now - 19 * DAY + number * _BETWEEN % (18 * DAY)
        seen = max(created, self.now - 6 * DAY) + _spread(number) % DAY
        return self._made(number, user_id or self.user(number), created=created, seen=min(seen, self.now - MINUTE))

    def expired(self, number: int) -> Record:
        """Return a session that its idle clock ended within the last half hour and nobody has swept."""
        number += _FIRST_EXPIRED
        seen = self.now - IDLE - MINUTE - _spread(number) % (30 * MINUTE)
        return self._made(number, self.user(number), created=seen - DAY, seen=seen)

    def _made(self, number: int, user_id: str, *, created: Millis, seen: Millis) -> Record:
        ticket = self._ticket(number, user_id)
        browser, system = _BROWSERS[number % len(_BROWSERS)]
        spread = _spread(number)
        return Record(
            id=ticket.id, secret_digest=tokens.digest(ticket), created_at=created, last_seen_at=seen,
            idle_expires_at=seen + IDLE, expires_at=created + ABSOLUTE, rotated_at=created, confirmed_at=created + 40,
            user_id=user_id, roles=("user",), auth_time=created, amr=("pwd",),
            device=Device(
                browser=browser, system=system, agent_hash=spread.to_bytes(8, "big"),
                first_address=f"198.51.{spread & 255}.{spread >> 8 & 255}",
                last_address=f"203.0.{spread >> 16 & 255}.{spread >> 24 & 255}",
            ),
            data=DATA,
        )  # fmt: skip

    def _ticket(self, number: int, user_id: str) -> tokens.Ticket:
        return tokens.mint(_source(number), tag=tokens.user_tag(self._key, user_id))


def now() -> Millis:
    """Return this machine's time."""
    return time.time_ns() // 1_000_000


def some(count: int, below: int, seed: int) -> list[int]:
    """Return *count* numbers below *below*, any of them as likely as the others, the same for one *seed*."""
    draw = random.Random(seed)  # noqa: S311 - which sessions are looked up is no secret
    return [draw.randrange(below) for _ in range(count)]


def _source(number: int) -> Callable[[int], bytes]:
    """Return a source of bytes that looks random and is *number*'s own."""
    stream = hashlib.blake2b(number.to_bytes(8, "big")).digest()
    drawn = 0

    def draw(count: int) -> bytes:
        nonlocal drawn
        drawn += count
        return stream[drawn - count : drawn]

    return draw


def _spread(number: int) -> int:
    """Return 64 bits that differ widely from one number to the next."""
    return (number + 1) * 0x9E3779B97F4A7C15 & 0xFFFF_FFFF_FFFF_FFFF
