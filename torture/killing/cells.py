"""The table of guarantees: configuration by fault by verb. ``tests/guarantees`` has a test for each cell.

A cell says what becomes of a step that the store *acknowledged* before the fault. `KEPT` steps hold for everybody at
every moment. A `REPEATED` one may be undone until the worker that acknowledged it asks the store again, which does it
once more before anything else; it holds from then on, for ten minutes after the acknowledgement. In a `WINDOW` the last
ones before the fault may be lost, in `LOST` all of them. `UNANSWERED` steps are not acknowledged at all while the fault
lasts: the caller hears that the outcome is unknown (503).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal, TypeAlias

Outcome: TypeAlias = Literal["kept", "repeated", "window", "lost", "unanswered"]

KEPT: Final = "kept"
REPEATED: Final = "repeated"
WINDOW: Final = "window"
LOST: Final = "lost"
UNANSWERED: Final = "unanswered"

VERBS: Final = ("sign-in", "commit", "revoke", "privilege", "limit")
"""``revoke`` is every end and the raised epoch; ``privilege`` is `set_roles` and a rotation for a new privilege."""

FAULTS: Final[Mapping[str, str]] = {
    "worker": "the application's process is killed",
    "restart": "the server is killed and started again in place",
    "both": "the server and the worker that acknowledged are killed; the server is started again in place",
    "partition": "the worker is cut off from the server, and comes back",
    "hang": "the server stands still, and goes on; where another takes over meanwhile it comes back as a replica",
    "failover": "the primary is killed, and a replica takes over",
    "failover-both": "the primary and the worker that acknowledged are killed, and a replica takes over",
    "split": "the primary is cut off from all but the worker, which goes on there while another has taken over, until "
    "the old one comes back as a replica",
    "parted": "the primary is cut off from its replicas, goes on answering, and is killed; a replica takes over",
}
"""What happens."""

Row: TypeAlias = Mapping[str, Outcome]


def _row(sign_in: Outcome, commit: Outcome, revoke: Outcome, privilege: Outcome, limit: Outcome = "kept") -> Row:
    return {"sign-in": sign_in, "commit": commit, "revoke": revoke, "privilege": privilege, "limit": limit}


_ALL_KEPT: Final = _row(KEPT, KEPT, KEPT, KEPT)
_ALL_LOST: Final = _row(LOST, LOST, KEPT, KEPT)
"""Everybody is signed out: what was revoked is gone with the rest."""
_EMPTY: Final = _row(LOST, LOST, WINDOW, KEPT)
"""Likewise, but epochs are gone too: a sign-in that had begun before may succeed after."""
_LAST_LOST: Final = _row(WINDOW, WINDOW, WINDOW, WINDOW)
_REMEMBERED: Final = _row(WINDOW, WINDOW, REPEATED, REPEATED)
_CONFIRMED: Final = _row(WINDOW, WINDOW, KEPT, KEPT)
_NOT_CONFIRMED: Final = _row(WINDOW, WINDOW, UNANSWERED, UNANSWERED)
_NO_ANSWER: Final = _row(UNANSWERED, UNANSWERED, UNANSWERED, UNANSWERED, UNANSWERED)

_ALONE: Final = {"worker": _ALL_KEPT, "partition": _ALL_KEPT, "hang": _ALL_KEPT}
_SAFE_FILE: Final = {**_ALONE, "restart": _ALL_KEPT, "both": _ALL_KEPT}
_FOLLOWED: Final = {
    "worker": _ALL_KEPT, "hang": _REMEMBERED, "failover": _REMEMBERED, "failover-both": _LAST_LOST,
    "parted": _REMEMBERED,
}  # fmt: skip
_FOLLOWED_AND_CONFIRMED: Final = {
    "worker": _ALL_KEPT, "hang": _CONFIRMED, "failover": _CONFIRMED, "failover-both": _CONFIRMED,
    "parted": _NOT_CONFIRMED,
}  # fmt: skip

_TWO_PRIMARIES: Final = {**_FOLLOWED, "split": _row(WINDOW, WINDOW, REPEATED, REPEATED)}
_TWO_PRIMARIES_AND_CONFIRMED: Final = {**_FOLLOWED_AND_CONFIRMED, "split": _NOT_CONFIRMED}

CELLS: Final[Mapping[str, Mapping[str, Row]]] = {
    "memory": {"worker": _ALL_LOST},
    "sqlite": {"worker": _ALL_KEPT},
    "redis-unsaved": {**_ALONE, "restart": _EMPTY, "both": _EMPTY},
    "redis-snapshots": {**_ALONE, "restart": _REMEMBERED, "both": _LAST_LOST},
    "redis-everysec": _SAFE_FILE,
    "redis-always": {"restart": _ALL_KEPT, "both": _ALL_KEPT},
    "redis-replicas": {"worker": _ALL_KEPT, "restart": _REMEMBERED, "both": _LAST_LOST},
    "sentinel": _TWO_PRIMARIES,
    "sentinel-confirm": _TWO_PRIMARIES_AND_CONFIRMED,
    "cluster": _FOLLOWED,
    "cluster-confirm": _FOLLOWED_AND_CONFIRMED,
    "postgresql": _SAFE_FILE,
    "postgresql-replica": {"worker": _ALL_KEPT, "failover": _LAST_LOST, "parted": _LAST_LOST},
    "postgresql-synchronous": {"worker": _ALL_KEPT, "failover": _ALL_KEPT, "parted": _NO_ANSWER},
}
"""What holds."""

TITLES: Final[Mapping[str, str]] = {
    "memory": "memory",
    "sqlite": "SQLite",
    "redis-unsaved": "Redis without persistence",
    "redis-snapshots": "Redis with snapshots (its default)",
    "redis-everysec": "Redis with an append-only file, synced every second",
    "redis-always": "Redis with an append-only file, synced always",
    "redis-replicas": "Redis with snapshots and 2 replicas, `confirm=1`, no failover",
    "sentinel": "Redis Sentinel, append-only files",
    "sentinel-confirm": "Redis Sentinel, append-only files, `confirm=1`",
    "cluster": "Redis Cluster, append-only files",
    "cluster-confirm": "Redis Cluster, append-only files, `confirm=1`",
    "postgresql": "PostgreSQL",
    "postgresql-replica": "PostgreSQL with an asynchronous replica",
    "postgresql-synchronous": "PostgreSQL with a synchronous replica",
}
"""What people call them."""


def cells() -> Iterator[tuple[str, str, str, Outcome]]:
    """Yield every cell: configuration, fault, verb, outcome."""
    for configuration, faults in CELLS.items():
        for fault, row in faults.items():
            for verb in VERBS:
                yield configuration, fault, verb, row[verb]
