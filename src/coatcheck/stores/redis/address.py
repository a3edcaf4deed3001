"""Where a Redis is: the four kinds of URL, read wholly before anything is opened, and every fault found at once."""

from __future__ import annotations

import re
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import parse_qsl, unquote

from msgspec import Struct

from coatcheck.errors import ConfigurationError
from coatcheck.stores.redis.options import Options, read_options

Kind: TypeAlias = Literal["single", "sentinel", "cluster"]

SCHEMES: Final[dict[str, tuple[Kind, bool]]] = {
    "redis": ("single", False),
    "rediss": ("single", True),
    "redis+sentinel": ("sentinel", False),
    "redis+cluster": ("cluster", False),
}
"""Each scheme: the kind of deployment, and whether it is encrypted without an option."""

_PORTS: Final = {"single": 6379, "sentinel": 26379, "cluster": 6379}
_EXAMPLES: Final = {
    "single": "redis://user:password@host:6379/0",
    "sentinel": "redis+sentinel://host1:26379,host2:26379/service/0",
    "cluster": "redis+cluster://host1:6379,host2:6379",
}
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?", re.ASCII)
_SERVICE: Final = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)

HostPort: TypeAlias = tuple[str, int]


class Address(Struct, frozen=True, kw_only=True):
    """Where a Redis is and how to sign in to it.

    Attributes:
        kind: one server, sentinels that know it, or a Cluster.
        hosts: the server, the sentinels, or some of the Cluster's nodes.
        db: the database's number.
        service: what the sentinels call the primary.
        username: who to be; ``None`` for the server's default user.
        password: the password, if there is one.
        options: the rest.
    """

    kind: Kind
    hosts: tuple[HostPort, ...]
    db: int = 0
    service: str = ""
    username: str | None = None
    password: str | None = None
    options: Options = Options()

    def __repr__(self) -> str:
        """Show what `text` shows."""
        return f"Address({self.text})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Show the same where Rich prints it: what msgspec would give it has the password."""
        return [("text", self.text)]

    @property
    def text(self) -> str:
        """The address for people, without user and password."""
        scheme = {"single": "rediss" if self.options.tls else "redis"}.get(self.kind, f"redis+{self.kind}")
        tail = f"/{self.service}" if self.service else ""
        tail += f"/{self.db}" if self.kind != "cluster" else ""
        return f"{scheme}://{','.join(where(*host) for host in self.hosts)}{tail}"


def where(host: str, port: int) -> str:
    """Return ``host:port`` as it stands in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def read_url(url: str) -> Address:
    """Return the address that *url* names.

    Raises:
        ConfigurationError: every fault, each with how to mend it; no message repeats what might be a password.
    """
    scheme, _, rest = url.strip().partition("://")
    kind, tls = SCHEMES[scheme.lower()]
    rest, _, fragment = rest.partition("#")
    rest, _, query = rest.partition("?")
    netloc, _, path = rest.partition("/")
    credentials, _, hosts_text = netloc.rpartition("@")
    if "@" in query:  # it belongs to a password that begins before the '?', so nothing of it may be repeated
        faults = ["an '@' follows the '?'; in a user or a password write '?' as %3F and '@' as %40"]
        options = Options()
    else:
        options, faults = read_options(parse_qsl(query, keep_blank_values=True), tls=tls)
    if fragment:
        faults.append("a '#' in a Redis URL has no meaning; in a password write it as %23")
    username, password = _credentials(credentials)
    hosts = _hosts(hosts_text, kind, faults)
    service, db = _path(unquote(path), kind, faults)
    if faults:
        raise ConfigurationError([f"the Redis URL: {fault}" for fault in faults])
    return Address(
        kind=kind, hosts=hosts, db=db, service=service, username=username, password=password, options=options
    )


def _credentials(text: str) -> tuple[str | None, str | None]:
    """Return user and password: ``user:password@``, ``:password@``, or a user alone."""
    username, _, password = text.partition(":")
    return unquote(username) or None, unquote(password) or None


def _hosts(text: str, kind: Kind, faults: list[str]) -> tuple[HostPort, ...]:
    """Return the hosts; those that cannot be read are named by their place, for they may hold a password."""
    hosts: list[HostPort] = []
    parts = text.split(",") if text else ["localhost"] if kind == "single" else []
    for place, part in enumerate(parts, start=1):
        match = _HOST.fullmatch(part)
        if match is None or not 0 < int(match[2] or 1) < 65536:
            faults.append(f"host {place} is not host:port; write {_EXAMPLES[kind]}, and in a password '@' as %40")
        else:
            hosts.append((match[1].strip("[]"), int(match[2] or _PORTS[kind])))
    if not parts:
        faults.append(f"it names no host; write {_EXAMPLES[kind]}")
    if kind == "single" and len(parts) > 1:
        faults.append("redis:// names one server; for several write redis+sentinel:// or redis+cluster://")
    return tuple(hosts)


def _path(path: str, kind: Kind, faults: list[str]) -> tuple[str, int]:
    """Return the sentinels' service and the database's number."""
    parts = [part for part in path.split("/") if part]
    service = parts.pop(0) if kind == "sentinel" and parts else ""
    if kind == "sentinel" and not _SERVICE.fullmatch(service):
        faults.append(f"it must name the sentinels' service; write {_EXAMPLES[kind]}")
    database = parts.pop(0) if parts else "0"
    if parts or not database.isascii() or not database.isdigit() or len(database) > 4:
        faults.append(f"what follows the host is not a database's number; write {_EXAMPLES[kind]}")
        return service, 0
    if kind == "cluster" and int(database):
        faults.append("a Cluster has database 0 alone; leave the number out")
    return service, int(database)
