"""Choosing sessions: what lists show and what a bulk revocation ends. Pure: the time is in the bounds."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias, get_args

from msgspec import Struct

from coatcheck.durations import in_words
from coatcheck.model import Millis, Reason, SessionInfo

_Address: TypeAlias = IPv4Address | IPv6Address
_Network: TypeAlias = IPv4Network | IPv6Network

REASONS: Final[tuple[str, ...]] = get_args(Reason)
"""What ``reason`` may be."""


class Selection(Struct, frozen=True, kw_only=True):
    """Which sessions are meant: those to which all of it applies. What is ``None`` does not matter.

    Of an ended session no role and no lifetime is kept, so ``role`` and ``remembered`` match live sessions alone.

    Attributes:
        user_id: it belongs to this user.
        role: it has this role.
        device: the browser's name, such as ``"Firefox 153 on Linux"``, holds this text; case does not matter.
        address: its first or its last address is this one, or lies in this network, such as ``"10.0.0.0/8"``.
        created_before: it began before this moment, in milliseconds since the Unix epoch.
        created_after: it began at this moment or later.
        seen_before: it was last seen before this moment.
        seen_after: it was last seen at this moment or later.
        signed_in: somebody is signed in, or (``False``) nobody is.
        remembered: it was made with ``login(remember=True)``, or (``False``) without.
        reason: it ended for this reason.
        ended: it has ended, or (``False``) it has not.

    Raises:
        ValueError: a part cannot be read, or two exclude each other.
    """

    user_id: str | None = None
    role: str | None = None
    device: str | None = None
    address: str | None = None
    created_before: Millis | None = None
    created_after: Millis | None = None
    seen_before: Millis | None = None
    seen_after: Millis | None = None
    signed_in: bool | None = None
    remembered: bool | None = None
    reason: Reason | None = None
    ended: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what no session can match, and a blank part, which would match them all."""
        for name in ("user_id", "role", "device", "address"):
            value = getattr(self, name)
            if value is not None and not value.strip():
                raise ValueError(f"{name} is blank; leave it out where it does not matter")
        if self.address is not None:
            network_of(self.address)
        if self.reason is not None and self.reason not in REASONS:
            raise ValueError(f"reason={self.reason!r} is not known; choose one of {', '.join(REASONS)}")
        if self.reason is not None and self.ended is False:
            raise ValueError("a session that has not ended has no reason; leave out reason, or ended=False")
        if self.user_id is not None and self.signed_in is False:
            raise ValueError("an anonymous session has no user; leave out user_id, or signed_in=False")
        for name in ("created", "seen"):
            before, after = getattr(self, f"{name}_before"), getattr(self, f"{name}_after")
            if before is not None and after is not None and before <= after:
                raise ValueError(f"{name}_before does not lie after {name}_after, so nothing lies between them")

    def matches(self, info: SessionInfo) -> bool:
        """Whether *info* is one of those meant."""
        return (
            (self.user_id is None or info.user_id == self.user_id)
            and (self.signed_in is None or (info.user_id is not None) == self.signed_in)
            and (self.role is None or self.role in info.roles)
            and (self.remembered is None or (info.lifetime != "" and self.remembered == _is_remembered(info)))
            and (self.reason is None or info.reason == self.reason)
            and (self.ended is None or info.live != self.ended)
            and _between(info.created_at, self.created_after, self.created_before)
            and _between(info.last_seen_at, self.seen_after, self.seen_before)
            and (self.device is None or self.device.casefold() in _device(info).casefold())
            and (self.address is None or _comes_from(info, network_of(self.address)))
        )

    def words(self, now: Millis) -> str:
        """Say which sessions are meant at *now*, such as ``"sessions of user u-1 not seen for 7 days"``."""
        kinds = {True: "ended ", False: "live ", None: ""}
        who = {True: "signed-in ", False: "anonymous ", None: ""}
        memory = {True: "remembered ", False: "unremembered ", None: ""}
        begin = f"{kinds[self.ended]}{who[self.signed_in]}{memory[self.remembered]}sessions"
        return " ".join((begin, *self._parts(now)))

    def _parts(self, now: Millis) -> list[str]:
        """Say each condition that follows the noun."""
        return [
            *([] if self.user_id is None else [f"of user {self.user_id}"]),
            *([] if self.role is None else [f"with the role {self.role}"]),
            *([] if self.device is None else [f"in a browser named like {self.device!r}"]),
            *([] if self.address is None else [f"from {self.address}"]),
            *([] if self.reason is None else [f"that ended for the reason {self.reason}"]),
            *([] if self.created_before is None else [f"begun more than {_length(now, self.created_before)} ago"]),
            *([] if self.created_after is None else [f"begun in the last {_length(now, self.created_after)}"]),
            *([] if self.seen_before is None else [f"not seen for {_length(now, self.seen_before)}"]),
            *([] if self.seen_after is None else [f"seen in the last {_length(now, self.seen_after)}"]),
        ]


EVERYTHING: Final = Selection()
"""The selection of every session."""


@lru_cache(maxsize=64)
def network_of(text: str) -> _Network:
    """Return the network that an address or a network in CIDR notation names.

    Raises:
        ValueError: *text* is neither.
    """
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValueError(
            f"{text!r} is neither an address nor a network; write one such as 10.1.2.3, 10.0.0.0/8 or 2001:db8::/32"
        ) from None


def _comes_from(info: SessionInfo, network: _Network) -> bool:
    """Whether the first or the last address that is known of a session lies in *network*."""
    if info.device is None:
        return False
    known = (info.device.first_address, info.device.last_address)
    return any(_lies_in(address, network) for address in known if address is not None)


def _lies_in(address: str, network: _Network) -> bool:
    try:
        parsed: _Address = ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return parsed in network or (mapped is not None and mapped in network)


def _between(at: Millis, after: Millis | None, before: Millis | None) -> bool:
    return (after is None or at >= after) and (before is None or at < before)


def _device(info: SessionInfo) -> str:
    """Return the browser's name as lists show it."""
    return info.device.name if info.device else "Unknown browser"


def _is_remembered(info: SessionInfo) -> bool:
    return info.lifetime == "remember_me"


def _length(now: Millis, at: Millis) -> str:
    return in_words(now - at)
