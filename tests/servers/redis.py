"""A private Redis or Valkey server."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.servers import binaries
from tests.servers.folders import scratch
from tests.servers.ports import HOST, free_port
from tests.servers.process import ServerError, ServerProcess, wait_for
from tests.servers.proxy import Proxy
from tests.servers.tls import Certificates

STARTS = 5
"""Tries at starting: another process may take the port between its choice and the server's bind."""


class RedisServer:
    """One server, whose files stay in its folder while it is down."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        binary: Path | None = None,
        snapshots: bool = False,
        appendonly: Literal["always", "everysec", "no"] = "no",
        replica_of: RedisServer | Proxy | None = None,
        password: str | None = None,
        tls: Certificates | None = None,
        users: Sequence[str] = (),
        sentinel: bool = False,
        config: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare a server; nothing runs before `start`.

        Args:
            folder: an existing folder for its files; a new one when left out.
            binary: ``redis-server`` or ``valkey-server``; the machine's Redis when left out.
            snapshots: the RDB schedule that Redis has by default; without it and *appendonly* a restart is empty.
            appendonly: an append-only file, synced to disk at every write or every second.
            replica_of: the primary, already started, or a proxy to it whose faults part the two.
            password: of the default user, and towards the primary.
            tls: speak TLS only, with these.
            users: access rules as ``ACL SETUSER`` takes them, such as ``"app on >word ~coatcheck:* &* +@all"``.
            sentinel: run as a Sentinel; *config* says of what.
            config: further lines of ``redis.conf``, such as ``{"maxmemory": "2mb", "maxmemory-policy": "noeviction"}``.
        """
        self.folder = folder or scratch("redis")
        self.binary = binary or binaries.redis()
        self.password = password
        self.tls = tls
        self.port = 0
        self._replica_of = replica_of
        self.config = ({} if sentinel else self._durability(snapshots, appendonly)) | dict(config or {})
        self._users = users
        self._sentinel = sentinel
        self._process: ServerProcess | None = None

    @property
    def url(self) -> str:
        """The address, with the password."""
        return self.url_of()

    def url_of(self, user: str = "", password: str | None = None, database: int = 0) -> str:
        """Return the address as some user, or with another password than the server's."""
        word = password if password is not None else self.password
        account = f"{quote(user, safe='')}:{quote(word, safe='')}@" if word else ""
        return f"{'rediss' if self.tls else 'redis'}://{account}{HOST}:{self.port}/{database}"

    @property
    def process(self) -> ServerProcess:
        """The process.

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

    @property
    def awake(self) -> bool:
        """Whether the process is there and not frozen."""
        return self.running and not self.process.frozen

    def start(self) -> Self:
        """Start and wait until it answers; in place, on its port and files, when it ran before.

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
        """Whether it answers; raises what the client raises while it loads or refuses."""
        with self.client() as client:
            return bool(client.ping())

    def client(self, **options: Any) -> redis.Redis:
        """Return a new blocking client without second tries, which would hide a fault; the caller closes it."""
        trust = {"ssl_ca_certs": str(self.tls.authority)} if self.tls else {}
        patience = {"socket_timeout": 2.0, "socket_connect_timeout": 2.0, "retry": Retry(NoBackoff(), 0)}
        options = {**patience, **trust, **options}
        return redis.Redis.from_url(self.url, **options)

    def info(self, section: str) -> dict[str, Any]:
        """Return a section of ``INFO``."""
        with self.client() as client:
            answer: dict[str, Any] = client.info(section)
            return answer

    @property
    def version(self) -> str:
        """The server's kind and version, such as ``redis 7.0.15`` or ``valkey 9.1.2``."""
        about = self.info("server")
        return f"valkey {about['valkey_version']}" if "valkey_version" in about else f"redis {about['redis_version']}"

    def linked(self) -> bool:
        """Whether it is a replica that has caught up with a primary."""
        about = self.info("replication")
        return bool(about["role"] == "slave" and about["master_link_status"] == "up")

    def wait_linked(self) -> Self:
        """Wait until `linked`.

        Raises:
            ServerError: 30 s passed.
        """
        wait_for(self.linked, what=f"link of {self.port} to a primary", alive=lambda: self.running)
        return self

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.kill()

    def freeze(self) -> None:
        """Stop it with SIGSTOP: connections stay open and nothing answers."""
        self.process.freeze()

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self.process.thaw()

    def restart(self) -> Self:
        """Start again in place, after a `kill`, or after an orderly shutdown when it runs."""
        if self.running:
            self.process.stop()
        return self.start()

    def stop(self) -> None:
        """End it; files stay. Stopping twice is harmless."""
        if self._process is not None:
            self._process.stop(timeout=3.0)

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        with contextlib.suppress(ServerError):
            self.stop()

    @staticmethod
    def _durability(snapshots: bool, appendonly: str) -> dict[str, str]:
        lines = {"save": "3600 1 300 100 60 10000" if snapshots else '""', "appendonly": "no"}
        return lines if appendonly == "no" else lines | {"appendonly": "yes", "appendfsync": appendonly}

    def _prepared(self) -> ServerProcess:
        """Write the configuration once: Sentinel and ``CONFIG REWRITE`` change it, and a restart reads it again."""
        lines = {
            "bind": HOST,
            "dir": str(self.folder),
            "daemonize": "no",
            ("tls-port" if self.tls else "port"): str(self.port),
        }
        if not self._sentinel:
            # A replica that lost its link asks again at once, not after a ping's ten seconds.
            lines |= {"repl-diskless-sync-delay": "0", "repl-ping-replica-period": "1"}
        if self.tls:
            lines |= {"port": "0", "tls-auth-clients": "no", "tls-replication": "yes", "tls-cluster": "yes"}
            lines |= {"tls-cert-file": str(self.tls.certificate), "tls-key-file": str(self.tls.key)}
            lines |= {"tls-ca-cert-file": str(self.tls.authority)}
        if self.password:
            lines |= {"requirepass": f'"{self.password}"', "masterauth": f'"{self.password}"'}
        if self._replica_of is not None:
            lines |= {"replicaof": f"{HOST} {self._replica_of.port}"}
        text = [f"{name} {value}\n" for name, value in (lines | self.config).items()]
        conf = self.folder / "redis.conf"
        conf.write_text("".join((*text, *(f"user {rule}\n" for rule in self._users))))
        conf.chmod(0o600)
        command: list[str | Path] = [self.binary, conf, *(["--sentinel"] if self._sentinel else [])]
        return ServerProcess(command, log=self.folder / "server.log")
