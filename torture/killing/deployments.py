"""Configurations as people run them, on private servers, by the names that the table of guarantees uses."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

from torture.killing.fault import Deployment as Deployment
from torture.killing.fault import Fault as Fault


@contextmanager
def _sqlite(folder: Path) -> Generator[Deployment]:
    yield Deployment(f"sqlite:///{folder / 'sessions.db'}", {})


def _redis(kind: str, **how: Any) -> Callable[[Path], AbstractContextManager[Deployment]]:
    """Return a configuration of Redis; its client is imported when one is wanted."""

    def start(_: Path) -> AbstractContextManager[Deployment]:
        from torture.killing import on_redis

        started: AbstractContextManager[Deployment] = getattr(on_redis, kind)(**how)
        return started

    return start


def _postgres(kind: str, **how: Any) -> Callable[[Path], AbstractContextManager[Deployment]]:
    """Return a configuration of PostgreSQL, likewise."""

    def start(_: Path) -> AbstractContextManager[Deployment]:
        from torture.killing import on_postgres

        started: AbstractContextManager[Deployment] = getattr(on_postgres, kind)(**how)
        return started

    return start


DEPLOYMENTS: Final[Mapping[str, Callable[[Path], AbstractContextManager[Deployment]]]] = {
    "sqlite": _sqlite,
    "redis-unsaved": _redis("alone"),
    "redis-snapshots": _redis("alone", snapshots=True),
    "redis-everysec": _redis("alone", appendonly="everysec"),
    "redis-always": _redis("alone", appendonly="always"),
    "redis-replicas": _redis("replicated", options="?confirm=1"),
    "sentinel": _redis("watched", options=""),
    "sentinel-confirm": _redis("watched", options="?confirm=1"),
    "cluster": _redis("clustered", options=""),
    "cluster-confirm": _redis("clustered", options="?confirm=1"),
    "postgresql": _postgres("alone"),
    "postgresql-replica": _postgres("followed", synchronous=False),
    "postgresql-synchronous": _postgres("followed", synchronous=True),
}
"""Each takes a folder of its own and starts what it needs."""
