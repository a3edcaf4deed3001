"""Where a request really came from, when proxies stand in front of the application.

Anybody can send ``X-Forwarded-For``. It is believed only where a proxy that the operator named has written it: the list
is read from the right, the nearest proxy's entry first, and the first address that is not a proxy's is the client
(ASVS 4.1.3). Scheme and host decide about ``Secure`` cookies and origins, so they follow the same rule.

Both families of headers are understood: ``X-Forwarded-For``, ``-Proto``, ``-Host``, and ``Forwarded`` (RFC 7239). A
proxy usually writes one and lets the other pass as the client sent it, and nothing shows which. So when a request has
both and they do not agree in everything, both are ignored and the connection alone counts. What cannot be read is
ignored in the same way: the peer's own value stands in its place. A proxy that is trusted must set or remove each
header of the family it writes, because one that it lets through looks like its own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_SCHEMES: Final = {"http": "http", "ws": "http", "https": "https", "wss": "https"}
_FOR: Final = b"x-forwarded-for"
_PROTO: Final = b"x-forwarded-proto"
_HOST: Final = b"x-forwarded-host"
_FORWARDED: Final = b"forwarded"
_READ: Final = frozenset({_FOR, _PROTO, _HOST, _FORWARDED})

_LONGEST_ADDRESS: Final = 64
_LONGEST_HOST: Final = 260
_HOST_AND_PORT: Final = re.compile(
    r"((?:[a-z0-9_][a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*\.?|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?"
)
_ADDRESS_AND_PORT: Final = re.compile(r"\[([^\]]*)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")
_FORWARDED_PAIR: Final = re.compile(
    r"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)|\"((?:[^\"\\]|\\.)*)\")[ \t]*([;,]|\Z)"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request came from and where it went, as far as that may be believed.

    Attributes:
        scheme: ``"http"`` or ``"https"``, for WebSockets too.
        host: host and port as the client addressed them, in lower case; empty when they were not a valid host.
        address: the client's address in its shortest form; ``None`` when it has none, as on a Unix socket.
    """

    scheme: str
    host: str
    address: str | None

    @property
    def origin(self) -> str:
        """The origin that the request was sent to, such as ``"https://example.com"``."""
        return f"{self.scheme}://{self.host}"


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """The proxies whose headers are believed. Without any, the connection alone counts. `parse_trusted` makes it.

    Attributes:
        networks: addresses that proxies have.
        hops: how many proxies every request passes, where their addresses are not known; 0 when they are.
        unix: whether a peer without an address, on a Unix socket, is a proxy.
    """

    networks: tuple[Network, ...] = ()
    hops: int = 0
    unix: bool = False

    def resolve(
        self, peer: str | None, scheme: str, host: bytes | str | None, headers: Iterable[tuple[bytes, bytes]]
    ) -> Place:
        """Return what may be believed of a request.

        Args:
            peer: address of the connection's other end.
            scheme: the connection's scheme.
            host: value of the ``Host`` header.
            headers: raw ASGI headers.
        """
        nearest = normalise(peer or "")
        direct = Place(_SCHEMES.get(scheme, "http"), clean_host(host), str(nearest) if nearest else None)
        if not self._believes(peer, nearest):
            return direct
        said: dict[bytes, list[str]] = {}
        for name, value in headers:
            if (lowered := name.lower()) in _READ:
                said.setdefault(lowered, []).append(value.decode("latin-1"))
        claims: set[Place] = set()
        if _FORWARDED in said:
            claims.add(self._by_forwarded(direct, said.pop(_FORWARDED)))
        if said:
            claims.add(self._by_x_headers(direct, said))
        return claims.pop() if len(claims) == 1 else direct

    def _believes(self, peer: str | None, nearest: Address | None) -> bool:
        """Whether the peer is a proxy whose headers count."""
        if self.hops:
            return True
        if nearest is None:
            return self.unix and (not peer or peer.startswith("unix:"))
        return self._names(nearest)

    def _names(self, address: Address) -> bool:
        """Whether *address* is a proxy's."""
        return any(address in network for network in self.networks)

    def _by_x_headers(self, direct: Place, said: Mapping[bytes, list[str]]) -> Place:
        """Read ``X-Forwarded-For``, ``-Proto`` and ``-Host``."""
        client = self._client(_members(said, _FOR))
        if client is None:
            return direct
        depth, address = client
        return _place(direct, address, _at(_members(said, _PROTO), depth), _at(_members(said, _HOST), depth))

    def _by_forwarded(self, direct: Place, values: list[str]) -> Place:
        """Read ``Forwarded``: the element that names the client also says which scheme and host it used."""
        elements = _parse_forwarded(",".join(values))
        client = self._client([element.get("for", "") for element in elements]) if elements else None
        if client is None:
            return direct
        depth, address = client
        element = elements[-depth]
        return _place(direct, address, element.get("proto", ""), element.get("host", ""))

    def _client(self, chain: Sequence[str]) -> tuple[int, Address | None] | None:
        """Find the client in a list whose last entry the nearest proxy wrote.

        Returns:
            How many proxies the request passed, and the client's address, ``None`` if it cannot be read. ``None`` for
            a chain shorter than the stated hops: that request came round the outermost proxy.
        """
        if self.hops:
            return (self.hops, normalise(chain[-self.hops])) if len(chain) >= self.hops else None
        address = None
        for depth, entry in enumerate(reversed(chain), 1):
            address = normalise(entry)
            if address is None or not self._names(address):
                return depth, address
        return max(len(chain), 1), address


