"""A private PostgreSQL server."""

from __future__ import annotations

import contextlib
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import psycopg

from tests.servers import binaries, postgres_files
from tests.servers.folders import base, scratch
from tests.servers.ports import HOST, free_port
from tests.servers.postgres_files import PASSWORD
from tests.servers.process import ServerError, ServerProcess, wait_for
from tests.servers.proxy import Proxy
from tests.servers.tls import Certificates
from tests.servers.users import can_reach, give, unprivileged

STARTS = 5
"""Tries at starting: another process may take the port between its choice and the server's bind."""


class PostgresServer:
    """One server, whose data stays in its folder while it is down."""

    def __init__(
        self,
        version: int = 15,
        folder: Path | None = None,
        *,
        fsync: bool = False,
        tls: Certificates | None = None,
        config: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare a server; nothing runs before `start`.

        Args:
            version: the major version.
            folder: an empty folder for its files; a new one when left out. When this process is root the server runs
                as ``nobody``, who must be able to reach it.
            fsync: sync to disk at commit. Off, a killed *process* loses nothing all the same; a killed machine does.
            tls: offer TLS with these; they are copied.
            config: further settings, such as ``{"max_connections": "300"}``.
        """
        self.version = version
        self.folder = folder or scratch(f"postgres{version}")
        self.binaries = binaries.postgres(version)
        self.port = 0
        self.primary: PostgresServer | None = None
        self._settings = {"fsync": "on" if fsync else "off"} | dict(config or {})
        self._tls = tls
        self._account = unprivileged()
        self._process: ServerProcess | None = None
        if not can_reach(self.folder, self._account):
            raise ServerError(f"{self.folder} cannot be reached by the user nobody; leave the folder out")

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / "data"

    @property
    def url(self) -> str:
        """The address of database ``postgres`` as its superuser, with the password."""
        return self.url_of()

    def url_of(self, database: str = "postgres", user: str = "postgres", password: str = PASSWORD) -> str:
        """Return the address of a database as some user."""
        return f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@{HOST}:{self.port}/{quote(database)}"

    @property
    def process(self) -> ServerProcess:
        """The postmaster and its backends.

        Raises:
            ServerError: it was never started.
        """
        if self._process is None:
            raise ServerError("this server was not started")
        return self._process

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.running

    def start(self) -> Self:
        """Start and wait until it answers; in place, on its port and data, when it ran before.

        Raises:
            ServerError: it did not, with the tail of its log.
        """
        if not self.data.exists():
            shutil.copytree(postgres_files.template(self.programs(), self._account), self.data, symlinks=True)
            self.data.chmod(0o700)
        if self._process is not None:
            self._process.start()
            self._process.wait_until(self.ping)
            return self
        for left in reversed(range(STARTS)):
            self.port = free_port()
            self._process = self._prepared()
            self._process.start()
            try:
                self._process.wait_until(self.ping)
            except ServerError as error:
                self._process.kill()
                if not left or "already in use" not in str(error):
                    raise
            else:
                break
        return self

    def connect(self, **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
        """Return a new connection as superuser, in autocommit; the caller closes it."""
        return psycopg.connect(self.url, **{"autocommit": True, "connect_timeout": 2, **options})

    def execute(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one statement as superuser and return its rows, if it has any."""
        with self.connect() as connection:
            # Tests write statements as plain strings, whatever they are made of.
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def ping(self) -> bool:
        """Whether it answers; raises what the client raises while it starts or recovers."""
        return self.execute("SELECT 1") == [(1,)]

    def kill(self) -> None:
        """End it and its backends with SIGKILL."""
        self.process.kill()

    def freeze(self) -> None:
        """Stop it and its backends with SIGSTOP: connections stay open and nothing answers."""
        self.process.freeze()

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self.process.thaw()

    def restart(self) -> Self:
        """Start again in place, after a `kill`, or after an orderly shutdown when it runs."""
        if self.running:
            self.process.stop(signal.SIGINT)
        return self.start()

    def stop(self) -> None:
        """End it (a "fast" shutdown); data stays. Stopping twice is harmless."""
        if self._process is not None:
            self._process.stop(signal.SIGINT, timeout=5.0)
            postgres_files.release(self.data)

    def make_replica(
        self, *, synchronous: bool = False, through: Proxy | None = None, config: Mapping[str, str] | None = None
    ) -> PostgresServer:
        """Copy this running server into a streaming replica, start that and wait until it streams.

        Args:
            synchronous: commits here wait until the replica has flushed them. Without the replica they then wait for
                ever, as PostgreSQL has it.
            through: a proxy to this server, whose faults part the two.
            config: further settings of the replica.
        """
        replica = PostgresServer(self.version, config=self._settings | dict(config or {}))
        replica.primary = self
        postgres_files.copy_running(self, replica, port=through.port if through else self.port)
        try:
            replica.start()
            replica.wait_streaming()
        except BaseException:
            replica.stop()
            raise
        if synchronous:
            self.synchronise(replica)
        return replica

    def synchronise(self, *replicas: PostgresServer) -> None:
        """Let commits wait for the first of *replicas*; for none when there are none."""
        names = ", ".join(replica.name for replica in replicas)
        self.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{f'FIRST 1 ({names})' if names else ''}'")
        self.execute("SELECT pg_reload_conf()")
        if replicas:
            wait_for(
                lambda: ("sync",) in self.execute("SELECT sync_state FROM pg_stat_replication"), what="sync replica"
            )

    @property
    def name(self) -> str:
        """What it calls itself towards its primary."""
        return self.folder.name.replace("-", "_")

    def wait_streaming(self) -> None:
        """Wait until this replica streams from its primary.

        Raises:
            ServerError: 30 s passed.
        """
        self.process.wait_until(
            lambda: self.execute("SELECT status FROM pg_stat_wal_receiver") == [("streaming",)],
            what="streaming replica",
        )

    def promote(self) -> None:
        """Make this replica a primary, which takes writes when this returns.

        Raises:
            ServerError: it did not become one.
        """
        if self.execute("SELECT pg_promote(true, 30)") != [(True,)]:
            raise ServerError(f"not promoted\n{self.process.tail()}")
        self.primary = None

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        with contextlib.suppress(ServerError):
            self.stop()

    def programs(self) -> Path:
        """Return the folder of programs, copied when the server's user cannot reach the original."""
        if can_reach(self.binaries / "postgres", self._account):
            return self.binaries
        copied = base() / f"postgres{self.version}-programs"
        if not copied.exists():
            shutil.copytree(self.binaries.parent, copied, symlinks=True)
        return copied / self.binaries.name

    def _prepared(self) -> ServerProcess:
        lines = postgres_files.SETTINGS | {"port": str(self.port), "listen_addresses": f"'{HOST}'"} | self._settings
        if self._tls:
            lines |= {"ssl": "on", "ssl_cert_file": "'server.pem'", "ssl_key_file": "'server.key'"}
            shutil.copy(self._tls.certificate, self.data / "server.pem")
            shutil.copy(self._tls.key, self.data / "server.key")
        (self.data / "coatcheck.conf").write_text("".join(f"{name} = {value}\n" for name, value in lines.items()))
        give(self.folder, self._account)
        command: list[str | Path] = [self.programs() / "postgres", "-D", self.data]
        return ServerProcess(command, log=self.folder / "server.log", account=self._account)
