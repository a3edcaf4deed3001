"""The session cookie on the wire: a strict writer and a strict reader.

The standard library's ``http.cookies`` unquotes, and frameworks trim whatever ``str.strip`` calls whitespace; both let
a cookie with another name pass for ours. So this module knows the little grammar that a session needs, and no more:

* `CookieSpec` is what the application chose; its ``faults`` lists every choice that a browser would answer by dropping
  the cookie or by widening its scope.
* `CookieSpec.on` gives the `Cookie` for a transport: on plain http, which only local hosts may use, it has another
  name, and that name alone is read there.
* `read` finds one cookie in the ``Cookie`` headers of a request.

Sources: RFC 6265bis, 4.1 (what a server sends), 5.6 and 5.7 (what a browser keeps); CHIPS for ``Partitioned``.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal, TypeAlias

SameSite: TypeAlias = Literal["lax", "strict", "none"]
"""On which requests from other sites a browser sends the cookie: navigations, none, or all."""

MAX_AGE_LIMIT: Final = 34_560_000
"""Seconds in 400 days; browsers shorten a longer life."""

PAIR_LIMIT: Final = 4096
"""Octets of name and value together; browsers silently drop a longer cookie."""

ATTRIBUTE_LIMIT: Final = 1024
"""Octets of one attribute's value; browsers ignore a longer attribute and keep the cookie without it."""

HEADER_LIMIT: Final = 65_536
"""Octets of all ``Cookie`` headers together that `read` is willing to look into."""

TICKET_OCTETS: Final = 70
"""Octets of a ticket's value, which a name must leave room for."""

