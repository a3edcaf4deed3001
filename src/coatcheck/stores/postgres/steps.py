"""Which steps the tables have had, and whether this release may use them. Reads no clock and opens no connection."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from msgspec import Struct

from coatcheck.errors import ConfigurationError

OLDEST_READER: Final = "oldest_reader"
VERSION: Final = "version"


class Step(Struct, frozen=True):
    """One numbered migration. A step that was released never changes; a new one is added at the end."""

    number: int
    name: str
    text: str

    def sql(self, schema: str) -> str:
        """Return the step's statements for a quoted *schema*."""
        return self.text.replace("__schema__", schema)


@cache
def steps() -> tuple[Step, ...]:
    """Return every step this release knows, in order."""
    folder = files("coatcheck.stores.postgres").joinpath("migrations")
    found = sorted((each for each in folder.iterdir() if each.name.endswith(".sql")), key=lambda each: each.name)
    return tuple(
        Step(int(each.name.partition("_")[0]), each.name.removesuffix(".sql"), each.read_text(encoding="utf-8"))
        for each in found
    )


def quoted(name: str) -> str:
    """Return a schema's name as an identifier.

    Raises:
        ConfigurationError: a name with quotes, backslashes, ``$`` or ``%``: it also stands inside strings, inside the
            ``$$`` of functions, and in statements that psycopg reads for placeholders.
    """
    if any(mark in name for mark in "'\"\\$%\0"):
        raise ConfigurationError(
            "the schema's name holds a quote, a backslash, $ or %; give coatcheck a plainer one with ?schema="
        )
    return f'"{name}"'


def check(meta: Mapping[str, int], place: str) -> None:
    """Refuse tables that this release cannot use; *meta* is empty when there are none.

    Raises:
        ConfigurationError: naming ``coatcheck migrate`` or an upgrade.
    """
    known, done = len(steps()), meta.get(VERSION, 0)
    if done == 0:
        raise ConfigurationError(f"{place} has no coatcheck tables in this schema; run: coatcheck migrate")
    if done < known:
        raise ConfigurationError(
            f"{place} has coatcheck's tables at step {done} and this release needs {known}; run: coatcheck migrate"
        )
    if meta.get(OLDEST_READER, done) > known:
        raise ConfigurationError(
            f"{place} was migrated by a newer coatcheck (step {done}; this one knows {known}); upgrade coatcheck"
        )
