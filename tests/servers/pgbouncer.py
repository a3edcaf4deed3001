"""A private PgBouncer in front of a PostgreSQL server."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, Self
from urllib.parse import quote

import psycopg

from tests.servers import binaries
from tests.servers.folders import scratch
from tests.servers.ports import HOST, free_port
from tests.servers.postgres import PostgresServer
from tests.servers.postgres_files import PASSWORD
from tests.servers.process import ServerError, ServerProcess
from tests.servers.users import can_reach, give, unprivileged

STARTS: Final = 5


class PgBouncer:
    """One PgBouncer; its own server connections are few, so that clients really share them."""

    def __init__(
        self,
        target: PostgresServer,
        folder: Path | None = None,
        *,
        mode: Literal["transaction", "session", "statement"] = "transaction",
        pool_size: int = 4,
        config: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare a PgBouncer; nothing runs before `start`.

        Args:
            target: the server behind, already started.
            folder: an existing folder for its files; a new one when left out.
            mode: when a server connection goes back: after each transaction by default.
            pool_size: server connections for each pair of database and user.
            config: further settings of the section ``[pgbouncer]``.
        """
        self.folder = folder or scratch("pgbouncer")
        self.port = 0
        self.target = target
        self._program = binaries.pgbouncer()
        self._settings = {"pool_mode": mode, "default_pool_size": str(pool_size), **(config or {})}
        self._account = unprivileged()
        self._process: ServerProcess | None = None
        if not can_reach(self.folder, self._account):
            raise ServerError(f"{self.folder} cannot be reached by the user nobody; leave the folder out")

    @property
    def url(self) -> str:
        """The address of the target's database ``postgres`` through PgBouncer."""
        return self.url_of()

    def url_of(self, database: str = "postgres", user: str = "postgres", password: str = PASSWORD) -> str:
        """Return the address of a database as some user; other users than ``postgres`` need ``auth_query``."""
        return f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@{HOST}:{self.port}/{quote(database)}"

    @property
    def process(self) -> ServerProcess:
        """The process.

        Raises:
            ServerError: it was never started.
        """
        if self._process is None:
            raise ServerError("this PgBouncer was not started")
        return self._process

    def start(self) -> Self:
        """Start and wait until it answers; in place when it ran before.

        Raises:
            ServerError: it did not, with the tail of its log.
        """
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

    def ping(self) -> bool:
        """Whether a statement reaches the target; raises what the client raises when not."""
        with psycopg.connect(self.url, autocommit=True, connect_timeout=2, prepare_threshold=None) as connection:
            return connection.execute("SELECT 1").fetchall() == [(1,)]

    @property
    def version(self) -> str:
        """What ``SHOW VERSION`` on its console says."""
        console = self.url_of("pgbouncer")
        with psycopg.connect(console, autocommit=True, prepare_threshold=None) as connection:
            # The console knows the simple protocol only; ClientCursor speaks it.
            return str(psycopg.ClientCursor(connection).execute("SHOW VERSION").fetchall()[0][0])

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.kill()

    def freeze(self) -> None:
        """Stop it with SIGSTOP."""
        self.process.freeze()

    def thaw(self) -> None:
        """Let a frozen one go on."""
        self.process.thaw()

    def restart(self) -> Self:
        """Start again in place."""
        if self.process.running:
            self.process.stop()
        return self.start()

    def stop(self) -> None:
        """End it. Stopping twice is harmless."""
        if self._process is not None:
            self._process.stop(timeout=3.0)

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        with contextlib.suppress(ServerError):
            self.stop()

    def _prepared(self) -> ServerProcess:
        users = self.folder / "users.txt"
        # In clear, because a SCRAM verifier does not let PgBouncer sign in to the server.
        users.write_text(f'"postgres" "{PASSWORD}"\n')
        settings = {
            "listen_addr": HOST,
            "listen_port": str(self.port),
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": str(users),
            "admin_users": "postgres",
            "max_client_conn": "500",
            **self._settings,
        }
        lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
        ini = self.folder / "pgbouncer.ini"
        ini.write_text(f"[databases]\n* = host={HOST} port={self.target.port}\n[pgbouncer]\n{lines}")
        give(self.folder, self._account)
        users.chmod(0o600)
        return ServerProcess([self._program, ini], log=self.folder / "server.log", account=self._account)
