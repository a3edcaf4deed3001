"""The middleware's options, checked when it is built: every fault at once, each with its remedy."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct

from coatcheck.cookies import Cookie, CookieSpec, SameSite
from coatcheck.errors import ConfigurationError
from coatcheck.web.proxies import Place, TrustedProxies, host_in, is_local, parse_hosts, parse_trusted

Load: TypeAlias = Literal["always", "on_demand"]

test_hosts: Final[set[str]] = set()
"""Hosts that the pytest plugin lets plain http be used on, such as ``testserver``; empty outside tests."""


_LONGEST_HOST: Final = 260
"""Octets of a Host header that an answer is remembered for; no real one is longer."""


class Transport(Struct, frozen=True):
    """Where a request came from and how cookies travel there; ``insecure`` is the remedy where they may not."""

    place: Place
    cookie: Cookie | None
    insecure: str | None = None


class Options(Struct, frozen=True, kw_only=True):
    """What the application wrote; `Settings.of` checks it."""

    cookie_name: str = "__Host-session"
    same_site: SameSite = "lax"
    path: str = "/"
    domain: str | None = None
    partitioned: bool = False
    allow_http_hosts: Sequence[str] = ()
    trusted_proxies: Sequence[str] | int = ()
    sign_in_url: str | None = None
    load: Load = "always"
    paths: Sequence[str] | None = None


class Settings:
    """Checked options in the form that requests need."""

    def __init__(self, options: Options) -> None:
        """Check *options*.

        Raises:
            ConfigurationError: holds every fault.
        """
        spec = CookieSpec(
            name=options.cookie_name,
            same_site=options.same_site,
            path=options.path,
            domain=options.domain,
            partitioned=options.partitioned,
        )
        self.proxies: TrustedProxies
        self.proxies, faults = parse_trusted(options.trusted_proxies)
        hosts, host_faults = parse_hosts(options.allow_http_hosts)
        faults = [*spec.faults(), *faults, *host_faults, *_other_faults(options)]
        if faults:
            raise ConfigurationError(faults)
        self.options: Final = options
        self.sign_in_url = options.sign_in_url
        self.on_demand = options.load == "on_demand"
        self.paths = None if options.paths is None else tuple(options.paths)
        self._hosts = hosts
        self._secure, self._plain = spec.on(secure=True), spec.on(secure=False)
        self._believes_nobody = self.proxies == TrustedProxies()
        self._direct = lru_cache(maxsize=4096)(self._resolved)

    def covers(self, path: str) -> bool:
        """Whether sessions are used below *path*."""
        return self.paths is None or any(
            path == prefix or path.startswith(prefix.rstrip("/") + "/") for prefix in self.paths
        )

    def transport(self, scope: MutableMapping[str, Any], host: bytes, forwarded: bytes) -> Transport:
        """Say where a request came from and which cookie it may carry; known answers are remembered.

        *forwarded* is what a proxy says of the scheme; it is not believed here, only noticed (see `_at`).
        """
        client = scope.get("client")
        peer, scheme = client[0] if client else None, scope["scheme"]
        if not self._believes_nobody:
            return self._at(self.proxies.resolve(peer, scheme, host, scope["headers"]))
        if forwarded or len(host) > _LONGEST_HOST:
            return self._at(self.proxies.resolve(peer, scheme, host, ()), behind_https=b"https" in forwarded.lower())
        return self._direct(peer, scheme, host)

    def _resolved(self, peer: str | None, scheme: str, host: bytes) -> Transport:
        return self._at(self.proxies.resolve(peer, scheme, host, ()))

    def _at(self, place: Place, *, behind_https: bool = False) -> Transport:
        """Choose the cookie by the request's own scheme and host; no environment variable decides (ruling 6).

        A local host that a proxy reached for an https client (nginx's default Host) is not local to anybody.
        """
        scheme, host = place.scheme, place.host
        if scheme == "https":
            return Transport(place, self._secure)
        if (is_local(host) and not behind_https) or host_in(host, self._hosts) or host_in(host, test_hosts):
            return Transport(place, self._plain)
        return Transport(
            place,
            None,
            f"a session over plain http to {host or 'an unnamed host'!r} could be read on the way. Serve https; behind "
            "a proxy that does, name it: SessionMiddleware(trusted_proxies=[...]); for a network you trust write "
            f"SessionMiddleware(allow_http_hosts=[{host!r}])",
        )


def _other_faults(options: Options) -> list[str]:
    faults: list[str] = []
    if options.load not in ("always", "on_demand"):
        faults.append(f'load={options.load!r} is not known; write "always" or "on_demand"')
    if isinstance(options.paths, str) or not all(path.startswith("/") for path in options.paths or ()):
        faults.append(f'paths={options.paths!r} must be a list of prefixes that begin with "/", such as ["/app"]')
    if options.sign_in_url is not None and not options.sign_in_url.startswith(("/", "https://", "http://")):
        faults.append(f'sign_in_url={options.sign_in_url!r} must be a path such as "/sign-in"')
    return faults
