"""One primary, two replicas and three Sentinels that agree by two."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self
from urllib.parse import quote

import redis

from tests.servers.folders import scratch
from tests.servers.ports import HOST
from tests.servers.process import ServerError, wait_for
from tests.servers.redis import RedisServer

SERVICE: Final = "sessions"
"""What the Sentinels call the primary."""


class Sentinels:
    """A set of six processes; writing resumes some 2.5 s after the primary dies."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        binary: Path | None = None,
        replicas: int = 2,
        appendonly: Literal["always", "everysec", "no"] = "no",
        snapshots: bool = False,
        password: str | None = None,
        down_after: int = 1000,
        hasty: bool = False,
        config: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare the set; nothing runs before `start`.

        Args:
            folder: an existing folder for their files; a new one when left out.
            binary: ``redis-server`` or ``valkey-server``; the machine's Redis when left out.
            replicas: how many, besides the primary.
            appendonly: as for `RedisServer`, on primary and replicas; so are *snapshots*, *password* and *config*.
            snapshots: as above.
            password: as above; the Sentinels themselves ask none.
            down_after: milliseconds of silence after which a Sentinel takes a server for dead.
            hasty: look at the servers ten times as often as Sentinel does (``SENTINEL DEBUG``), so that a primary that
                comes back is made a replica after about 1 s and not 10. It is a primary until then, and takes writes
                that will be lost: do not hurry where that is the question.
            config: as above.
        """
        self.folder = folder or scratch("sentinels")
        self._binary = binary
        self._replicas = replicas
        self._down_after = down_after
        self._hasty = hasty
        self._password = password
        self._durability: dict[str, Any] = {"appendonly": appendonly, "snapshots": snapshots, "password": password}
        self._config = dict(config or {})
        self.servers: list[RedisServer] = []
        self.sentinels: list[RedisServer] = []

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """The Sentinels' hosts and ports."""
        return [(HOST, sentinel.port) for sentinel in self.sentinels]

    @property
    def url(self) -> str:
        """The address for coatcheck: the Sentinels, then the service's name."""
        account = f":{quote(self._password, safe='')}@" if self._password else ""
        return f"redis+sentinel://{account}{','.join(f'{h}:{p}' for h, p in self.addresses)}/{SERVICE}"

    def start(self) -> Self:
        """Start all six and wait until they know one another; what runs already is left alone.

        Raises:
            ServerError: one did not start, or they did not find one another.
        """
        if not self.servers:
            self._start_servers()
            self._start_sentinels()
        self.restart_dead()
        return self

    def primary(self) -> RedisServer:
        """Return the server that the Sentinels' majority takes for the primary.

        Raises:
            ServerError: they do not agree.
        """
        votes = [port for sentinel in self.sentinels if (port := self._says(sentinel)) is not None]
        for server in self.servers:
            if votes.count(server.port) * 2 > len(self.sentinels):
                return server
        raise ServerError(f"the Sentinels do not agree on a primary: {votes}")

    def kill_primary(self) -> RedisServer:
        """End the primary with SIGKILL and return it; its successor comes by itself (`wait_failed_over`)."""
        server = self.primary()
        server.kill()
        return server

    def wait_failed_over(self, old: RedisServer) -> RedisServer:
        """Wait until another server is primary and takes writes; return it.

        Raises:
            ServerError: 30 s passed.
        """
        wait_for(lambda: self.primary() is not old and self._takes_writes(self.primary()), what="failover")
        return self.primary()

    def restart_dead(self) -> None:
        """Start in place whatever is not running, and wait until the whole set is `settled`."""
        for server in (*self.servers, *self.sentinels):
            if not server.running:
                server.start()
        if self._hasty:
            for sentinel in self.sentinels:
                self._hurry(sentinel)
        self.wait_settled()

    def wait_settled(self) -> None:
        """Wait until `settled`.

        Raises:
            ServerError: 60 s passed.
        """
        wait_for(self.settled, timeout=60, what="agreement of the Sentinels and links of all replicas")

    def settled(self) -> bool:
        """Whether one server is primary, all others have caught up with it, and every Sentinel sees all of that."""
        primary = self.primary()
        others = [server for server in self.servers if server is not primary]
        return (
            self._takes_writes(primary)
            and all(server.linked() and server.info("replication")["master_port"] == primary.port for server in others)
            and all(self._sees_all(sentinel) for sentinel in self.sentinels)
        )

    def stop(self) -> None:
        """End all. Stopping twice is harmless."""
        for server in (*self.sentinels, *self.servers):
            server.stop()

    def __enter__(self) -> Self:
        """Start."""
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def _start_servers(self) -> None:
        for number in range(self._replicas + 1):
            folder = self.folder / f"server{number}"
            folder.mkdir()
            primary = self.servers[0] if self.servers else None
            server = RedisServer(
                folder, binary=self._binary, replica_of=primary, config=self._config, **self._durability
            )
            self.servers.append(server.start())

    def _start_sentinels(self) -> None:
        lines = {
            "sentinel monitor": f"{SERVICE} {HOST} {self.servers[0].port} 2",
            "sentinel down-after-milliseconds": f"{SERVICE} {self._down_after}",
            "sentinel failover-timeout": f"{SERVICE} 5000",
            "sentinel parallel-syncs": f"{SERVICE} 5",
        }
        if self._password:
            lines["sentinel auth-pass"] = f'{SERVICE} "{self._password}"'
        for number in range(3):
            folder = self.folder / f"sentinel{number}"
            folder.mkdir()
            sentinel = RedisServer(folder, binary=self._binary, config=lines, sentinel=True)
            self.sentinels.append(sentinel.start())

    @staticmethod
    def _hurry(sentinel: RedisServer) -> None:
        """Ask for the periods again at every start: they are not in the file."""
        with sentinel.client() as client:
            for name, milliseconds in (("info-period", 1000), ("publish-period", 200), ("ask-period", 200)):
                client.execute_command("SENTINEL", "DEBUG", name, milliseconds)

    @staticmethod
    def _says(sentinel: RedisServer) -> int | None:
        """Return the port that a Sentinel names as the primary's."""
        with contextlib.suppress(redis.RedisError, OSError), sentinel.client() as client:
            found = client.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", SERVICE)
            return int(found[1]) if found else None
        return None

    def _sees_all(self, sentinel: RedisServer) -> bool:
        """Whether a Sentinel knows the other Sentinels and every replica, and takes none for dead."""
        with sentinel.client() as client:
            about = client.info("sentinel")["master0"]
            replicas = client.sentinel_slaves(SERVICE)
        healthy = [each for each in replicas if not (each["is_sdown"] or each["is_odown"] or each["is_disconnected"])]
        known = about["status"] == "ok" and int(about["sentinels"]) == len(self.sentinels)
        return known and len(healthy) == len(self.servers) - 1

    @staticmethod
    def _takes_writes(server: RedisServer) -> bool:
        return bool(server.info("replication")["role"] == "master")
