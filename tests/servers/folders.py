"""Where servers keep their files: short paths that an unprivileged server reaches, gone when this process ends.

A process that is killed cannot tidy up. It held a lock on its folder, and the next one that wants a folder removes
those whose lock is free.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import itertools
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO, Final

PREFIX: Final = "coatcheck-servers-"

_base: dict[int, tuple[Path, IO[bytes]]] = {}
_numbers = itertools.count(1)


def scratch(name: str) -> Path:
    """Return a new folder for a server; pytest's ``tmp_path`` is closed to other users and long for a socket's path."""
    folder = base() / f"{name}-{next(_numbers)}"
    folder.mkdir()
    return folder


def base() -> Path:
    """Return this process's own folder."""
    pid = os.getpid()
    if pid not in _base:
        remove_abandoned(Path(tempfile.gettempdir()))
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        folder.chmod(0o711)  # passable, so that a server under another user reaches its own folder
        lock = (folder / "unlocked").open("wb")
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Under its name only once it is locked: whoever looks meanwhile sees a folder without a lock and lets it be.
        (folder / "unlocked").rename(folder / "lock")
        _base[pid] = folder, lock
    return _base[pid][0]


def remove_abandoned(parent: Path) -> None:
    """Remove the folders below *parent* that processes which were killed left behind."""
    for lock in parent.glob(f"{PREFIX}*/lock"):
        with contextlib.suppress(OSError), lock.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)


@atexit.register
def _remove() -> None:
    """Remove this process's folder; a forked child has none of its parent's."""
    folder, lock = _base.pop(os.getpid(), (None, None))
    if folder is not None and lock is not None:
        shutil.rmtree(folder, ignore_errors=True)
        lock.close()
