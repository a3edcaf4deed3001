"""What one visitor of the proof page may take of it: runs at once, runs in a row, throw-away sessions."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from coatcheck.demo.proof.running import Runner
from coatcheck.errors import MissingExtra
from tests.web._demo import BASE, Browser, Demo, browser

RAN = 503
"""What the page answers here to a run that was let in: nothing is run, a library is said to be missing."""


class Gate:
    """Lets runs in, and holds them inside if it is shut."""

    def __init__(self) -> None:
        """Stand open."""
        self.inside, self.open = asyncio.Event(), asyncio.Event()
        self.open.set()

    async def run(self, *_args: Any) -> None:
        """Run nothing, in the time that the gate takes."""
        self.inside.set()
        await self.open.wait()
        raise MissingExtra("this test", "demo", "nothing")


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """Put a gate in place of what runs experiments."""
    made = Gate()
    monkeypatch.setattr(Runner, "run", made.run)
    return made


def runs(here: Browser, *experiments: str) -> list[int]:
    """Run these experiments; return the statuses."""
    return [here.post("/proof", {"experiment": each}).status_code for each in experiments]


@pytest.mark.usefixtures("gate")
def test_a_whole_page_may_be_run_at_once_and_then_one_waits() -> None:
    """Each of the five experiments once, then one every three seconds; other addresses do not wait."""
    demo = Demo()
    with demo.serving() as client:
        here, there = browser(client), browser(client, address="127.0.0.2")
        codes = runs(here, "two-tabs", "slow-request", "stolen-cookie", "crowd", "planted-cookie", "two-tabs")
        waits = here.heard[-1].headers["retry-after"]
        others = runs(there, "two-tabs")
        demo.clock.advance(seconds=3)
        again = runs(here, "two-tabs")

    assert codes == [RAN] * 5 + [429]
    assert (waits, others, again) == ("3", [RAN], [RAN])


@pytest.mark.usefixtures("gate")
def test_a_crowd_costs_twice() -> None:
    """A hundred browsers on each library weigh as much as two other runs."""
    demo = Demo()
    with demo.serving() as client:
        here = browser(client)
        codes = runs(here, "crowd", "crowd", "crowd", "crowd")
        waits = here.heard[-1].headers["retry-after"]

    assert (codes, waits) == ([RAN] * 3 + [429], "6")


def test_one_address_runs_one_at_a_time(gate: Gate) -> None:
    """While a run of an address lasts, its next is refused and costs nothing; another address has its own turn."""
    demo = Demo()

    async def visit(address: str) -> httpx.Response:
        transport = httpx.ASGITransport(demo.app, client=(address, 50_000))
        async with httpx.AsyncClient(transport=transport, base_url=BASE, headers={"origin": BASE}) as client:
            return await client.post("/proof", data={"experiment": "two-tabs"})

    async def visits() -> list[httpx.Response]:
        gate.open.clear()
        first = asyncio.create_task(visit("192.0.2.1"))
        await gate.inside.wait()
        refused = [await visit("192.0.2.1") for _ in range(10)]
        other = asyncio.create_task(visit("192.0.2.2"))
        gate.open.set()
        after = [await first, await other, await visit("192.0.2.1")]
        await demo.sessions.aclose()
        return [*refused, *after]

    answers = asyncio.run(visits())

    assert [answer.status_code for answer in answers] == [429] * 10 + [RAN] * 3
    assert answers[0].headers["retry-after"] == "1"
    assert "One of your experiments is still running" in answers[0].text


def test_throw_away_sessions_are_limited() -> None:
    """Five at once, then one every three seconds: nobody pushes out what others made (promise 4)."""
    demo = Demo()
    with demo.serving() as client:
        here, there = browser(client), browser(client, address="127.0.0.2")
        codes = [here.post("/proof/by-hand/begin").status_code for _ in range(6)]
        refused = here.heard[-1]
        others = there.post("/proof/by-hand/begin").status_code
        demo.clock.advance(seconds=3)
        again = here.post("/proof/by-hand/begin").status_code

    assert codes == [303] * 5 + [429]
    assert refused.headers["retry-after"] == "3"
    assert "set-cookie" not in refused.headers
    assert (others, again) == (303, 303)
