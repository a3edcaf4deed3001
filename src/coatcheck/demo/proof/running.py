"""Running an experiment: shops made anew and thrown away, one run at a time, and never for long."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from .libraries import LIBRARIES, Library, shops
from .sending import TROUBLE, Address, sender
from .shop import Shop
from .trial import RUN_HEADER, Exchange, Trial, Unplayable
from .verdicts import Verdict

if TYPE_CHECKING:
    from .experiments import Experiment

PREFIX: Final = "/proof/lab"
"""Where the shops are while a run lasts, each below its library's name."""

LONGEST: Final = 10.0
"""Seconds after which a run is given up."""

MOST_WAITING: Final = 5
"""Runs that may wait for their turn."""

Tried: TypeAlias = tuple[Trial, Verdict]

_RUN: Final = RUN_HEADER.encode()


class Row(Struct, frozen=True):
    """One step of all libraries: what happened, and each one's requests."""

    label: str
    cells: tuple[tuple[Exchange, ...], ...]


class Column(Struct, frozen=True):
    """A library and what became of it."""

    library: Library
    verdict: Verdict


class Report(Struct, frozen=True):
    """What a run showed. ``took`` is in milliseconds."""

    key: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    took: int

    @property
    def summary(self) -> str:
        """The verdicts in one line, for who hears the page."""
        return " ".join(f"{each.library.name}: {each.verdict.word}." for each in self.columns)


class Busy(Exception):
    """Too many runs are waiting."""


class Lab:
    """Serves the shops of the run under way below `PREFIX`, to requests of that run alone."""

    def __init__(self) -> None:
        """Begin without a run."""
        self._shops: dict[tuple[str, str], ASGIApp] = {}

    @contextmanager
    def open(self, key: str, app: ASGIApp) -> Generator[str]:
        """Serve *app* below ``PREFIX/key`` while the context lasts, to requests that carry the returned name."""
        run = secrets.token_urlsafe()
        self._shops[key, run] = app
        try:
            yield run
        finally:
            del self._shops[key, run]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request to its shop.

        Raises:
            HTTPException: 404 for every other request.
        """
        key = scope["path"].removeprefix(f"{PREFIX}/").partition("/")[0]
        run = next((value.decode("latin-1") for name, value in scope["headers"] if name == _RUN), "")
        app = self._shops.get((key, run))
        if app is None:
            raise HTTPException(404)
        await app({**scope, "root_path": f"{PREFIX}/{key}"}, receive, send)


class Runner:
    """Runs experiments in *lab*, one after the other."""

    def __init__(self, lab: Lab) -> None:
        """Begin with nobody waiting."""
        self._lab = lab
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def run(self, experiment: Experiment, address: Address) -> Report:
        """Run *experiment* against the server that listens on *address*.

        Raises:
            Busy: too many are waiting already.
            MissingExtra: a library is not installed.
        """
        if self._waiting >= MOST_WAITING:
            raise Busy
        self._waiting += 1
        try:
            async with self._turn:
                return await self._run(experiment, address)
        finally:
            self._waiting -= 1

    async def _run(self, experiment: Experiment, address: Address) -> Report:
        began = time.perf_counter()
        tried = [await self._try(experiment, make(), address) for make in shops()]
        columns = tuple(Column(library, verdict) for library, (_, verdict) in zip(LIBRARIES, tried, strict=True))
        rows = _rows([trial for trial, _ in tried])
        return Report(experiment.key, columns, rows, round((time.perf_counter() - began) * 1000))

    async def _try(self, experiment: Experiment, shop: Shop, address: Address) -> Tried:
        with self._lab.open(shop.key, shop.app) as run:
            trial = Trial(shop, sender(address, f"{PREFIX}/{shop.key}", run))
            try:
                async with asyncio.timeout(LONGEST):
                    return trial, await experiment.play(trial)
            except Unplayable as fault:
                return trial, Verdict("unclear", str(fault))
            except TROUBLE:
                return trial, Verdict("unclear", "The server did not answer its own requests. Try again.")
            finally:
                await shop.close()


def _rows(trials: Sequence[Trial]) -> tuple[Row, ...]:
    """Lay the libraries' steps side by side; one that gave up early has fewer of them."""
    longest = max((trial.steps for trial in trials), key=len)
    return tuple(
        Row(step.label, tuple(tuple(t.steps[i].exchanges) if i < len(t.steps) else () for t in trials))
        for i, step in enumerate(longest)
    )
