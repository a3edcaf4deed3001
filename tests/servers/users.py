"""The user that servers run as: PostgreSQL and PgBouncer refuse to be root, and containers often are."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path
from typing import NamedTuple


class Account(NamedTuple):
    """A user of the machine."""

    uid: int
    gid: int


def unprivileged() -> Account | None:
    """Return ``nobody`` when this process is root, else None: the server runs as whoever runs the tests."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)


def give(path: Path, account: Account | None) -> None:
    """Give a file or a whole folder to the user."""
    if account is None:
        return
    for place in (path, *path.rglob("*")):
        os.chown(place, account.uid, account.gid, follow_symlinks=False)


def can_reach(path: Path, account: Account | None) -> bool:
    """Whether the user may pass through every folder above *path*: a checkout below ``/root`` is closed to others."""
    if account is None:
        return True
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents)
