"""The plainest link there can be, and a way to spoil a session, for tests of what the Redis store stores and asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis
from redis.exceptions import NoScriptError

from coatcheck.model import RECORD_SCHEMA
from coatcheck.stores.redis.keys import Keys
from coatcheck.stores.redis.link import Call
from coatcheck.testing.contract import Kind, Plant


def plant_in(client: redis.Redis) -> Plant:
    """Return what makes a session on a server unreadable: another schema, or a string longer than it says."""

    def plant(id: str, kind: Kind) -> None:
        name = Keys("coatcheck", "", 1).session(id)
        if kind == "newer":
            client.setrange(name, 1, bytes((RECORD_SCHEMA + 1,)))
        else:
            client.append(name, b"\xc1")

    return plant


class PlainLink:
    """One blocking connection pool and no care for faults. Keeps the calls that a ledger would remember."""

    def __init__(self, url: str, *, partitions: int = 1) -> None:
        """Connect when first used; with *partitions* the keys are those of a Cluster, on one server."""
        self.url = url
        self.client = redis.Redis.from_url(url)
        self.blocking = True
        self.partitions = partitions
        self.remembered: list[Call] = []

    def __repr__(self) -> str:
        """Show no address: it may hold a password."""
        return "PlainLink()"

    async def open(self) -> None:
        """Nothing to check."""

    async def close(self) -> None:
        """Let go of the connections."""
        self.client.close()

    async def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Ask for all at once."""
        found: list[bytes | None] = self.client.mget(keys)
        return found

    async def run(self, call: Call, *, confirm: bool = False) -> Any:
        """Run a script, and keep what would be replayed."""
        try:
            answer = self.client.evalsha(call.script.sha, len(call.keys), *call.keys, *call.args)
        except NoScriptError:
            answer = self.client.eval(call.script.text, len(call.keys), *call.keys, *call.args)
        self._remember([call], [answer] if confirm else [])
        self.remembered += call.deaths(answer) if call.deaths else ()
        return answer

    async def run_many(self, calls: Sequence[Call], *, confirm: bool = False) -> list[Any]:
        """Run many in one pipeline."""
        pipeline = self.client.pipeline(transaction=False)
        for script in {call.script.sha: call.script for call in calls}.values():
            self.client.script_load(script.text)
        for call in calls:
            pipeline.evalsha(call.script.sha, len(call.keys), *call.keys, *call.args)
        answers = pipeline.execute()
        self._remember(calls, answers if confirm else [])
        return answers

    def _remember(self, calls: Sequence[Call], answers: Sequence[Any]) -> None:
        """Keep what a ledger would keep of *calls*."""
        kept = [call.answered(answer) for call, answer in zip(calls, answers, strict=False)]
        self.remembered += [call for call in kept if call is not None]

    async def time(self) -> int:
        """Ask for the server's clock."""
        seconds, micros = self.client.time()
        return int(seconds) * 1000 + int(micros) // 1000
