"""The middleware's options, checked when it is built: every fault at once, each with its remedy."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias, TypedDict

from msgspec import Struct

from coatcheck.account import FEWEST, MOST
from coatcheck.cookies import Cookie, CookieSpec, SameSite
from coatcheck.errors import ConfigurationError
from coatcheck.moving.options import Moving
from coatcheck.web.answers import Places
from coatcheck.web.csrf import Csrf
from coatcheck.web.csrf_cookies import Aside, accounts_spec, asides
from coatcheck.web.csrf_shield import Shield
from coatcheck.web.entering import TICKET_NAME, Entering
from coatcheck.web.gate.gate import Gate
from coatcheck.web.moving import Legacy
from coatcheck.web.origins import parse_origins
from coatcheck.web.proxies import Place, TrustedProxies, host_in, is_local, parse_hosts, parse_trusted

_log: Final = logging.getLogger("coatcheck")

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
    aside: Aside | None = None


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
    step_up_url: str | None = None
    load: Load = "always"
    paths: Sequence[str] | None = None
    trusted_origins: Sequence[str] = ()
    csrf: Csrf | Literal["off"] = Csrf()
    own_tokens: bool = True
    gate: Gate | None = None
    bearer: bool = False
    entering: Entering | None = None
    accounts: int | None = None
    moving: Moving | None = None


_ELSEWHERE: Final = {
    "secret_key": "nothing is signed, the cookie holds a random ticket; leave it out",
    "session_cookie": "write cookie_name=",
    "max_age": "write AsyncSessions(url, policy=Policy(absolute_timeout=...))",
    "https_only": "write nothing, cookies are Secure wherever that is possible",
    "lifetime": "write AsyncSessions(url, policy=Policy(idle_timeout=...))",
    "store": "write sessions=AsyncSessions(url)",
}
"""Options of other session middlewares, with what to write here."""


def options_from(given: Mapping[str, Any]) -> Options:
    """Return the options that an application wrote.

    Raises:
        ConfigurationError: there is no such option; names the one that is spelt like it.
    """
    known = Options.__struct_fields__
    faults: list[str] = []
    for name in sorted(given.keys() - set(known)):
        near = get_close_matches(name, known, 1)
        if name in _ELSEWHERE:
            faults.append(f"there is no option {name!r}: {_ELSEWHERE[name]}")
            continue
        faults.append(
            f"there is no option {name!r}; " + (f"write {near[0]}=" if near else f"there are {', '.join(known)}")
        )
    if faults:
        raise ConfigurationError(faults)
    return Options(**given)


class SharedOptions(TypedDict, total=False):
    """The options that the middlewares of blocking frameworks take; `Options` says what each means."""

    cookie_name: str
    same_site: SameSite
    path: str
    domain: str | None
    partitioned: bool
    allow_http_hosts: Sequence[str]
    trusted_proxies: Sequence[str] | int
    sign_in_url: str | None
    step_up_url: str | None
    paths: Sequence[str] | None
    trusted_origins: Sequence[str]
    csrf: Csrf | Literal["off"]
    gate: Gate | None
    bearer: bool
    entering: Entering | None
    accounts: int | None
    moving: Moving | None


class MiddlewareOptions(SharedOptions, total=False):
    """The options of the ASGI middleware: those of blocking frameworks, and when to load."""

    load: Load


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
        trusted, origin_faults = parse_origins(options.trusted_origins)
        faults = [*spec.faults(), *faults, *host_faults, *origin_faults, *_other_faults(options)]
        faults += _accounts_faults(options, spec)
        if faults:
            raise ConfigurationError(faults)
        self.options: Final = options
        self.gate, self.bearer = options.gate, options.bearer
        self.entering, self.accounts = options.entering, options.accounts
        self.legacy: Final = None if options.moving is None else Legacy(options.moving)
        self.places = _places(options)
        self._listed = self.gate is None or not self.gate.unguarded
        self.on_demand = options.load == "on_demand"
        self.paths, self._hosts = None if options.paths is None else tuple(options.paths), hosts
        self._secure, self._plain = spec.on(secure=True), spec.on(secure=False)
        self._secure_aside, self._plain_aside = asides(spec, accounts=options.accounts is not None)
        self.shield: Final = _shield(options, trusted)
        self._believes_nobody = self.proxies == TrustedProxies()
        self._direct = lru_cache(maxsize=4096)(self._resolved)

    def list_unguarded(self) -> None:
        """Log once which paths the gate does not judge; adapters call it when they begin to serve."""
        if not self._listed and self.gate is not None:
            self._listed = True
            _log.warning("unguarded by the gate: %s", "; ".join(self.gate.unguarded))

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
            return Transport(place, self._secure, aside=self._secure_aside)
        if (is_local(host) and not behind_https) or host_in(host, self._hosts) or host_in(host, test_hosts):
            return Transport(place, self._plain, aside=self._plain_aside)
        return Transport(
            place,
            None,
            f"a session over plain http to {host or 'an unnamed host'!r} could be read on the way. Serve https; behind "
            "a proxy that does, name it: SessionMiddleware(trusted_proxies=[...]); for a network you trust write "
            f"SessionMiddleware(allow_http_hosts=[{host!r}])",
        )


def _places(options: Options) -> Places:
    """Return the application's own pages; a gate may name them, so that they need not be said twice."""
    gate = options.gate
    if gate is None:
        return Places(options.sign_in_url, options.step_up_url)
    return Places(options.sign_in_url or gate.sign_in_url, options.step_up_url or gate.step_up_url)


