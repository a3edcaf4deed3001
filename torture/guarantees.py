"""What each setup may lose in which fault: read from the table of guarantees, so that there is one truth.

The kinds of loss are those of the rules: ``update`` (an acknowledged change of data), ``session`` (an acknowledged
sign-in, or a ticket), ``activity`` (the idle deadline moves back), ``revocation`` (an acknowledged end, or change of
privilege, is undone), ``limit``. The number says how many milliseconds before the fault the acknowledged step that was
lost may lie. Whatever is not named here may never be lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from torture.killing.cells import CELLS, KEPT, REPEATED, UNANSWERED, Row

WINDOW: Final = 1000
"""Milliseconds before a fault: what the machine takes for the last steps before it."""

_ALONE: Final = {"kill": "restart", "freeze": "hang", "cut": "partition"}
_SERVED: Final = {"failover": "failover"}
_PROMOTED: Final = {"promote": "failover"}

_SETUPS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "memory": ("memory", {}),
    "sqlite": ("sqlite", {}),
    "redis": ("redis-everysec", _ALONE),
    "valkey9": ("redis-everysec", _ALONE),
    "postgres15": ("postgresql", _ALONE),
    "postgres18": ("postgresql", _ALONE),
    "postgres-replica": ("postgresql-replica", _PROMOTED),
    "postgres-synchronous": ("postgresql-synchronous", _PROMOTED),
    "sentinels": ("sentinel", _SERVED),
    "sentinels-confirmed": ("sentinel-confirm", _SERVED),
    "cluster": ("cluster", _SERVED),
    "cluster-confirmed": ("cluster-confirm", _SERVED),
}
"""What the table calls a setup and its faults; one that it does not name (``stall``, ``slow``) may cost nothing."""

_VERBS: Final[Mapping[str, tuple[str, ...]]] = {
    "update": ("commit",),
    "session": ("sign-in",),
    "activity": ("commit",),
    "revocation": ("revoke", "privilege"),
    "limit": ("limit",),
}
"""By kind of loss, the columns of the table; it may be lost where one of them says so."""


def _losses(row: Row) -> dict[str, int]:
    """Return what a row of the table lets be lost."""
    return {
        loss: WINDOW
        for loss, verbs in _VERBS.items()
        if any(row[verb] not in (KEPT, UNANSWERED) for verb in verbs)
    }  # fmt: skip


def _of(configuration: str, faults: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """Return the faults of a configuration that cost something."""
    costs = {fault: _losses(CELLS[configuration][name]) for fault, name in faults.items()}
    return {fault: losses for fault, losses in costs.items() if losses}


GUARANTEES: Final[Mapping[str, Mapping[str, Mapping[str, int]]]] = {
    setup: _of(configuration, faults) for setup, (configuration, faults) in _SETUPS.items()
}
"""By setup, then by fault. A fault that is not named costs nothing that was acknowledged."""


def allowed(setup: str) -> dict[str, dict[str, int]]:
    """Return a setup's row; one that nobody described may lose nothing."""
    return {fault: dict(losses) for fault, losses in GUARANTEES.get(setup, {}).items()}


def repeated(setup: str) -> frozenset[str]:
    """Return the faults after which the worker that acknowledged an end makes it again before anything else."""
    if setup not in _SETUPS:
        return frozenset()
    configuration, faults = _SETUPS[setup]
    return frozenset(fault for fault, name in faults.items() if CELLS[configuration][name]["revoke"] == REPEATED)
