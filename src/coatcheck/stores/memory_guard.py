"""A warning for the mistake that ``memory://`` invites: several worker processes, each with sessions of its own."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

_log: Final = logging.getLogger("coatcheck")
_held: Final[list[int]] = []
_watching: Final[list[bool]] = []


def warn_if_second_process() -> None:
    """Warn once, loudly, if another process of the same parent and program already keeps sessions in memory.

    The first one holds a lock on a small file until it ends; the kernel drops the lock of a process that dies.
    """
    if _held:
        return
    try:
        descriptor = _open_marker()
    except OSError:
        return
    _held.append(descriptor)
    if hasattr(os, "register_at_fork") and not _watching:
        _watching.append(True)
        os.register_at_fork(after_in_child=_look_again)
    if not _lock(descriptor):
        _log.warning(
            "memory:// is open in a second worker process: each keeps its own sessions, so people are signed out at "
            'random. Write AsyncSessions("sqlite:///sessions.db")'
        )


def _look_again() -> None:
    """In a worker that was forked after the manager was made: it has a parent of its own to share with others."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()
    warn_if_second_process()


def _open_marker() -> int:
    """Open this program's marker in a folder that only this user may enter."""
    owner = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"coatcheck-{owner}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if hasattr(os, "getuid") and (status.st_uid != owner or status.st_mode & 0o077):
        raise PermissionError("the marker's folder belongs to somebody else")
    program = "\0".join((str(os.getppid()), _parent_start(), str(Path.cwd()), *sys.argv))
    name = hashlib.sha256(program.encode(errors="surrogateescape")).hexdigest()[:32]
    return os.open(folder / name, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)


def _parent_start() -> str:
    """Return when the parent began, so that a process id used again is not mistaken for it; empty off Linux."""
    try:
        fields = Path(f"/proc/{os.getppid()}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    return fields.rpartition(")")[2].split()[19]


def _lock(descriptor: int) -> bool:
    """Take the marker's lock without waiting; ``True`` where there are no such locks."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
