"""One thin application for each library, all with the same routes; `open_driver` finds it by its contender's name."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol

from torture.rivals.contenders import Contender
from torture.rivals.wire import Answer, Ask


class Caller(Protocol):
    """An application that can be called."""

    async def open(self) -> None:
        """Start it."""
        ...

    async def close(self) -> None:
        """Stop it."""
        ...

    async def __call__(self, ask: Ask) -> Answer:
        """Make one request."""
        ...


def open_driver(contender: Contender, url: str) -> Caller:
    """Build the contender's application over the store at *url*.

    Raises:
        ImportError: the library is not installed in this environment.
    """
    module: Any = import_module(f"torture.rivals.drivers.{contender.driver}")
    caller: Caller = module.build(contender.variant, url)
    return caller
