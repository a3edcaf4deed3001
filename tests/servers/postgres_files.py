"""The files of a PostgreSQL server: a new data directory, and a replica's copy of a running one's."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.servers import binaries
from tests.servers.folders import base
from tests.servers.ports import HOST
from tests.servers.process import ServerError
from tests.servers.users import Account, give

if TYPE_CHECKING:
    from tests.servers.postgres import PostgresServer

PASSWORD: Final = "private"
"""Of every server here: it lives for a test, on loopback."""
OPTIONS: Final = ("--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync")
SETTINGS: Final = {
    "unix_socket_directories": "''",  # loopback only: nothing to clash with, and no path that is too long
    "shared_buffers": "'32MB'",
    "max_connections": "200",
    "wal_level": "replica",
    "max_wal_size": "'512MB'",
    "max_slot_wal_keep_size": "'2GB'",  # a replica that never comes back must not fill the disk
    "autovacuum_naptime": "'10s'",
    "logging_collector": "off",
    "log_line_prefix": "'%m [%p] '",
    "shared_memory_type": "mmap",
    "wal_receiver_timeout": "'5s'",
    "wal_sender_timeout": "'5s'",
}
"""Small, and quick to start; what a test does not set is PostgreSQL's own default."""


def template(programs: Path, account: Account | None) -> Path:
    """Return a fresh data directory to copy, which is much quicker than ``initdb`` on a busy machine.

    It is made once for each release of PostgreSQL and kept in the cache, or in this process's folder where the cache
    cannot be written.
    """
    said = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    mark = hashlib.sha256("\0".join((said, PASSWORD, *OPTIONS)).encode()).hexdigest()[:16]
    kept, made = binaries.CACHE / f"postgres-data-{mark}", base() / f"postgres-data-{mark}"
    for found in (kept, made):
        if os.access(found / "global", os.R_OK | os.X_OK):
            return found
    making = made.with_suffix(".making")
    initialise(programs, making, account)
    making.rename(made)
    # Another process may have kept its own meanwhile; either will do.
    with contextlib.suppress(OSError):
        binaries.CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=binaries.CACHE, prefix="making-") as folder:
            shutil.copytree(made, Path(folder, "data"), symlinks=True).rename(kept)
    return made


def initialise(programs: Path, data: Path, account: Account | None) -> None:
    """Run ``initdb``: superuser ``postgres``, whose `PASSWORD` is asked on every connection, and no locale.

    Raises:
        ServerError: it failed, with what it said.
    """
    secret = data.with_suffix(".password")
    secret.write_text(f"{PASSWORD}\n")
    data.mkdir()
    give(secret, account)
    give(data, account)
    done = subprocess.run(
        [programs / "initdb", f"--pgdata={data}", f"--pwfile={secret}", *OPTIONS],
        capture_output=True,
        text=True,
        check=False,
        cwd=data.parent,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    secret.unlink()
    if done.returncode:
        raise ServerError(f"initdb: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    with (data / "postgresql.conf").open("a") as conf:
        conf.write("include_if_exists = 'coatcheck.conf'\n")


def copy_running(source: PostgresServer, target: PostgresServer, *, port: int) -> None:
    """Copy a running server into *target*'s folder and make it a standby of it, reached at *port*.

    Done with the backup functions of SQL, because the packages of newer servers come without ``pg_basebackup``. A slot
    keeps the write-ahead log for the replica, from before the backup on and while it is away.
    """
    with source.connect() as connection:
        connection.execute("SELECT pg_create_physical_replication_slot(%s, true)", [target.name])
        connection.execute("SELECT pg_backup_start('replica', fast => true)")
        shutil.copytree(source.data, target.data, symlinks=True, copy_function=_copy, ignore=_not_copied)
        row = connection.execute("SELECT labelfile FROM pg_backup_stop(wait_for_archive => false)").fetchone()
    assert row is not None
    (target.data / "backup_label").write_text(row[0])
    (target.data / "pg_wal" / "archive_status").mkdir(parents=True, exist_ok=True)
    (target.data / "standby.signal").touch()
    conninfo = f"host={HOST} port={port} user=postgres password={PASSWORD} application_name={target.name}"
    # In place of the source's own: which replicas the source waits for is not the copy's business once it is promoted.
    (target.data / "postgresql.auto.conf").write_text(
        f"primary_conninfo = '{conninfo}'\nprimary_slot_name = '{target.name}'\n"
    )
    target.data.chmod(0o700)


def release(data: Path) -> None:
    """Remove the small System V segment that a killed server leaves behind, once its data is not used again."""
    with contextlib.suppress(OSError, IndexError):
        segment = (data / "postmaster.pid").read_text().splitlines()[6].split()[1]
        subprocess.run(["ipcrm", "-m", segment], capture_output=True, check=False)


def _copy(source: str, target: str) -> None:
    """Copy a file that may vanish meanwhile: a backup expects a server that goes on working."""
    with contextlib.suppress(FileNotFoundError):
        shutil.copy2(source, target)


def _not_copied(folder: str, names: list[str]) -> set[str]:
    """Leave out what belongs to the running server alone: its log files, slots, locks and statistics."""
    if Path(folder).name in {"pg_wal", "pg_replslot", "pg_stat_tmp", "pg_notify", "pg_dynshmem"}:
        return set(names)
    return {name for name in names if name in {"postmaster.pid", "postmaster.opts"} or name.startswith("pgsql_tmp")}
