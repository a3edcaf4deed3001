"""What the measurement needs of an engine, and which engines there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from bench.scale.results import Space
from coatcheck.model import Record
from coatcheck.stores import from_url

SESSIONS: Final = {"redis": 5_000_000, "postgresql": 5_000_000, "sqlite": 1_000_000}
"""How many sessions are measured by default."""

CHUNK: Final = 10_000
"""Sessions handed to `Engine.load` at once."""


class Engine(Protocol):
    """A private server or file that holds one store's sessions."""

    settings: str
    """How it was set up, where that is not the engine's default."""

    @property
    def url(self) -> str:
        """The store's URL."""
        ...

    def version(self) -> str:
        """Return the engine's name and version."""
        ...

    def load(self, records: Sequence[Record]) -> None:
        """Store *records* as `create` would have, byte for byte, only faster."""
        ...

    def settle(self) -> None:
        """Finish what loading left to do, as the engine would have long done in a store that grew slowly."""
        ...

    def space(self, sessions: int, sample: Iterable[Record]) -> list[Space]:
        """Say what *sessions* sessions take; *sample* are some of them."""
        ...

    def stop(self) -> None:
        """Stop it and throw the sessions away."""
        ...


def start(name: str, folder: Path) -> Engine:
    """Start an engine of its own in an empty *folder*."""
    return _starters()[name](folder)


def open_store(url: str) -> Any:
    """Return the asyncio store at *url*, as an application would have it. Any: it has all capabilities."""
    return from_url(url, blocking=False)


def _starters() -> dict[str, Callable[[Path], Engine]]:
    from bench.scale.on_postgres import PostgresEngine
    from bench.scale.on_redis import RedisEngine
    from bench.scale.on_sqlite import SqliteEngine

    return {"sqlite": SqliteEngine, "redis": RedisEngine, "postgresql": PostgresEngine}
