"""What is known of an application's store and cookie, in words."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import TYPE_CHECKING, Final

from coatcheck import __version__
from coatcheck.cookies import CookieSpec

if TYPE_CHECKING:
    from coatcheck.cli.application import Found
    from coatcheck.policy import Policy, Span
    from coatcheck.stores.contract import Traits
    from coatcheck.web.settings import Options

_CALLED: Final = {"sqlite": "SQLite", "redis": "Redis", "postgres": "PostgreSQL", "postgresql": "PostgreSQL",
                  "memory": "memory of each process"}  # fmt: skip
_NAMED: Final = ("redis", "psycopg", "starlette", "fastapi")


def called(traits: Traits) -> str:
    """Return a store's name for people."""
    return _CALLED.get(traits.name, traits.name)


def of_store(found: Found) -> tuple[str, ...]:
    """Return what is known of the store, a sentence each; never its URL, which may hold a password."""
    if found.manager is None:
        return ()
    store, traits = found.manager.store, found.manager.store.traits
    survives = "survive" if traits.persistent else "do not survive"
    shared = "are shared by all processes" if traits.shared else "belong to one process each"
    tenant = f" Their namespace is {store.tenant!r}." if store.tenant else ""
    return (f"The store is {called(traits)}: sessions {survives} a restart of the application and {shared}.{tenant}",)


def of_cookie(found: Found) -> tuple[tuple[str, str], ...]:
    """Return what is known of the cookie, as names and values."""
    if found.settings is None:
        return ()
    options = found.settings.options
    secure = spec_of(options).on(secure=True)
    hosts = ", ".join(options.allow_http_hosts)
    return (
        ("name", secure.name),
        ("attributes", secure.attributes.removeprefix("; ")),
        ("Max-Age", life_of(found.policy)),
        ("sent to", f"every host below {options.domain}" if options.domain else "the host that set it"),
        ("over plain http", "only on this machine" + (f", and on {hosts}" if hosts else "")),
        ("sessions are used on", "every path" if options.paths is None else ", ".join(options.paths)),
    )


def life_of(policy: Policy) -> str:
    """Say what the cookie's ``Max-Age`` is, after each kind of sign-in that there is."""
    plain, remembered = _left(policy.span("default")), _left(policy.span("remember_me"))
    if policy.persistent:
        parts = [plain, *([f"after login(remember=True) {remembered}"] if remembered != plain else [])]
        parts = parts if policy.allow_remember else parts[:1]
        return "; ".join([*parts, "none after login(remember=False)"])
    return "none: it ends with the browser" + (
        f"; after login(remember=True) {remembered}" if policy.allow_remember else ""
    )


def _left(span: Span) -> str:
    return "the idle timeout" if span.absolute is None else "what is left of the absolute timeout"


def spec_of(options: Options) -> CookieSpec:
    """Return the cookie that a middleware's options describe."""
    return CookieSpec(
        name=options.cookie_name,
        same_site=options.same_site,
        path=options.path,
        domain=options.domain,
        partitioned=options.partitioned,
    )


def versions() -> tuple[tuple[str, str], ...]:
    """Return the versions that what was found depends on."""
    known = [("coatcheck", __version__), ("Python", platform.python_version())]
    for name in _NAMED:
        try:
            known.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return tuple(known)
