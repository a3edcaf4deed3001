"""A Redis server for the measurement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from bench.scale.results import Space
from coatcheck.model import Record
from coatcheck.runtime import finish
from coatcheck.stores.redis import creating
from coatcheck.stores.redis.address import read_url
from coatcheck.stores.redis.engine import Engine
from coatcheck.stores.redis.keys import ENTRY, ONE
from coatcheck.stores.redis.opening import make_link
from tests.servers.redis import RedisServer

_SAMPLES: Final = 1_000
"""Members of an index that Redis looks at to tell its size."""
_TERMS: Final = creating.Terms(0, None, None, None, None, None)


class RedisEngine:
    """One server without persistence, filled by the store's own script of sign-ins, many to a pipeline."""

    settings = "no persistence, no replica, otherwise the defaults; loaded by the store's own script in pipelines"

    def __init__(self, folder: Path) -> None:
        """Start the server and make the store's key, which is not counted."""
        self._server = RedisServer(folder).start()
        self._engine = Engine(make_link(read_url(self.url), blocking=True), tenant="", prefix="coatcheck", browse=True)
        finish(self._engine.key())
        self._empty = self._used()

    @property
    def url(self) -> str:
        """The store's URL. A pipeline of sign-ins, or a user with very many sessions, may take its time."""
        return f"{self._server.url}?timeout=30s"

    def version(self) -> str:
        """Return the engine's name and version."""
        return self._server.version.capitalize()

    def load(self, records: Sequence[Record]) -> None:
        """Sign everybody in; a session that is refused is a fault of the measurement."""
        halves: tuple[list[Record], list[Record]] = [], []
        for record in records:
            halves[ord(record.id[3]) % 2].append(record)  # by the user's tag: one user's sessions keep their order
        with ThreadPoolExecutor(len(halves)) as threads:  # one half is prepared while the server works on the other
            refused = sum(threads.map(self._load, halves))
        if refused:
            raise ValueError(f"{refused} sessions that were loaded were refused")

    def settle(self) -> None:
        """Nothing is left to do."""

    def space(self, sessions: int, sample: Iterable[Record]) -> list[Space]:
        """Ask for ``used_memory``, and for the parts by ``MEMORY USAGE`` of sampled keys and of both indexes."""
        total = (self._used() - self._empty) / sessions
        parts = self._parts(sessions, list(sample))
        asked = Space(sessions=sessions, parts=parts, total=sum(parts.values()), method="MEMORY USAGE")
        rest = {**parts, "other": total - asked.total}
        return [Space(sessions=sessions, parts=rest, total=total, method="used_memory"), asked]

    def stop(self) -> None:
        """Stop the server."""
        finish(self._engine.link.close())
        self._server.stop()

    def _load(self, records: Sequence[Record]) -> int:
        """Return how many were refused."""
        answers = finish(self._engine.link.run_many([self._call(record) for record in records]))
        return sum(1 for answer in answers if answer[0])

    def _call(self, record: Record) -> Any:
        return creating.create_call(self._engine, record, _TERMS)

    def _parts(self, sessions: int, sample: list[Record]) -> dict[str, float]:
        keys = self._engine.keys
        users = {(record.id[1:4], record.user_id or "") for record in sample}
        client: Any = self._server.client(socket_timeout=60)
        with client, client.pipeline(transaction=False) as pipeline:
            for record in sample:
                pipeline.memory_usage(keys.session(record.id), samples=0)
            for tag, user_id in users:
                pipeline.memory_usage(keys.index(tag, user_id), samples=0)
                pipeline.strlen(keys.index(tag, user_id))
            sizes = pipeline.execute()
            # One for each epoch that sessions were created under; `KEYS`, because nobody else uses this server.
            epochs = client.keys(f"{keys.prefix}d:{{{ONE}}}*")
            due = sum(client.memory_usage(key, samples=_SAMPLES) or 0 for key in epochs)
            browse = client.memory_usage(f"{keys.prefix}c:{{{ONE}}}", samples=_SAMPLES)
        own, indexes, lengths = sizes[: len(sample)], sizes[len(sample) :: 2], sizes[len(sample) + 1 :: 2]
        return {
            "record": sum(own) / len(sample),
            "user index": sum(indexes) / (sum(lengths) / ENTRY),
            "due index": due / sessions,
            "browse index": (browse or 0) / sessions,
        }

    def _used(self) -> int:
        return int(self._server.info("memory")["used_memory"])