def parse_trusted(value: Sequence[str] | int) -> tuple[TrustedProxies, list[str]]:
    """Read the option ``trusted_proxies``; returns the proxies, and one sentence for each thing that is wrong.

    Args:
        value: addresses and networks (``["10.0.0.0/8", "::1"]``), among them ``"unix"`` for a proxy that connects by
            Unix socket; or the number of proxies that every request passes. Networks are the safer choice: a number
            is right only if nobody can reach the application past the proxies.
    """
    if isinstance(value, int):
        if isinstance(value, bool) or value < 0:
            return TrustedProxies(), [f"trusted_proxies={value!r} is no number of proxies: write 1 for one proxy"]
        return TrustedProxies(hops=value), []
    if isinstance(value, str):
        return TrustedProxies(), [f"trusted_proxies is a list, not text: write [{value!r}]"]
    networks: list[Network] = []
    faults: list[str] = []
    for entry in value:
        if entry == "unix":
            continue
        network = _network(entry)
        if isinstance(network, str):
            faults.append(network)
        else:
            networks.append(network)
    return TrustedProxies(networks=tuple(networks), unix="unix" in value), faults


def normalise(text: str) -> Address | None:
    """Read an address as proxies write it; ``None`` if it is none.

    Port, brackets and zone are taken off, and an IPv4-mapped IPv6 address becomes IPv4, so that one client has one
    spelling (CVE-2026-45364).
    """
    return _parse_address(text.strip(" \t")) if len(text) <= _LONGEST_ADDRESS else None


def clean_host(host: bytes | str | None) -> str:
    """Return a ``Host`` value in lower case, or nothing if it is not a host with or without a port."""
    text = host.decode("latin-1") if isinstance(host, bytes) else host
    return text.lower() if text and _split_host(text) else ""


def is_local(host: str) -> bool:
    """Whether *host* is this machine for every browser: ``localhost``, ``*.localhost``, ``127.0.0.1`` or ``[::1]``.

    A port and a trailing dot may follow. Nothing else counts, such as other spellings of the address (ruling 6).
    """
    split = _split_host(host)
    if split is None:
        return False
    name = split[0]
    return name in {"localhost", "127.0.0.1", "[::1]"} or name.endswith(".localhost")


