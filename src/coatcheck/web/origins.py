"""Cross-site request forgery, without a token: did this request come from our own pages?

Browsers say so themselves. ``Sec-Fetch-Site`` decides where it is sent, which every current browser does over https;
older ones are judged by ``Origin``, then by the origin of ``Referer``. Scripts can set none of the three for somebody
else's browser. The rule is that of Go's ``CrossOriginProtection``, made stricter in three points: the whole origin is
compared and not the host alone, a request that says nothing about its origin is refused, and so is a repeated header.

A refusal depends on `DECIDED_BY`: the answer carries them in ``Vary`` and must not be stored (G-18).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from urllib.parse import unquote_to_bytes

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing. They are compared as they are: ``get`` is another method (RFC 9110, 9.1)."""

DECIDED_BY: Final = (b"Sec-Fetch-Site", b"Origin", b"Referer")
"""The headers that a verdict depends on."""

RefusedFor: TypeAlias = Literal["repeated_header", "cross_site", "other_origin", "other_referer", "no_origin"]
"""A short word for logs and metrics; it never holds what the request said."""

_DEFAULT_PORTS: Final = {"http": "80", "https": "443", "ws": "80", "wss": "443"}
_OVERRIDES: Final = frozenset({b"x-http-method-override", b"x-http-method", b"x-method-override"})
HIDING: Final = frozenset({b"upgrade"}) | _OVERRIDES
"""Headers that may hide an act behind a safe method."""

_LOOKED_AT: Final = frozenset({b"sec-fetch-site", b"origin", b"referer"}) | HIDING
_ORIGIN: Final = re.compile(
    r"([a-z][a-z0-9+.-]*)://([a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?", re.IGNORECASE
)
_BEFORE_PATH: Final = re.compile(r"[^/?#]*://[^/?#]*")


@dataclass(frozen=True, slots=True)
class Allowed:
    """The request may go on."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The request is to be answered with 403, before any handler runs."""

    reason: RefusedFor


Verdict: TypeAlias = Allowed | Refused

_ALLOWED: Final = Allowed()


def judge_origin(
    method: str,
    headers: Iterable[tuple[bytes, bytes]],
    own_origin: str,
    trusted: Collection[str] = (),
    *,
    missing: Literal["refuse", "allow"] = "refuse",
) -> Verdict:
    """Say whether a request may change something.

    Args:
        method: the request's method. For a WebSocket pass ``"CONNECT"``: its handshake is a ``GET`` that other sites
            may send. One that arrives as plain HTTP/1.1 is also known by its ``Upgrade`` header (G-14), and a method
            in an override header counts (G-13); one in a form field or a query is the caller's to pass here.
        headers: raw ASGI headers.
        own_origin: scheme, host and port that this request was sent to, such as ``"https://example.com"``.
        trusted: further origins whose pages may send requests, as `parse_origins` returns them.
        missing: what becomes of a request that has none of the three headers. Such a request is not from a page in a
            browser; ``"allow"`` suits an API whose other clients carry no cookies.
    """
    said: dict[bytes, list[str]] = {}
    for name, value in headers:
        if (lowered := name.lower()) in _LOOKED_AT:
            said.setdefault(lowered, []).append(value.decode("latin-1").strip(" \t"))
    if method in SAFE_METHODS and not _hides_an_act(said):
        return _ALLOWED
    sites, origins, referers = (said.get(name.lower(), []) for name in DECIDED_BY)
    if max(len(sites), len(origins), len(referers)) > 1:
        return Refused("repeated_header")
    origin = canonical_origin(origins[0]) if origins else None
    if origin is not None and origin in trusted:
        return _ALLOWED
    if sites:
        return _ALLOWED if sites[0] in {"same-origin", "none"} else Refused("cross_site")
    own = {canonical_origin(own_origin)} - {None}
    if origins:
        return _ALLOWED if origin in own else Refused("other_origin")
    if referers:
        referer = _origin_of(referers[0])
        return _ALLOWED if referer in own or referer in trusted else Refused("other_referer")
    return _ALLOWED if missing == "allow" else Refused("no_origin")


def is_safe(method: str, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a request changes nothing: a safe method, no WebSocket's handshake and no override of the method."""
    if method not in SAFE_METHODS:
        return False
    said: dict[bytes, list[str]] = {}
    for name, value in headers:
        if (lowered := name.lower()) in HIDING:
            said.setdefault(lowered, []).append(value.decode("latin-1").strip(" \t"))
    return not said or not _hides_an_act(said)


def names_a_method(query: bytes) -> bool:
    """Whether a query may ask for another method, however it is escaped: ``_method``, ``_%6dethod`` (G-13)."""
    plain = unquote_to_bytes(query) if b"%" in query else query
    return b"method" in plain.lower()


def canonical_origin(text: str) -> str | None:
    """Return an origin as browsers spell it: lower case, no default port. ``None`` if *text* is not just an origin.

    ``null`` is none: every sandboxed frame of every site has it (G-9).
    """
    match = _ORIGIN.fullmatch(text)
    if match is None:
        return None
    scheme, host, port = match[1].lower(), match[2].lower(), match[3]
    if port is None or port == _DEFAULT_PORTS.get(scheme):
        return f"{scheme}://{host}"
    return f"{scheme}://{host}:{port}" if int(port) < 65_536 else None


def parse_origins(values: Iterable[str]) -> tuple[frozenset[str], list[str]]:
    """Read a list of trusted origins; returns them in canonical form, and one sentence for each that is wrong."""
    if isinstance(values, str):
        return frozenset(), [f"trusted origins are a list, not text: write [{values!r}]"]
    origins = {value: canonical_origin(value) for value in values}
    faults = [
        f'{value!r} is not an origin: write scheme, host and port alone, such as "https://app.example.com"'
        for value, origin in origins.items()
        if origin is None
    ]
    return frozenset(origin for origin in origins.values() if origin is not None), faults


def _hides_an_act(said: dict[bytes, list[str]]) -> bool:
    """Whether a request with a safe method opens a WebSocket or asks to be taken for another method."""
    if any("websocket" in value.lower() for value in said.get(b"upgrade", ())):
        return True
    return any(value not in SAFE_METHODS for name in _OVERRIDES for value in said.get(name, ()))


def _origin_of(url: str) -> str | None:
    """Return the origin of a ``Referer``; ``None`` if it has none, or one that a browser would not have sent."""
    match = _BEFORE_PATH.match(url)
    return canonical_origin(match[0]) if match else None
