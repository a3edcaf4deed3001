"""A struct with something to hide: what prints it shows no more than its own ``__repr__``."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Discreet(Struct, frozen=True):
    """Base of structs that hold a secret, a digest or a person's data, and whose ``__repr__`` leaves it out.

    A plain struct also hands its fields to ``rich``, whose tracebacks show local variables.
    """

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Show nothing but the name of the class."""
        return []
