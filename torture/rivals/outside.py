"""What only a view from outside shows: a ticket that a sign-in keeps, and what looks make a server write.

The torture's checker knows coatcheck, which cannot keep a ticket; this stands beside it for libraries that can.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Final

from torture.history import History, Op
from torture.judging.findings import Violation
from torture.rivals.contenders import Contender
from torture.rivals.site import Site
from torture.rivals.stores import Stores
from torture.rivals.workers import Worker

READS: Final = 50
"""How many requests in a row are measured: fewer than a second's worth, so that no renewal of activity falls due."""

KEPT: Final = "a new privilege brings a new ticket"


def judge_outside(history: History) -> list[Violation]:
    """Return what the checker's own rules do not look at."""
    return [found for op in history.ops if (found := _kept(op)) is not None]


def _kept(op: Op) -> Violation | None:
    if op.verb not in ("login", "rotate") or not op.ok or op.ticket is None or op.sent not in (None, op.ticket):
        return None
    text = f"{op.verb} left the browser with {op.ticket}, the ticket that it had"
    return Violation(promise=5, rule=KEPT, text=text, ops=(op,))


async def writes_of_looks(contender: Contender, workers: Sequence[Worker], stores: Stores) -> dict[str, int]:
    """Return the commands of change that `READS` requests cost the server, by name; empty without a server to ask."""
    site = Site(contender, workers, random.Random(0))  # noqa: S311 - repeatable, not secret
    jar = site.jar()
    await site.sign_in(jar, site.number("actor"), "reader")
    before = await asyncio.to_thread(stores.writes, contender)
    for _ in range(READS):
        await site.read(jar, site.number("actor"))
    after = await asyncio.to_thread(stores.writes, contender)
    return {name: count for name in after if (count := after[name] - before.get(name, 0)) > 0}
