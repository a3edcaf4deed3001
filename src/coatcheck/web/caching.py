"""Response headers that keep a session out of shared caches.

Neither ``Cookie`` nor ``Set-Cookie`` stops a cache from storing an answer (RFC 9111, 7.3). Every function takes ASGI
raw headers and returns a new list, in which the order and spelling of the other headers are as they were.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

RawHeaders: TypeAlias = list[tuple[bytes, bytes]]
"""Header names and values as ASGI carries them; a name may appear several times."""

# They speak to one cache and overrule Cache-Control there (RFC 9213; X-Accel-Expires is nginx's, Edge-Control
# Akamai's). Expires goes too: a cache that does not know no-store would read it alone.
_OVERRULING: Final = frozenset({b"surrogate-control", b"x-accel-expires", b"edge-control", b"expires"})


def add_vary_cookie(headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
    """Say that the answer depends on ``Cookie``, for an answer whose session was looked at (K-2)."""
    return add_vary(headers, b"Cookie")


def add_vary(headers: Iterable[tuple[bytes, bytes]], *names: bytes) -> RawHeaders:
    """Add *names* to ``Vary`` unless they are there already; ``*`` says more than any name and is left alone."""
    kept = list(headers)
    at = [index for index, (name, _) in enumerate(kept) if name.lower() == b"vary"]
    if not at:
        return [*kept, (b"vary", b", ".join(names))] if names else kept
    known = {member.lower() for index in at for member in _members(kept[index][1])}
    missing = [name for name in names if name.lower() not in known]
    if b"*" in known or not missing:
        return kept
    name, value = kept[at[0]]
    kept[at[0]] = (name, b", ".join([*_members(value), *missing]))
    return kept


def forbid_storing(headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
    """Forbid every cache to store the answer, whatever the handler said (K-1, K-3).

    ``private`` is for caches that do not know ``no-store``, some CDNs among them. Headers that overrule
    ``Cache-Control`` at one cache are removed (K-6), and ``Expires``. A handler's ``no-transform`` stays: it keeps
    proxies from buffering an event stream in order to compress it.
    """
    kept: RawHeaders = []
    directives = [b"no-store", b"private"]
    for name, value in headers:
        lowered = name.lower()
        if lowered == b"cache-control":
            if b"no-transform" in (member.lower() for member in _members(value)):
                directives[2:] = [b"no-transform"]
        elif lowered not in _OVERRULING and not lowered.endswith(b"-cache-control"):
            kept.append((name, value))
    return [*kept, (b"cache-control", b", ".join(directives))]


def drop_set_cookie(headers: Iterable[tuple[bytes, bytes]], name: str) -> RawHeaders:
    """Remove every ``Set-Cookie`` for the cookie *name*, so that one written afterwards is the only one (C-3)."""
    wanted = name.encode()
    return [(field, value) for field, value in headers if field.lower() != b"set-cookie" or _cookie(value) != wanted]


def _cookie(value: bytes) -> bytes | None:
    """Return the name that a browser would read in a ``Set-Cookie`` value; ``None`` for a nameless cookie."""
    name, equals, _ = value.partition(b";")[0].partition(b"=")
    return name.strip(b" \t") if equals else None


def _members(value: bytes) -> list[bytes]:
    """Split a comma-separated header into its members, without the empty ones."""
    return [member for part in value.split(b",") if (member := part.strip(b" \t"))]
