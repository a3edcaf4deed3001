"""From a URL to a store: the only place that puts address, link and verbs together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.errors import MissingExtra
from coatcheck.stores.redis.address import Address, read_url

if TYPE_CHECKING:
    from coatcheck.stores.redis.client import RedisLink
    from coatcheck.stores.redis.verbs import RedisStore


def open_url(url: str, *, blocking: bool, tenant: str = "") -> RedisStore:
    """Return the store that *url* names; nothing is connected yet.

    Raises:
        ConfigurationError: the URL cannot be used; names every fault, and never the password.
        MissingExtra: redis-py is not installed.
    """
    address = read_url(url)
    link = make_link(address, blocking=blocking)
    from coatcheck.stores.redis.verbs import RedisStore

    return RedisStore(link, tenant=tenant, prefix=address.options.prefix, browse=address.options.browse)


def make_link(address: Address, *, blocking: bool) -> RedisLink:
    """Return a link to *address*: the blocking one for threads, or the one for asyncio.

    Raises:
        MissingExtra: redis-py is not installed.
    """
    try:
        import hiredis as hiredis
        import redis as redis
    except ImportError as missing:
        raise MissingExtra("a redis:// store", "redis", missing.name or "redis") from None
    if blocking:
        from coatcheck.stores.redis.blocking import Threads
        from coatcheck.stores.redis.client import RedisLink

        return RedisLink(address, Threads())
    from coatcheck.stores.redis.batching import BatchedLink

    return BatchedLink(address)
