"""Every kind of key that the Redis store writes is named, and has an end of its own where nothing else removes it."""

from __future__ import annotations

from typing import Final

from coatcheck.model import Record
from coatcheck.runtime import finish
from coatcheck.stores.redis import RedisStore, keys
from coatcheck.testing._make import NOW, Maker, put
from coatcheck.verbs import Created, Tally
from tests.servers.redis import RedisServer
from tests.stores.redis_plain import PlainLink

ENDING: Final = frozenset("sbevrlt")
"""Kinds whose every key expires; a session's, if it has a last deadline."""
LASTING: Final = frozenset("ugndxc")
"""Kinds that stay: indexes, which a verb or the sweeper empties, and the store-wide epoch."""


def test_each_kind_of_key_is_named_and_ends(redis_server: RedisServer) -> None:
    """All verbs together leave no key that is not in the module's table, and none without its time (ruling 11)."""
    link = PlainLink(redis_server.url)
    link.client.flushall()
    store = RedisStore(link)
    make = Maker(finish(store.key()))
    one, two = (_add(store, make.record("ann")) for _ in range(2))
    finish(store.commit(one.id, generation=1, change=put(a=b"1"), now=NOW))
    finish(store.put_side(one.id, "device", b"bound", now=NOW))
    finish(store.set_roles("ann", ("editor",), now=NOW))
    finish(store.end(two.id, reason="revoked", now=NOW))
    finish(store.raise_epoch(now=NOW))
    finish(store.lease("sweep", holder="one", now=NOW, until=NOW + 1))
    finish(store.add_counts([Tally(NOW, {"created": 1})], now=NOW))
    names = [name.decode() for name in link.client.scan_iter(count=1000) if name != b"coatcheck:key"]
    kinds = {name: name.split(":")[2] for name in names}
    assert set(kinds.values()) == ENDING | LASTING
    assert all(f"``coatcheck:T:{kind}:" in (keys.__doc__ or "") for kind in kinds.values())
    endless = {name for name in names if link.client.pttl(name) == -1}
    assert endless == {name for name, kind in kinds.items() if kind in LASTING}
    finish(store.close())


def _add(store: RedisStore, record: Record) -> Record:
    answer = finish(store.create(record, now=NOW))
    assert isinstance(answer, Created)
    return answer.record