_PREFIXES: Final = ("__Host-Http-", "__Http-", "__Host-", "__Secure-")  # the longest first: one begins like another
_HOST_ONLY: Final = frozenset({"__Host-Http-", "__Host-"})
_SAME_SITE: Final = {"lax": "Lax", "strict": "Strict", "none": "None"}
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+")
_PATH: Final = re.compile(r"[\x21-\x3a\x3c-\x7e]*")
_DOMAIN: Final = re.compile(
    r"(?=.{1,253}\Z)(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+"
    r"(?=[A-Za-z])[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)


class Unusable(enum.Enum):
    """Why a request's ``Cookie`` headers supply no session although they hold something."""

    REPEATED = "repeated"
    """The name appears more than once, which a browser does only if somebody planted a second cookie (C-10)."""

    OVERSIZED = "oversized"
    """The headers are longer than `HEADER_LIMIT` together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CookieSpec:
    """How the session cookie is called and where browsers send it. It is always ``HttpOnly``; there is no option.

    Attributes:
        name: its name on https. A prefix (``__Host-``, ``__Secure-``, ``__Http-``, ``__Host-Http-``) makes browsers
            enforce what it stands for.
        same_site: on which requests from other sites it is sent.
        path: the path below which it is sent. Not a security boundary (C-8).
        domain: also send it to every host below this one; ``None``, the default, keeps it to the host that set it.
        partitioned: keep one for every top-level site that embeds the application (CHIPS).
    """

    http_only: ClassVar[Literal[True]] = True

    name: str = "__Host-session"
    same_site: SameSite = "lax"
    path: str = "/"
    domain: str | None = None
    partitioned: bool = False

    def faults(self) -> list[str]:
        """List all that a browser would drop or widen, one sentence each, with its remedy; empty when all is well."""
        return [*_name_faults(self.name), *_prefix_faults(self), *_path_faults(self.path), *_other_faults(self)]

    def on(self, *, secure: bool) -> Cookie:
        """Return the cookie for https, or for plain http on a local host. Make both once: requests need only them.

        Browsers refuse ``Secure`` over plain http, and what depends on it. So there the prefix is taken off the name,
        ``SameSite=None`` becomes ``Lax``, and ``Partitioned`` is left out. ``Domain`` is left out as well: it could
        not match a local host.
        """
        if secure:
            return Cookie(name=self.name, attributes=self._attributes())
        name = self.name[len(_exact_prefix(self.name)) :]
        same_site = "Lax" if self.same_site == "none" else _SAME_SITE[self.same_site]
        return Cookie(name=name, attributes=f"; Path={self.path}; HttpOnly; SameSite={same_site}")

    def _attributes(self) -> str:
        """Spell what follows the value on https; the same text ends every cookie and every deletion."""
        domain = f"; Domain={self.domain}" if self.domain else ""
        partitioned = "; Partitioned" if self.partitioned else ""
        return f"; Path={self.path}{domain}; Secure; HttpOnly; SameSite={_SAME_SITE[self.same_site]}{partitioned}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cookie:
    """A session cookie on one transport: its name there, and the attributes it is both set and deleted with.

    Attributes:
        name: the name that is written and the only one that is read.
        attributes: all but ``Max-Age``, as text that follows the value.
    """

    name: str
    attributes: str
    _wanted: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Prepare what `read` looks for, once."""
        object.__setattr__(self, "_wanted", _wanted(self.name))

    def read(self, headers: Iterable[bytes]) -> str | Unusable | None:
        """Find this cookie's value in a request's ``Cookie`` headers; see the module's `read`."""
        return _find(headers, self._wanted)

    def write(self, value: str, *, max_age: int | None = None) -> str:
        """Return a ``Set-Cookie`` value.

        Args:
            value: what the browser will send back.
            max_age: seconds to live, at most `MAX_AGE_LIMIT`; ``None`` lets the cookie end with the browser.

        Raises:
            ValueError: *value* is empty or has an octet that RFC 6265bis does not allow (white space, quote, comma,
                semicolon, backslash, control or non-ASCII), name and value are longer than `PAIR_LIMIT`, or *max_age*
                is out of range. The message never shows the value.
        """
        if not _VALUE.fullmatch(value):
            raise ValueError(f"the value of cookie {self.name!r} is empty or has an octet that a cookie cannot carry")
        if len(self.name) + len(value) > PAIR_LIMIT:
            size = len(self.name) + len(value)
            raise ValueError(f"cookie {self.name!r} takes {size} octets and browsers drop more than {PAIR_LIMIT}")
        if max_age is None:
            return f"{self.name}={value}{self.attributes}"
        if not 0 <= max_age <= MAX_AGE_LIMIT:
            raise ValueError(f"max_age is {max_age} seconds and must lie between 0 and {MAX_AGE_LIMIT}")
        return f"{self.name}={value}; Max-Age={max_age:d}{self.attributes}"

    def delete(self) -> str:
        """Return the ``Set-Cookie`` value that removes it: same attributes, else a browser ignores it (C-21)."""
        return f"{self.name}=; Max-Age=0{self.attributes}"


def read(headers: Iterable[bytes], name: str) -> str | Unusable | None:
    """Find the value of the cookie *name* in all of a request's ``Cookie`` headers (HTTP/2 splits them, C-9).

    A pair begins at the start of a header or after a semicolon. Space and tab around the pair are trimmed, nothing
    else; the name must then stand there octet by octet up to the first ``=``. The value comes back verbatim: quotes
    and backslashes mean nothing (C-22, C-23). Never raises, and takes time in proportion to the length.

    Returns:
        The value, octets as Latin-1; ``None`` if the cookie is not there; `Unusable` if nothing should be believed.
    """
    return _find(headers, _wanted(name))


def max_age_seconds(deadline: int, now: int) -> int:
    """Return the seconds from *now* to *deadline* (milliseconds), rounded up, between 0 and `MAX_AGE_LIMIT`.

    Up, because the cookie must not die before the record does (ruling 17).
    """
    return min(max(-((now - deadline) // 1000), 0), MAX_AGE_LIMIT)


def _wanted(name: str) -> bytes:
    """Return the octets that a pair with *name* begins with; no header holds those of a name beyond ASCII."""
    return name.encode("utf-8", "surrogatepass") + b"="


def _find(headers: Iterable[bytes], wanted: bytes) -> str | Unusable | None:
    """Look for the one pair that begins with *wanted*."""
    total = seen = 0
    value = b""
    for header in headers:
        total += len(header)
        if total > HEADER_LIMIT:
            return Unusable.OVERSIZED
        if wanted not in header:
            continue
        for crumb in header.split(b";"):
            pair = crumb.strip(b" \t")
            if pair.startswith(wanted):
                seen += 1
                value = pair[len(wanted) :]
    if seen > 1:
        return Unusable.REPEATED
    return value.decode("latin-1") if seen else None


def _exact_prefix(name: str) -> str:
    """Return the prefix of *name* as browsers spell it, or nothing."""
    return next((prefix for prefix in _PREFIXES if name.startswith(prefix)), "")


def _prefix(name: str) -> str:
    """Return the prefix whose rules a browser applies to *name*: it compares without regard to case."""
    return next((prefix for prefix in _PREFIXES if name.lower().startswith(prefix.lower())), "")


def _name_faults(name: str) -> Iterator[str]:
    """Yield what is wrong with a name."""
    if not name:
        yield 'the cookie has no name: browsers mix up nameless cookies; call it "__Host-session"'
    elif not _TOKEN.fullmatch(name):
        yield f"the cookie's name {name!r} is not a token: use letters, digits, hyphen, underscore or dot"
    room = PAIR_LIMIT - TICKET_OCTETS
    if len(name) > room:
        yield (
            f"the cookie's name has {len(name)} characters: with its value it would pass {PAIR_LIMIT} octets and "
            f"browsers would drop it; use at most {room}"
        )


def _prefix_faults(spec: CookieSpec) -> Iterator[str]:
    """Yield what does not agree with the name's prefix. ``Secure`` and ``HttpOnly`` are never missing."""
    prefix = _prefix(spec.name)
    if not prefix:
        return
    bare = spec.name[len(prefix) :]
    if not spec.name.startswith(prefix):
        yield f"the name {spec.name!r} spells its prefix in a way older browsers do not enforce: begin it {prefix!r}"
    if not bare:
        yield f'the name {spec.name!r} is only a prefix: put a name behind it, such as "{prefix}session"'
    if _prefix(bare):
        yield f"the name {spec.name!r} has two prefixes: keep one; {'__Host-Http-'!r} is the strictest"
    if prefix in _HOST_ONLY and spec.domain is not None:
        yield (
            f"browsers drop a {prefix!r} cookie that has a domain: remove domain={spec.domain!r}, or write "
            f'cookie_name="__Secure-{bare}"'
        )
    if prefix in _HOST_ONLY and spec.path != "/":
        yield (
            f'browsers drop a {prefix!r} cookie whose path is not "/": remove path={spec.path!r}, or write '
            f'cookie_name="__Secure-{bare}"'
        )


def _path_faults(path: str) -> Iterator[str]:
    """Yield what is wrong with a path."""
    if not path.startswith("/"):
        yield f'the path {path!r} does not begin with "/", so browsers use the directory of the request: write "/..."'
    if not _PATH.fullmatch(path):
        yield (
            f"the path {path!r} has a control character, white space, a semicolon or a non-ASCII character: "
            "percent-encode it as the browser does in the address"
        )
    if len(path.encode("utf-8", "surrogatepass")) > ATTRIBUTE_LIMIT:
        yield f"the path is longer than {ATTRIBUTE_LIMIT} octets, so browsers ignore it and widen the scope: shorten it"


def _other_faults(spec: CookieSpec) -> Iterator[str]:
    """Yield what is wrong with the domain and with SameSite."""
    if spec.domain is not None and not _DOMAIN.fullmatch(spec.domain):
        yield (
            f"the domain {spec.domain!r} is not one that browsers accept: write a host name of two labels or more "
            'in ASCII, without leading dot, port or scheme, such as "example.com"; for an IP address or one host alone '
            "leave domain out"
        )
    if spec.same_site not in _SAME_SITE:
        yield f'same_site is {spec.same_site!r}: write "lax", "strict" or "none"'
