"""The names of the keys that the Redis store uses.

With the prefix ``coatcheck``, the tenant ``T`` and an id of the region ``0`` with the tag ``abc``:

======================  ==========================================================================
``coatcheck:key``       the store's 32 random bytes, for all tenants
``coatcheck:T:s:0{abc}…``  a session or its tombstone
``coatcheck:T:b:0{abc}…``  what lies beside a session: a hash of side records
``coatcheck:T:u:{abc}U``   ids of the sessions of the user ``U`` that have not ended, one after another
``coatcheck:T:e:{abc}U``   ids of the user's tombstones, by when they ended
``coatcheck:T:v:{abc}U``   the user's epoch and when it was raised
``coatcheck:T:r:{abc}U``   the epoch at which the user's roles were last set
``coatcheck:T:l:name``  a lease
``coatcheck:T:t:{own}minute``    when blocks of ten minutes with counts begin, by their earliest; also hour, day
``coatcheck:T:t:{own}minute:B``  the counts of the block that begins at ``B``
``coatcheck:T:g:{own}``    the store-wide epoch
``coatcheck:T:n:{own}``    the epochs under which sessions live were created
``coatcheck:T:d:{own}E``   ids of the sessions created under the epoch ``E``, by a lower bound of when they are due
``coatcheck:T:x:{own}``    ids of tombstones, by when they ended
``coatcheck:T:c:{own}``    ids of everything, by when it began
``coatcheck:T:z:{own}``    nothing, ever; see `Keys.touched`
======================  ==========================================================================

A user's sessions carry the user's tag, so they and their indexes are in one slot. What belongs to a whole partition is
kept under a tag of its own: one on a single server, one for each slot on Cluster, chosen so that it falls into it.
"""

from __future__ import annotations

import string
from binascii import crc_hqx
from functools import cache
from itertools import product
from typing import Final

from coatcheck.errors import ConfigurationError

SLOTS: Final = 16_384
ONE: Final = "AAA"
"""The tag of the one partition of a single server."""

_ALPHABET: Final = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
_ESCAPED: Final = str.maketrans({"%": "%25", ":": "%3A", "{": "%7B", "}": "%7D"})


def hash_tag(key: bytes) -> bytes:
    """Return the part of *key* that decides its slot."""
    start = key.find(b"{")
    end = key.find(b"}", start + 1)
    return key[start + 1 : end] if start >= 0 and end > start + 1 else key


def slot_of(tag: str | bytes) -> int:
    """Return the slot of a hash tag, as Redis Cluster computes it (CRC16, XMODEM)."""
    return crc_hqx(tag.encode() if isinstance(tag, str) else tag, 0) % SLOTS


@cache
def own_tags(partitions: int = SLOTS) -> tuple[str, ...]:
    """Return for each partition the first tag that falls into it. Takes about a tenth of a second, once."""
    found: dict[int, str] = {}
    for letters in product(_ALPHABET, repeat=3):
        tag = "".join(letters)
        found.setdefault(slot_of(tag) % partitions, tag)
        if len(found) == partitions:
            break
    return tuple(found[number] for number in range(partitions))


class Keys:
    """The names for one prefix and one tenant.

    Raises:
        ConfigurationError: the prefix is empty or has a brace, which would choose the slot.
    """

    def __init__(self, prefix: str, tenant: str, partitions: int) -> None:
        """Name the keys of *tenant* on an engine of so many *partitions*."""
        if not prefix or "{" in prefix or "}" in prefix:
            raise ConfigurationError("the key prefix of the Redis store is empty or has a brace; choose a plain word")
        self.prefix = f"{prefix}:{tenant.translate(_ESCAPED)}:"
        self.key = f"{prefix}:key".encode()
        self._partitions = partitions
        self.partitions()  # the tags are sought now, and not in the first request

    def session(self, id: str) -> bytes:
        """Name a session."""
        return f"{self.prefix}s:{id[0]}{{{id[1:4]}}}{id[4:]}".encode()

    def beside(self, id: str) -> bytes:
        """Name a session's side records."""
        return f"{self.prefix}b:{id[0]}{{{id[1:4]}}}{id[4:]}".encode()

    def index(self, tag: str, user_id: str) -> bytes:
        """Name a user's index of sessions."""
        return f"{self.prefix}u:{{{tag}}}{user_id}".encode()

    def epoch(self, tag: str, user_id: str) -> bytes:
        """Name a user's epoch."""
        return f"{self.prefix}v:{{{tag}}}{user_id}".encode()

    def roles(self, tag: str, user_id: str) -> bytes:
        """Name the epoch at which a user's roles were last set."""
        return f"{self.prefix}r:{{{tag}}}{user_id}".encode()

    def everybody(self, own: str) -> bytes:
        """Name the store-wide epoch of the partition *own*."""
        return f"{self.prefix}g:{{{own}}}".encode()

    def touched(self, own: str) -> tuple[bytes, ...]:
        """Return the keys that scripts about sessions and their indexes are declared to touch.

        They touch others of the slot, which are known only as they run. On Cluster that goes wrong while the slot moves
        to another node, where half of its keys already are: what is on the other node looks as if it were missing, or
        is refused in the middle. So a key that never exists is declared too: of several keys that are not all at one
        node a moving slot refuses the script before it begins (``TRYAGAIN``).
        """
        everybody = self.everybody(own)
        return (everybody,) if self._partitions == 1 else (everybody, f"{self.prefix}z:{{{own}}}".encode())

    def counting(self) -> str:
        """Return the own tag of the partition that has the tenant's counts."""
        return self.partitions()[slot_of(self.prefix) % self._partitions]

    def counts(self, every: str = "") -> str:
        """Return what the tenant's keys of counts begin with, or name the index of blocks of one length."""
        return f"{self.prefix}t:{{{self.counting()}}}{every}"

    def begun(self, own: str) -> bytes:
        """Name a partition's index of everything by when it began."""
        return f"{self.prefix}c:{{{own}}}".encode()

    def lease(self, name: str) -> bytes:
        """Name a lease."""
        return f"{self.prefix}l:{name}".encode()

    def own(self, tag: str) -> str:
        """Return the own tag of the partition that *tag* falls into."""
        return ONE if self._partitions == 1 else own_tags(self._partitions)[slot_of(tag) % self._partitions]

    def partitions(self) -> tuple[str, ...]:
        """Return the own tags of all partitions."""
        return (ONE,) if self._partitions == 1 else own_tags(self._partitions)


ENTRY: Final = 23
"""Characters of an id in its user's index: all but the user's tag."""


def ids_of(index: bytes | None, tag: str) -> list[str]:
    """Return the ids that a user's index names."""
    entries = (index or b"").decode("ascii", "replace")
    cut = (entries[at : at + ENTRY] for at in range(0, len(entries) - ENTRY + 1, ENTRY))
    return [f"{entry[0]}{tag}{entry[1:]}" for entry in cut]
