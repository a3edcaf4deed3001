"""What a store says when it is asked: a server that is opened, or a SQLite file that is looked at and left alone."""

from __future__ import annotations

import asyncio
import os
import shlex
from pathlib import Path
from typing import Final

from msgspec import Struct

from coatcheck.blocking import Sessions
from coatcheck.cli.application import Manager
from coatcheck.cli.waiting import patiently
from coatcheck.errors import ConfigurationError, StoreUnavailable

_SQLITE: Final = b"SQLite format 3\x00"
"""What a SQLite file begins with."""


class Answer(Struct, frozen=True, kw_only=True):
    """What a store said.

    Attributes:
        faults: what is wrong with it.
        unknown: what it does not tell, or that it was not asked.
        silent: why it did not answer, ``None`` when it did.
        line: what to run, where something has to change.
    """

    faults: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    silent: str | None = None
    line: str | None = None


def ask(manager: Manager, *, offline: bool, wait: float) -> Answer:
    """Open the store's server, waiting *wait* seconds for it; of a SQLite file, look at the file alone."""
    name = manager.store.traits.name
    if name == "memory":
        return Answer()
    if name == "sqlite":
        path = getattr(manager.store, "_path", None)  # a store says it nowhere else but in its repr
        return Answer() if path is None else look_at_file(Path(path))
    if offline:
        return Answer(unknown=(f"the {name} server was not asked (--offline)",))
    try:
        warnings = _opened_and_closed(manager, wait)
    except ConfigurationError as error:
        return Answer(faults=(str(error),))
    except StoreUnavailable as error:
        return Answer(silent=str(error))
    untold = tuple(one for one in warnings if "could not be checked" in one)
    return Answer(faults=tuple(one for one in warnings if one not in untold), unknown=untold)


def look_at_file(path: Path) -> Answer:
    """Say whether a SQLite file can be used, or made where it is missing, by whoever runs this."""
    folder, called = path.parent, repr(str(path))
    if not folder.is_dir():
        fault = f"there is no folder {str(folder)!r} for the SQLite file"
        return Answer(faults=(fault,), line=f"mkdir -p {shlex.quote(str(folder))}")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return Answer(unknown=(f"this user may not write in {str(folder)!r}; whether the server's may was not seen",))
    if not path.exists():
        return Answer()
    if not os.access(path, os.R_OK | os.W_OK):
        return Answer(unknown=(f"this user may not read and write {called}; whether the server's may was not seen",))
    if not path.is_file():
        return Answer(faults=(f"{called} is no file",))
    with path.open("rb") as file:
        begin = file.read(len(_SQLITE))
    return Answer() if begin in {b"", _SQLITE} else Answer(faults=(f"{called} is no SQLite file",))


def _opened_and_closed(manager: Manager, wait: float) -> tuple[str, ...]:
    """Open a store, close it again, and return what it says may lose sessions; Redis alone has something to say."""
    if isinstance(manager, Sessions):
        patiently(manager.open, wait)
        try:
            return _warnings(manager)
        finally:
            manager.close()
    with asyncio.Runner() as runner:  # one event loop for all tries: a manager belongs to the first
        patiently(lambda: runner.run(manager.open()), wait)
        try:
            return _warnings(manager)
        finally:
            runner.run(manager.aclose())


def _warnings(manager: Manager) -> tuple[str, ...]:
    link = getattr(manager.store, "link", None)
    return tuple(getattr(link, "warnings", ()))
