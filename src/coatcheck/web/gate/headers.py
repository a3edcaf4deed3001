"""What stands behind the gate is told who is signed in, by headers that nobody else can have written.

Inbound headers of these names are removed from every request, in every spelling that becomes the same name somewhere:
names are case-insensitive (RFC 9110, 5.1), CGI and WSGI make ``HTTP_X_USER_ID`` of ``X-User-Id`` and of ``X_User_Id``
(RFC 3875, 4.1.18), and some servers make an underscore of every other character (ASVS 4.1.3).
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import quote, unquote

from msgspec import Struct

_FROM: Final = bytes(range(256))
_CANONICAL: Final = bytes(
    ord(chr(byte).lower()) if chr(byte) in string.ascii_letters + string.digits else ord("-") for byte in _FROM
)
_NAME: Final = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*")
# All that is printed as it is: `%` begins an escape, `,` separates roles, spaces at the ends would be trimmed.
_PLAIN: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "%,")

_PRINTED: Final = re.compile(f"[{re.escape(_PLAIN)}]*")


class HeaderNames(Struct, frozen=True):
    """The headers that the gate writes.

    Attributes:
        user_id: whose session it is.
        roles: their roles, sorted and joined by commas; absent when there are none.
        session_id: the session's public id.
    """

    user_id: str = "x-user-id"
    roles: str = "x-user-role"
    session_id: str = "x-session-id"

    def faults(self) -> list[str]:
        """Return one sentence for each fault."""
        names = (self.user_id, self.roles, self.session_id)
        faults = [
            f'{name!r} is no name for a header: write letters, digits and single hyphens, such as "x-user-id"'
            for name in names
            if not isinstance(name, str) or not _NAME.fullmatch(name)
        ]
        if not faults and len({name.lower() for name in names}) < len(names):
            faults.append("two of the headers have one name; give each its own")
        if not faults and (taken := sorted({name.lower() for name in names} & _TAKEN)):
            faults.append(f"{taken[0]} is read by coatcheck or the server itself and cannot be removed; choose another")
        return faults


_TAKEN: Final = frozenset(
    {"accept", "authorization", "connection", "content-length", "content-type", "cookie", "host", "origin", "referer"}
    | {"sec-fetch-site", "sec-purpose", "transfer-encoding", "upgrade", "user-agent", "x-forwarded-for", "forwarded"}
)


def canonical(name: bytes) -> bytes:
    """Return the one spelling of all names that something downstream takes for the same."""
    return name.strip(b" \t").translate(_CANONICAL)


def canonical_names(names: HeaderNames) -> frozenset[bytes]:
    """Return the names in the spelling of `canonical`."""
    return frozenset(canonical(name.encode("ascii")) for name in (names.user_id, names.roles, names.session_id))


def stripped(headers: Iterable[tuple[bytes, bytes]], names: frozenset[bytes]) -> list[tuple[bytes, bytes]]:
    """Return raw headers without those of *names*, which are canonical; the others as and where they were."""
    lengths = {len(name) for name in names}
    return [
        header for header in headers if len(header[0].strip(b" \t")) not in lengths or canonical(header[0]) not in names
    ]


def made(names: HeaderNames, user_id: str, roles: Sequence[str], session_id: str) -> list[tuple[bytes, bytes]]:
    """Return the headers that say who is signed in."""
    headers = [(names.user_id, encode_value(user_id))]
    if roles:
        headers.append((names.roles, ",".join(encode_value(role) for role in sorted(roles))))
    headers.append((names.session_id, encode_value(session_id)))
    return [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in headers]


def encode_value(text: str) -> str:
    """Return *text* as printable ASCII: whatever else there is, and ``%``, ``,`` and spaces, percent-encoded."""
    return text if _PRINTED.fullmatch(text) else quote(text, safe=_PLAIN)


def decode_value(value: str) -> str:
    """Return what `encode_value` was given: a user's id out of ``x-user-id``.

    Raises:
        ValueError: the value holds bytes that are not UTF-8, so that the gate did not write it.
    """
    return unquote(value, errors="strict")


def decode_roles(value: str | None) -> tuple[str, ...]:
    """Return the roles out of ``x-user-role``, ``()`` where there is none.

    Raises:
        ValueError: as `decode_value`.
    """
    return tuple(decode_value(role) for role in value.split(",")) if value else ()
