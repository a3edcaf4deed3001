"""The three libraries that are compared, imported when the first experiment runs."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Final

from msgspec import Struct

from coatcheck.errors import MissingExtra

from .shop import Shop


class Library(Struct, frozen=True):
    """One of the compared. ``about`` says where its sessions are; ``package`` is what pip calls it."""

    key: str
    name: str
    package: str
    about: str

    @property
    def version(self) -> str:
        """The installed version."""
        return version(self.package)


LIBRARIES: Final = (
    Library("coatcheck", "coatcheck", "coatcheck", "On the server, in memory"),
    Library("starlette", "Starlette", "starlette", "Its own sessions: a signed cookie"),
    Library("starsessions", "starsessions", "starsessions", "On the server, in memory"),
)


def shops() -> tuple[Callable[[], Shop], ...]:
    """Return what makes the shop of each library, in the order of `LIBRARIES`.

    Raises:
        MissingExtra: a package of the ``demo`` extra is absent.
    """
    try:
        from .ours import Coatcheck
        from .signed_cookie import SignedCookie
        from .starsessions_memory import Starsessions
    except ImportError as absent:
        raise MissingExtra("the proof page", "demo", absent.name or "a package") from None
    return Coatcheck, SignedCookie, Starsessions