def _gate_faults(options: Options) -> Iterator[str]:
    gate = options.gate
    if gate is None:
        return
    if not isinstance(gate, Gate):
        yield f'gate={gate!r} is no gate: write gate=Gate([Rule("/admin/:path*", role="admin")], default="signed_in")'
        return
    for name in ("sign_in_url", "step_up_url"):
        here, there = getattr(options, name), getattr(gate, name)
        if here is not None and here != there:
            yield (
                f"{name}={here!r} and Gate({name}={there!r}) differ, and the gate leaves its own page open; write "
                f"Gate({name}={here!r}) alone"
            )


def _shield(options: Options, trusted: frozenset[str]) -> Shield | None:
    """Return what judges requests that change something; ``None``, and a warning, where the application judges."""
    if isinstance(options.csrf, Csrf):
        return Shield(options.csrf, trusted, own_tokens=options.own_tokens)
    _log.warning(
        'csrf="off": nothing refuses what other sites send with a visitor\'s cookie. Name the exceptions instead: '
        "Csrf(exempt=[...]), trusted_origins=[...]"
    )
    return None


def _csrf_faults(options: Options) -> list[str]:
    if isinstance(options.csrf, Csrf):
        return options.csrf.faults()
    return [] if options.csrf == "off" else [f'csrf={options.csrf!r} is not known; write csrf=Csrf(...) or "off"']


def _carrier_faults(options: Options) -> Iterator[str]:
    """Yield what is wrong with the carriers beside the cookie."""
    if not isinstance(options.bearer, bool):
        yield f"bearer={options.bearer!r} must be True or False; tokens are made with sessions.issue(user_id)"
    if isinstance(options.entering, Entering):
        yield from options.entering.faults(None if isinstance(options.paths, str) else options.paths)
        if options.cookie_name in (TICKET_NAME, TICKET_NAME.removeprefix("__Host-")):
            yield f"cookie_name={options.cookie_name!r} is the name of the exchange tickets' cookie; take another"
    elif options.entering is not None:
        yield f'entering={options.entering!r} is not known; write entering=Entering(path="/enter", parameter="sid")'


def _moving_faults(options: Options) -> Iterator[str]:
    if isinstance(options.moving, Moving):
        yield from options.moving.faults()
    elif options.moving is not None:
        yield f"moving={options.moving!r} is not known; write moving=Moving(source, until=...), see coatcheck.moving"


def _accounts_faults(options: Options, session: CookieSpec) -> list[str]:
    """List what is wrong with the number of accounts and with their cookie, whose name is longer than the session's."""
    if options.accounts is None:
        return []
    if type(options.accounts) is not int or not FEWEST <= options.accounts <= MOST:
        return [f"accounts={options.accounts!r} must lie between {FEWEST} and {MOST}: how many one browser may hold"]
    return [] if session.faults() else accounts_spec(session).faults()


def _other_faults(options: Options) -> list[str]:
    faults = [*_csrf_faults(options), *_gate_faults(options), *_carrier_faults(options), *_moving_faults(options)]
    if options.load not in ("always", "on_demand"):
        faults.append(f'load={options.load!r} is not known; write "always" or "on_demand"')
    if isinstance(options.paths, str) or not all(path.startswith("/") for path in options.paths or ()):
        faults.append(f'paths={options.paths!r} must be a list of prefixes that begin with "/", such as ["/app"]')
    for name, example in (("sign_in_url", "/sign-in"), ("step_up_url", "/confirm")):
        url: str | None = getattr(options, name)
        if url is not None and not url.startswith(("/", "https://", "http://")):
            faults.append(f'{name}={url!r} must be a path such as "{example}"')
    return faults