def host_in(host: str, allowed: Collection[str]) -> bool:
    """Whether *host* is among *allowed*, as `parse_hosts` returns them; an entry without port allows every port."""
    split = _split_host(host)
    return split is not None and (split[0] in allowed or ":".join(split) in allowed)


def parse_hosts(values: Iterable[str]) -> tuple[frozenset[str], list[str]]:
    """Read the option ``allow_http_hosts``; returns the hosts, and one sentence for each that is wrong."""
    if isinstance(values, str):
        return frozenset(), [f"allow_http_hosts is a list, not text: write [{values!r}]"]
    hosts: set[str] = set()
    faults: list[str] = []
    for value in values:
        split = _split_host(value)
        if split is None:
            faults.append(f'allow_http_hosts: {value!r} is not a host: write a name alone, such as "testserver"')
        else:
            hosts.add(":".join(part for part in split if part))
    return frozenset(hosts), faults


@lru_cache(maxsize=1024)
def _parse_address(text: str) -> Address | None:
    """Parse one address; cached, because a few proxies and clients send most requests."""
    with_port = _ADDRESS_AND_PORT.fullmatch(text)
    bare = (with_port[1] or with_port[2]) if with_port else text
    if ":" in bare:
        bare = bare.partition("%")[0]
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _network(entry: str) -> Network | str:
    """Read one trusted network, or say what is wrong with it."""
    try:
        network = ip_network(entry)
    except ValueError as error:
        return f'trusted_proxies: {entry!r} is not an address or a network ({error}); write "10.0.0.0/8" or "::1"'
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped:
        network = IPv4Network((network.network_address.ipv4_mapped, network.prefixlen - 96))
    if network.prefixlen == 0:
        return f"trusted_proxies: {entry!r} trusts everybody, who could then choose an address: name your proxies"
    return network


def _place(direct: Place, address: Address | None, scheme: str, host: str) -> Place:
    """Replace what proxies said readably, each part on its own."""
    return Place(
        _SCHEMES.get(scheme.lower(), direct.scheme),
        clean_host(host) or direct.host,
        str(address) if address else direct.address,
    )


def _members(said: Mapping[bytes, list[str]], name: bytes) -> list[str]:
    """Split a list header, which may be spread over several lines, into its members."""
    return [member.strip(" \t") for value in said.get(name, ()) for member in value.split(",")]


def _at(members: Sequence[str], depth: int) -> str:
    """Return what the outermost of *depth* proxies wrote; nothing if that cannot be told.

    A proxy either appends to the list or sets a single value, so a list that is too short to reach it is ambiguous.
    """
    if len(members) == 1:
        return members[0]
    return members[-depth] if len(members) >= depth else ""


def _parse_forwarded(text: str) -> list[dict[str, str]]:
    """Parse ``Forwarded`` (RFC 7239, 4) into its elements; empty if it breaks the grammar anywhere."""
    elements: list[dict[str, str]] = [{}]
    at = 0
    while match := _FORWARDED_PAIR.match(text, at):
        name, token, quoted, end = match[1].lower(), match[2], match[3], match[4]
        if name in elements[-1]:
            return []
        elements[-1][name] = token if token is not None else re.sub(r"\\(.)", r"\1", quoted)
        if not end:
            return elements
        if end == ",":
            elements.append({})
        at = match.end()
    return []


def _split_host(host: str) -> tuple[str, str] | None:
    """Split a host from its port, in lower case and without a trailing dot; ``None`` for anything else."""
    return _parse_host(host) if len(host) <= _LONGEST_HOST and host.isascii() else None


@lru_cache(maxsize=256)
def _parse_host(host: str) -> tuple[str, str] | None:
    """Parse one host; cached, because an application answers to a few."""
    match = _HOST_AND_PORT.fullmatch(host.lower())
    if match is None or int(match[2] or 0) > 65_535 or (match[1][0] == "[" and not normalise(match[1])):
        return None
    return match[1].removesuffix("."), match[2] or ""
