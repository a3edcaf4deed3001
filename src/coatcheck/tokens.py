"""Tickets: the one place that knows what an id and a secret look like.

A cookie's value is ``id.secret``:

* the **id** is public, 26 characters: one region character (``0`` until there are regions), three characters of the
  owner's 18-bit keyed tag (random for anonymous sessions), and 128 random bits as 22 characters of base64url, or as
  many that only the store's key tells from random ones (`in_place_of`);
* the **secret** is 256 random bits as 43 characters of base64url. Stores see only its digest.

Randomness is an argument everywhere. Sources: ASVS 7.2.3 (128 bits or more from a CSPRNG), security.md SM-11 (the
token is untrusted input: its shape is checked before anything is looked up), KY-7 (only a digest is stored).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Final, TypeAlias

from coatcheck.discreet import Discreet

Randomness: TypeAlias = Callable[[int], bytes]
"""A source of random bytes, such as `secrets.token_bytes`."""

ID_LENGTH: Final = 26
SECRET_LENGTH: Final = 43
TOKEN_LENGTH: Final = ID_LENGTH + 1 + SECRET_LENGTH
REGION: Final = "0"
DIGEST_VERSION: Final = b"\x01"

# The last character of 128 bits carries 2 of them and that of 256 bits 4, so only canonical spellings match.
_ID: Final = re.compile(r"0[A-Za-z0-9_-]{24}[AQgw]", re.ASCII)
_TOKEN: Final = re.compile(r"(0[A-Za-z0-9_-]{24}[AQgw])\.([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])", re.ASCII)


class Ticket(Discreet, frozen=True):
    """A parsed cookie value. Its repr shows the id alone."""

    id: str
    secret: str

    def __repr__(self) -> str:
        """Show the public handle, never the secret."""
        return f"Ticket(id={self.id!r})"

    @property
    def token(self) -> str:
        """The cookie's value. Secret: it goes into ``Set-Cookie`` and nowhere else."""
        return f"{self.id}.{self.secret}"


def parse(token: str) -> Ticket | None:
    """Read a cookie's value; ``None`` for anything that `mint` could not have made."""
    if len(token) != TOKEN_LENGTH:
        return None
    match = _TOKEN.fullmatch(token)
    return Ticket(match[1], match[2]) if match else None


def is_id(text: str) -> bool:
    """Whether *text* has the shape of a session id."""
    return len(text) == ID_LENGTH and _ID.fullmatch(text) is not None


def mint(random: Randomness, *, tag: str | None = None) -> Ticket:
    """Make a new ticket. *tag* is the owner's (`user_tag`); without one it is random, as for an anonymous session."""
    return Ticket(f"{REGION}{tag or _text(random(3))[:3]}{_text(random(16))}", new_secret(random))


def new_secret(random: Randomness) -> str:
    """Make a new 256-bit secret."""
    return _text(random(32))


def in_place_of(ticket: Ticket, session_id: str, key: bytes) -> Ticket:
    """Return *ticket* with the one id that takes the place of *session_id*, keyed by the store's own key.

    Everybody who asks at once asks for the same id, and a store makes it once. The owner's tag and the secret stay.
    """
    mac = hmac.digest(key, f"coatcheck/in-place-of/1\0{session_id}".encode(), "sha256")
    return Ticket(f"{ticket.id[:4]}{_text(mac[:16])}", ticket.secret)


def successor(secret: str, nonce: bytes) -> str:
    """Derive the secret that follows *secret* at a rotation by age: the same for everybody who holds the old one."""
    return _text(hmac.digest(secret.encode(), b"coatcheck/successor/1\0" + nonce, "sha256"))


def digest(ticket: Ticket, *, tenant: str = "") -> bytes:
    """Return what a store may know of a secret: a version byte and SHA-256 over tenant, id and secret."""
    bound = f"coatcheck/secret/1\0{tenant}\0{ticket.id}\0{ticket.secret}"
    return DIGEST_VERSION + hashlib.sha256(bound.encode()).digest()


def same(left: bytes | None, right: bytes) -> bool:
    """Compare digests in constant time (ASVS 11.2.4); ``None`` never matches."""
    return left is not None and hmac.compare_digest(left, right)


def user_tag(key: bytes, user_id: str, *, tenant: str = "") -> str:
    """Return the owner's 18-bit tag as three characters, keyed by the store's own key."""
    mac = hmac.digest(key, f"coatcheck/user-tag/1\0{tenant}\0{user_id}".encode(), "sha256")
    return _text(mac[:3])[:3]


def keyed_hash(key: bytes, purpose: str, text: str) -> bytes:
    """Return 8 bytes that recognise *text* again without telling it, separate for every *purpose*."""
    return hmac.digest(key, f"coatcheck/{purpose}/1\0{text}".encode(errors="surrogatepass"), "sha256")[:8]


def _text(raw: bytes) -> str:
    """Spell bytes in base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
