"""Finding the servers' programs: on the machine, or in ``.cache/servers`` where ``make servers`` puts them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
CACHE: Final = ROOT / ".cache" / "servers"
POSTGRES_PLACES: Final = (
    "/usr/lib/postgresql/{version}/bin",  # Debian, Ubuntu
    "/usr/pgsql-{version}/bin",  # Red Hat and its relatives
    "/opt/homebrew/opt/postgresql@{version}/bin",
    "/usr/local/opt/postgresql@{version}/bin",
)


class Missing(Exception):
    """A server's program is not here."""

    def __init__(self, what: str, remedy: str) -> None:
        """Name *what* is missing and the command that adds it."""
        super().__init__(f"{what} is missing; to add it: {remedy}")
        self.what = what
        self.remedy = remedy


def redis() -> Path:
    """Return the machine's ``redis-server``.

    Raises:
        Missing: it has none.
    """
    return _program("redis-server", "apt-get install redis-server")


def valkey(version: int) -> Path:
    """Return ``valkey-server`` of a major version, 8 or 9.

    Raises:
        Missing: it was not fetched.
    """
    fetched = CACHE / f"valkey{version}" / "valkey-server"
    if not fetched.exists():
        raise Missing(f"Valkey {version}", "make servers")
    return fetched


def postgres(version: int) -> Path:
    """Return the folder with ``initdb`` and ``postgres`` of a major version.

    Raises:
        Missing: neither the machine nor the cache has it.
    """
    places = [Path(place.format(version=version)) for place in POSTGRES_PLACES]
    for folder in (*places, CACHE / f"postgres{version}" / "bin"):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    # Debian's main archive has one version; the cache has what `make servers` fetches.
    remedy = "make servers" if version == 18 else f"apt-get install postgresql-{version}"
    raise Missing(f"PostgreSQL {version}", remedy)


def pgbouncer() -> Path:
    """Return ``pgbouncer``.

    Raises:
        Missing: the machine has none.
    """
    return _program("pgbouncer", "apt-get install pgbouncer")


def _program(name: str, remedy: str) -> Path:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise Missing(name, remedy)
    return Path(found)
