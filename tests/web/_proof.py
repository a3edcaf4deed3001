"""The demo on a real port, and what is read from its proof page."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from typing import Any

import httpx
import uvicorn
from argon2 import PasswordHasher

from coatcheck import AsyncSessions
from coatcheck.demo.accounts import Accounts
from coatcheck.demo.app import POLICY, create_app
from coatcheck.demo.server import listen
from tests.web._demo import Clock

ROW = re.compile(r'<tr role="row">\s*<th role="rowheader"[^>]*>(.*?)</th>(.*?)</tr>', re.DOTALL)
CELL = re.compile(r'<td role="cell" data-library="(\w+)">(.*?)</td>', re.DOTALL)
LINE = re.compile(r'<code id="line">(.*?)</code>')


class _Server(uvicorn.Server):
    """Says when it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.ready.set()


class Served:
    """The demo's address, its clock, and the timer that its limits go by."""

    def __init__(self, url: str, clock: Clock, timer: Clock) -> None:
        """Keep them."""
        self.url = url
        self.clock = clock
        self.timer = timer

    def visitor(self) -> httpx.Client:
        """Open a browser: forms come from the site's own page, redirects are followed."""
        return httpx.Client(base_url=self.url, headers={"origin": self.url}, follow_redirects=True, timeout=30)

    def run(self, experiment: str) -> Result:
        """Run an experiment as a new visitor who is in no hurry."""
        self.timer.advance(minutes=1)
        with self.visitor() as visitor:
            answer = visitor.post("/proof", data={"experiment": experiment})
        assert answer.status_code == 200, answer.text
        return Result(answer.text)


class Result:
    """What a page says of a run."""

    def __init__(self, page: str) -> None:
        """Read it."""
        self.page = page
        rows = [
            (text(label), {library: text(cell) for library, cell in CELL.findall(cells)})
            for label, cells in ROW.findall(page)
        ]
        self.verdicts = next(cells for label, cells in rows if label == "What happened")
        self.steps = [(label, cells) for label, cells in rows if label != "What happened"]

    def words(self) -> dict[str, str]:
        """Return the verdicts without their marks and sentences."""
        kinds = ("Does not hold", "Holds in part", "Holds", "Not offered", "No result")
        return {library: next(kind for kind in kinds if kind in said) for library, said in self.verdicts.items()}


def text(markup: str) -> str:
    """Return what a person reads."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", markup)).split())


def line_of(page: str) -> str | None:
    """Return the line for the terminal, if the page has one."""
    found = LINE.search(page)
    return unescape(found[1]) if found else None


@contextmanager
def served() -> Iterator[Served]:
    """Serve the demo on memory at a free port."""
    clock, timer = Clock(), Clock(0.0)
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    sessions = AsyncSessions("memory://", policy=POLICY, clock=clock)
    app = create_app(sessions, clock=clock, accounts=Accounts(hasher=hasher), timer=timer)
    sockets = listen("localhost", 0, print)
    server = _Server(uvicorn.Config(app, log_level="warning", proxy_headers=False, lifespan="on"))
    thread = threading.Thread(target=server.run, args=(sockets,), daemon=True)
    thread.start()
    try:
        assert server.ready.wait(10)
        yield Served(f"http://localhost:{sockets[0].getsockname()[1]}", clock, timer)
    finally:
        server.should_exit = True
        thread.join(10)
        for each in sockets:
            each.close()
