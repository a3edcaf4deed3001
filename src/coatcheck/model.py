"""What a session is at rest: records, tombstones, devices.

Pure data. Times are whole milliseconds since the Unix epoch (``Millis``), digests are bytes with a leading version
byte, application data is one level of keys whose values are the codec's bytes. Nothing here is mutable and nothing
here prints a digest.

The structs are msgspec's because a frozen msgspec struct is built in a fifth of the time of a frozen dataclass, and a
record is built on every request (``docs/decisions/0004-codec.md``).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace as replace

from coatcheck.discreet import Discreet
from coatcheck.origin import PLAIN, Origin

Millis: TypeAlias = int
"""A point in time or a length of time, in whole milliseconds."""

Reason: TypeAlias = Literal["signed_out", "revoked", "evicted", "idle", "absolute", "superseded"]
"""Why a session ended. The first four and the last are acts; ``idle`` and ``absolute`` are the two clocks."""

RECORD_SCHEMA: Final = 1
"""The record format this release writes. It reads this one and every older one."""

_NOTHING: Final[Mapping[str, bytes]] = MappingProxyType({})


def is_text(text: str) -> bool:
    """Whether every store can keep *text* as it is: no lone surrogate, which UTF-8 has not, and no NUL."""
    return "\0" not in text and (text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text))


class Device(Discreet, frozen=True, kw_only=True):
    """What is remembered of the browser behind a session; the raw user agent is never kept.

    Attributes:
        browser: name and major version, such as ``"Firefox 153"``; ``None`` when it was not recognised.
        system: operating system, such as ``"Android"``; ``None`` when it was not recognised.
        agent_hash: 8-byte keyed hash of the user agent, to notice a change of browser.
        first_address: client address at the session's start, as text.
        last_address: client address at the last recorded activity, as text.
        device_id: a stable identifier that the application may supply.
    """

    browser: str | None = None
    system: str | None = None
    agent_hash: bytes = b""
    first_address: str | None = None
    last_address: str | None = None
    device_id: str | None = None

    def __repr__(self) -> str:
        """Show what a person would recognise, not the hash."""
        return f"Device(browser={self.browser!r}, system={self.system!r})"

    @property
    def name(self) -> str:
        """A short label for people, such as ``"Firefox 153 on Linux"``."""
        known = [part for part in (self.browser, self.system) if part]
        return " on ".join(known) if known else "Unknown browser"


class Record(Discreet, frozen=True, kw_only=True):
    """A live session as a store keeps it.

    Attributes:
        id: public handle; safe to list, log and revoke by.
        secret_digest: versioned digest of the secret that is valid now.
        created_at: when the session began; rotation and renewal never change it.
        last_seen_at: the last recorded activity, right to within the policy's ``touch_every``.
        idle_expires_at: the idle clock's deadline, ``None`` when the policy has no idle timeout.
        expires_at: the absolute clock's deadline, ``None`` when the policy has none.
        rotated_at: when the current secret was made.
        previous_digest: digest of the secret before this one, kept until the next rotation.
        successor_nonce: what the current secret was derived with from the previous one at a rotation by age;
            ``None`` after a rotation by privilege, where the previous secret was dead at once.
        confirmed_at: when the current secret was first presented; ``None`` while nobody has shown it.
        rotate_due: a change of privilege made elsewhere asks for a new secret at the next request.
        user_id: whom the session belongs to, ``None`` for an anonymous one.
        roles: sorted, without repeats.
        auth_time: when the user last proved who they are.
        amr: authentication methods (RFC 8176 values).
        aal: assurance level (NIST SP 800-63B), ``None`` when nobody stated one.
        version: grows by one with every commit of data.
        generation: grows by one with every change of privilege.
        epoch: the store-wide epoch at creation, written by the store.
        locks: the idle clock locks this session instead of ending it (NIST AAL2).
        lifetime: which of the policy's lifetimes the session has: ``"default"`` or ``"remember_me"``.
        persistent: whether the cookie survives the browser.
        tenant: the namespace the session lives in.
        device: what is known of the browser.
        data: the application's keys, each value encoded by the codec.
        origin: how the session came to be; written when it is made and never after.
        schema: the format the record was written in.
    """

    id: str
    secret_digest: bytes
    created_at: Millis
    last_seen_at: Millis
    idle_expires_at: Millis | None
    expires_at: Millis | None
    rotated_at: Millis
    previous_digest: bytes | None = None
    successor_nonce: bytes | None = None
    confirmed_at: Millis | None = None
    rotate_due: bool = False
    user_id: str | None = None
    roles: tuple[str, ...] = ()
    auth_time: Millis | None = None
    amr: tuple[str, ...] = ()
    aal: int | None = None
    version: int = 1
    generation: int = 1
    epoch: int = 0
    locks: bool = False
    lifetime: str = "default"
    persistent: bool = True
    tenant: str = ""
    device: Device | None = None
    data: Mapping[str, bytes] = _NOTHING
    origin: Origin = PLAIN
    schema: int = RECORD_SCHEMA

    def __repr__(self) -> str:
        """Show the public handle and the owner; never a digest or a datum."""
        return f"Record(id={self.id!r}, user_id={self.user_id!r}, version={self.version}, generation={self.generation})"

    @property
    def waiting(self) -> bool:
        """Whether the current secret came by a rotation by age and nobody has presented it yet."""
        return self.successor_nonce is not None and self.confirmed_at is None

    def dead_at(self, now: Millis) -> Literal["idle", "absolute"] | None:
        """Say which clock has run out at *now*, the earlier one if both have; ``None`` while the session is alive."""
        idle, absolute = self.idle_expires_at, self.expires_at
        if absolute is not None and now >= absolute and (idle is None or absolute <= idle):
            return "absolute"
        if idle is not None and now >= idle:
            return "idle"
        return None

    def sweepable_at(self, now: Millis) -> Literal["idle", "absolute"] | None:
        """Like `dead_at`, but a session that only locks when idle is left until its absolute deadline."""
        if self.locks and (self.expires_at is None or now < self.expires_at):
            return None
        return self.dead_at(now)


class Tombstone(Discreet, frozen=True, kw_only=True):
    """What is left of a session that ended: enough to say why, and to refuse a late write.

    Attributes:
        id: the ended session's public handle.
        secret_digest: its last secret's digest, so that only its holder is told the reason.
        previous_digest: the digest of the secret before it.
        waiting: the last secret was never presented, so that the one before it may still be the browser's.
        created_at: when the session had begun.
        last_seen_at: its last recorded activity.
        ended_at: when it ended.
        reason: why it ended.
        user_id: whom it belonged to.
        device: the browser it lived in.
        had_data: whether the application had stored anything.
        tenant: the namespace it lived in.
    """

    id: str
    secret_digest: bytes
    created_at: Millis
    last_seen_at: Millis
    ended_at: Millis
    reason: Reason
    previous_digest: bytes | None = None
    waiting: bool = False
    user_id: str | None = None
    device: Device | None = None
    had_data: bool = False
    tenant: str = ""

    def __repr__(self) -> str:
        """Show the public handle and the reason; never the digest."""
        return f"Tombstone(id={self.id!r}, user_id={self.user_id!r}, reason={self.reason!r})"


class Damaged(Struct, frozen=True):
    """A row that is there but cannot be decoded: quarantined, reported, and treated as signed out."""

    id: str
    why: str


class FromTheFuture(Struct, frozen=True):
    """A well-formed record that a newer release wrote: left untouched, its cookie kept, answered with 503."""

    id: str
    schema: int


Found: TypeAlias = Record | Tombstone | Damaged | FromTheFuture | None
"""What a store may answer for one id."""


def entomb(record: Record, reason: Reason, now: Millis) -> Tombstone:
    """Make the tombstone that *record* leaves when it ends for *reason* at *now*."""
    return Tombstone(
        id=record.id,
        secret_digest=record.secret_digest,
        created_at=record.created_at,
        last_seen_at=record.last_seen_at,
        ended_at=now,
        reason=reason,
        previous_digest=record.previous_digest,
        waiting=record.waiting,
        user_id=record.user_id,
        device=record.device,
        had_data=bool(record.data),
        tenant=record.tenant,
    )


class SessionInfo(Struct, frozen=True, kw_only=True):
    """One session as lists show it: no secret, no digest, no application data.

    Times are milliseconds since the Unix epoch. ``reason`` is ``None`` while the session lives. Of an ended session
    neither roles nor how its user signed in nor how it came to be are known any more.

    Attributes:
        rotated_at: when its present secret was made.
        confirmed_at: when that secret was first presented; ``None`` while nobody has shown it.
        auth_time: when the user last proved who they are.
        amr: how (RFC 8176 values).
        aal: assurance level (NIST SP 800-63B), ``None`` when nobody stated one.
        carrier: what carries its ticket: ``"cookie"``, ``"bearer"``, ``"exchange"`` or ``"accounts"`` (a browser's list
            of accounts); empty once it has ended.
        actor_id: who really acts, where somebody impersonates the user.
        label: the name that a person gave to an API token.
    """

    id: str
    user_id: str | None
    roles: tuple[str, ...]
    created_at: Millis
    last_seen_at: Millis
    idle_expires_at: Millis | None
    expires_at: Millis | None
    ended_at: Millis | None
    reason: Reason | None
    persistent: bool
    lifetime: str
    version: int
    generation: int
    device: Device | None
    data_bytes: int
    rotated_at: Millis | None = None
    confirmed_at: Millis | None = None
    auth_time: Millis | None = None
    amr: tuple[str, ...] = ()
    aal: int | None = None
    carrier: str = "cookie"
    actor_id: str | None = None
    label: str | None = None

    @property
    def live(self) -> bool:
        """Whether the session had not ended when it was listed."""
        return self.reason is None

    def as_json(self) -> dict[str, Any]:
        """Return plain values for ``--json`` and APIs; times stay milliseconds since the Unix epoch."""
        shown = {name: getattr(self, name) for name in self.__struct_fields__ if name != "device"}
        shown["roles"], shown["amr"] = list(self.roles), list(self.amr)
        shown["device"] = self.device.name if self.device else None
        shown["first_address"] = self.device.first_address if self.device else None
        shown["last_address"] = self.device.last_address if self.device else None
        return shown


def describe(found: Record | Tombstone, now: Millis) -> SessionInfo:
    """Turn a record or a tombstone into what lists may show at *now*."""
    if isinstance(found, Tombstone):
        return SessionInfo(
            id=found.id, user_id=found.user_id, roles=(), created_at=found.created_at,
            last_seen_at=found.last_seen_at, idle_expires_at=None, expires_at=None, ended_at=found.ended_at,
            reason=found.reason, persistent=False, lifetime="", version=0, generation=0, device=found.device,
            data_bytes=0, carrier="",
        )  # fmt: skip
    return SessionInfo(
        id=found.id, user_id=found.user_id, roles=found.roles, created_at=found.created_at,
        last_seen_at=found.last_seen_at, idle_expires_at=found.idle_expires_at, expires_at=found.expires_at,
        ended_at=None, reason=found.dead_at(now), persistent=found.persistent, lifetime=found.lifetime,
        version=found.version, generation=found.generation, device=found.device,
        data_bytes=sum(len(key.encode()) + len(value) for key, value in found.data.items()),
        rotated_at=found.rotated_at, confirmed_at=found.confirmed_at, auth_time=found.auth_time, amr=found.amr,
        aal=found.aal, carrier=found.origin.carrier, actor_id=found.origin.actor_id, label=found.origin.label,
    )  # fmt: skip
