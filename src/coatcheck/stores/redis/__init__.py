"""The Redis store: sessions on Redis 7 or Valkey, for every process of every machine that reaches it.

`RedisStore` is the contract over a link; ``coatcheck.stores.from_url`` makes both from ``redis://``, ``rediss://``,
``redis+sentinel://`` and ``redis+cluster://``.

* A session is one string, merged in place by short scripts; the same scripts hold limits and epochs, so each verb is
  one atomic step. On Cluster a sign-in that replaces a session of another slot is four (``traits.one_step_login``).
* What an acknowledgement is worth after a crash depends on how the server keeps its data; see the table of guarantees.
* Expiry in Redis only collects garbage: a week after a session's last possible deadline, and 30 days after its end.
"""

from __future__ import annotations

from coatcheck.stores.redis.verbs import RedisStore

__all__ = ["RedisStore"]
