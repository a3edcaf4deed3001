"""The stores that the grid runs on, each with a namespace of its own for each site."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final

from coatcheck.stores import from_url
from coatcheck.stores.contract import Store
from coatcheck.testing.giving_way import yielding

if TYPE_CHECKING:
    import pytest

GROUNDS: Final = ("memory", "SQLite", "Redis", "PostgreSQL")
_numbers: Final = count()


@dataclass(frozen=True)
class Ground:
    """A store by its URL.

    Attributes:
        name: the engine's name for people.
        url: where it is.
        gives_way: whether its verbs give the event loop turns, as those of a store across a network do.
    """

    name: str
    url: str
    gives_way: bool = False

    def store(self, *, blocking: bool) -> Store:
        """Return a store that no other site shares."""
        store = from_url(self.url, blocking=blocking, tenant=f"site{next(_numbers)}")
        return yielding(store, seed=1) if self.gives_way and not blocking else store


class Grounds:
    """The stores of one run: a server is started when the first site asks for it."""

    def __init__(self, ask: Callable[[str], object], folder: Callable[[str], object]) -> None:
        """*ask* gives a server's fixture by its name, *folder* makes a folder."""
        self._ask, self._folder = ask, folder
        self._made: dict[str, Ground] = {}

    def __getitem__(self, name: str) -> Ground:
        """Return a ground by its name."""
        if name not in self._made:
            self._made[name] = Ground(name, self._url(name), gives_way=name == "memory")
        return self._made[name]

    def _url(self, name: str) -> str:
        if name == "memory":
            return "memory://"
        if name == "SQLite":
            return f"sqlite:///{self._folder('grid')}/sessions.db"
        if name == "Redis":
            url: str = self._ask("redis_server").url  # type: ignore[attr-defined]  # a server
            return url
        from tests.stores._postgres import Place

        place = Place(self._ask("postgres15"), "grid")  # type: ignore[arg-type]  # a server
        place.prepare()
        return place.url


def grounds_of(request: pytest.FixtureRequest, folders: pytest.TempPathFactory) -> Grounds:
    """Return the stores of a test run."""
    return Grounds(request.getfixturevalue, folders.mktemp)
