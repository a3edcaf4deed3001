"""Stores: where sessions are kept. Engines live in their own modules and are imported only when a URL names them."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Final

from coatcheck.errors import ConfigurationError
from coatcheck.stores.contract import Store

_log: Final = logging.getLogger("coatcheck")

SCHEMES: Final = ("memory", "sqlite", "redis", "rediss", "redis+sentinel", "redis+cluster", "postgresql", "postgres")
"""URL schemes that this release can open."""

DEFAULT_URL: Final = "sqlite:///sessions.db"

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30})://")

VARIABLES: Final = ("COATCHECK_STORE", "REDIS_URL", "DATABASE_URL")
"""Environment variables that may hold the store's URL; the first that is set decides."""


def url_from_env(env: Mapping[str, str]) -> str:
    """Return the store's URL by `VARIABLES`; the default when none is set.

    Raises:
        ConfigurationError: the variable's URL has a scheme that cannot be opened; names the variable.
    """
    for name in VARIABLES:
        url = env.get(name, "").strip()
        if url:
            _log.info("sessions are kept in a %s:// store, named by %s", check_scheme(url, source=name), name)
            return url
    _log.info("sessions are kept in %s; none of %s is set", DEFAULT_URL, ", ".join(VARIABLES))
    return DEFAULT_URL


def check_scheme(url: str, *, source: str = "store") -> str:
    """Return the scheme of *url*.

    Raises:
        ConfigurationError: it cannot be opened; the message names the scheme and never the rest of the URL.
    """
    match = _SCHEME.match(url)
    known = ", ".join(f"{name}://" for name in SCHEMES)
    if match is None:
        raise ConfigurationError(f"{source} is not a URL; write one such as {DEFAULT_URL}. There are {known}")
    scheme = match[1].lower()
    if scheme not in SCHEMES:
        raise ConfigurationError(
            f"{source} has the scheme {scheme}://, which this release cannot open. There are {known}"
        )
    return scheme


def from_url(url: str, *, blocking: bool, tenant: str = "") -> Store:
    """Return the store that *url* names; nothing is opened yet.

    *blocking* chooses the client whose methods never suspend, for threads; the other one is for asyncio.

    Raises:
        ConfigurationError: the URL cannot be used; says how to write it.
    """
    scheme = check_scheme(url)
    if scheme == "memory":
        from coatcheck.stores.memory import MemoryStore
        from coatcheck.stores.memory_guard import warn_if_second_process

        warn_if_second_process()
        return MemoryStore(tenant=tenant)
    if scheme.startswith("redis"):
        from coatcheck.stores.redis.opening import open_url

        return open_url(url, blocking=blocking, tenant=tenant)
    if scheme.startswith("postgres"):
        from coatcheck.stores.postgres.opening import open_url as open_postgres

        return open_postgres(url, blocking=blocking, tenant=tenant)
    path = _sqlite_path(url)
    if blocking:
        from coatcheck.stores.sqlite import SqliteStore

        return SqliteStore(path, tenant=tenant)
    from coatcheck.stores.sqlite.asynchronous import AsyncSqliteStore

    return AsyncSqliteStore(path, tenant=tenant)


def _sqlite_path(url: str) -> str:
    """Return the file that a ``sqlite:`` URL names: three slashes for a relative path, four for an absolute one."""
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(url)
    path = unquote(parts.path)[1:]
    if parts.netloc or not url[len("sqlite") :].startswith(":///"):
        raise ConfigurationError("a SQLite URL has three slashes before a relative path: sqlite:///sessions.db")
    if not path or path == ":memory:":
        raise ConfigurationError("a SQLite URL names a file: sqlite:///sessions.db; to keep nothing use memory://")
    if parts.query or parts.fragment:
        raise ConfigurationError("a SQLite URL takes no options; write sqlite:///sessions.db")
    return path


def check_tenant(tenant: str) -> None:
    """Refuse a tenant that could be mistaken for another.

    Raises:
        ConfigurationError: it is not text of up to 64 letters, digits, ``-``, ``_`` and ``.``.
    """
    plain = tenant.replace("-", "").replace("_", "").replace(".", "")
    if len(tenant) > 64 or not tenant.isascii() or (plain and not plain.isalnum()) or (tenant and not plain):
        raise ConfigurationError(f"tenant={tenant!r} must have up to 64 letters, digits, '-', '_' and '.'")


def check_store(store: Store, *, blocking: bool, tenant: str) -> None:
    """Refuse a store that the manager cannot drive.

    Raises:
        ConfigurationError: an asyncio store under the blocking ``Sessions``, or a store of another tenant.
    """
    if store.tenant != tenant:
        raise ConfigurationError(
            f"the store keeps tenant {store.tenant!r} and the manager was given {tenant!r}; give both the same tenant="
        )
    if blocking and not store.traits.blocking:
        raise ConfigurationError(
            f"Sessions cannot drive this {store.traits.name} store, which is made for asyncio; "
            "use AsyncSessions, or give Sessions the URL"
        )
