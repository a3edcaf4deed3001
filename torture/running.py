"""A run: processes that play, a process that judges, and this one, which keeps order and does the faults."""

from __future__ import annotations

import multiprocessing
import random
import shlex
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.process import BaseProcess
from pathlib import Path

from msgspec import Struct

from torture.faults import Event, execute
from torture.guarantees import allowed, repeated
from torture.history import History, Op
from torture.judgements import Judgement, judge_round, named
from torture.rounds import START
from torture.setups import NAMES, Setup
from torture.shared import Shared
from torture.workers import Orders, end_with_parent, work
from torture.world import Plan, terms_of

_BEHIND = 3
"""Rounds that may wait for their judgement."""

_COUNTED = ("answers", "checked", "violations", "losses", "faults")
"""What of a judgement is a count, by name."""


class Options(Struct, frozen=True, kw_only=True):
    """What a run was asked for; ``steps`` are those of one process in one round."""

    store: str
    operations: int
    processes: int
    tasks: int
    seed: int
    faults: str = "none"
    steps: int = 10_000

    @property
    def rounds(self) -> int:
        """How many rounds that makes."""
        return max(1, -(-self.operations // (self.steps * self.processes)))

    @property
    def command(self) -> str:
        """The command that repeats the run; what a URL may hold of a password is left out."""
        asked = {
            "store": masked(self.store), "operations": self.operations, "processes": self.processes,
            "tasks": self.tasks, "seed": self.seed, "faults": self.faults, "steps": self.steps,
        }  # fmt: skip
        words = [word for name, value in asked.items() for word in (f"--{name}", str(value))]
        return shlex.join(["python", "-m", "torture", "run", *words])

    def plans(self, setup: str) -> tuple[Plan, ...]:
        """Return what each process does, round by round."""
        return tuple(
            Plan(
                seed=self.seed, round=number, steps=self.steps, tasks=self.tasks, processes=self.processes,
                exact=self.faults == "none", allowed=allowed(setup), repeated=repeated(setup),
            )
            for number in range(self.rounds)
        )  # fmt: skip


def masked(store: str) -> str:
    """Return a store's name, or its URL as far as it can hold no password.

    One may stand before the host, in an option, or anywhere in a URL that is not written well: then nothing is shown
    but what kind of store it is.
    """
    scheme, mark, _ = store.partition("://")
    if not mark:
        return store if store in NAMES else "..."
    return f"{scheme}://..." if any(sign in store for sign in "@?#=") else store


class Run:
    """One run under way."""

    def __init__(self, options: Options, setup: Setup, events: list[Event], folder: Path, found: Path) -> None:
        """Prepare; nothing runs yet."""
        self.options, self.setup, self.folder, self.found = options, setup, folder, found
        self.events = sorted(events, key=lambda event: event.round)
        self.plans = options.plans(setup.name)
        self.shared = Shared.create(folder / "shared", START)
        self.judgements: list[Judgement] = []
        self._waiting: list[Future[Judgement]] = []
        self._faults: dict[int, list[Op]] = {}
        self._round = 0
        self.missed: tuple[str, ...] = ()
        """Planned faults that were not done: the run was over before their turn."""

    def go(self, tell: Callable[[int, int], None]) -> list[Judgement]:
        """Run to the end, or until a promise is broken; *tell* hears of rounds judged and steps made.

        Raises:
            RuntimeError: a process of the machine itself failed.
        """
        context = multiprocessing.get_context("spawn")
        barrier = context.Barrier(self.options.processes)
        orders = [
            Orders(url=self.setup.url, folder=str(self.folder), plans=self.plans, process=number)
            for number in range(self.options.processes)
        ]
        workers = [context.Process(target=work, args=(each, barrier), daemon=True) for each in orders]
        with ProcessPoolExecutor(1, mp_context=context, initializer=end_with_parent) as judges:
            for worker in workers:
                worker.start()
            try:
                self._watch(judges, workers, tell)
            finally:
                barrier.abort()
                for worker in workers:
                    worker.terminate()
                    worker.join()
        stopped = self.shared.stopping
        self.shared.close()
        self.missed = () if stopped else tuple(event.name for event in self.events)
        if len(self.judgements) < len(self.plans) and not stopped:
            raise RuntimeError(f"only {len(self.judgements)} of {len(self.plans)} rounds were judged")
        return sorted(self.judgements, key=lambda each: each.round)

    def _watch(
        self, judges: ProcessPoolExecutor, workers: Sequence[BaseProcess], tell: Callable[[int, int], None]
    ) -> None:
        """Do what is due until there is nothing left to do."""
        going = True
        while going:
            going = self._step(judges, any(worker.is_alive() for worker in workers))
            if any(worker.exitcode for worker in workers):
                raise RuntimeError("a process of the torture machine failed; its own message says why")
            tell(len(self.judgements), sum(map(self.shared.progress, range(len(workers)))))
            time.sleep(0.02)

    def _step(self, judges: ProcessPoolExecutor, alive: bool) -> bool:  # noqa: FBT001 - whether any worker lives
        """Do what is due; ``False`` when everything was played and judged."""
        self._fault()
        parts = [self.folder / f"{self._round}.{number}" for number in range(self.options.processes)]
        if self._round < len(self.plans) and len(self._waiting) < _BEHIND and all(part.exists() for part in parts):
            self._waiting.append(judges.submit(judge_round, self._header(), parts, self.found))
            self._round += 1
        for future in [each for each in self._waiting if each.done()]:
            self._waiting.remove(future)
            self.judgements.append(future.result())
            if self.judgements[-1].violations:
                self.shared.stop()
        ready = self.folder / f"{self._round}.0"
        return alive or bool(self._waiting) or (self._round < len(self.plans) and ready.exists())

    def _header(self) -> History:
        plan = self.plans[self._round]
        # A fault that outlasts its round is the next one's too.
        faults = [op for number in (plan.round - 1, plan.round) for op in self._faults.get(number, ())]
        return History(
            store=self.setup.name, seed=plan.seed, round=plan.round, command=self.options.command,
            terms=terms_of(plan), ops=faults,
        )  # fmt: skip

    def _fault(self) -> None:
        """Do the fault of the round that is played, when its time has come."""
        playing = self.shared.round
        event = self.events[0] if self.events else None
        # One that took long may have let a round go by: the next one is done all the same, in the round that follows.
        if event is None or event.round > playing or self._steps() < event.begins:
            return
        if playing < self._round:  # nobody plays: its steps are with the judge already, and would not know of the fault
            return
        del self.events[0]
        fault = self.setup.faults[event.name]
        over: Callable[[], bool] = lambda: self._steps() >= event.ends or self.shared.round != playing  # noqa: E731
        self._faults.setdefault(playing, []).append(execute(event, fault, self.shared, over=over))

    def _steps(self) -> int:
        return sum(map(self.shared.progress, range(self.options.processes)))


def summed(judgements: list[Judgement]) -> Judgement:
    """Add the judgements of a run up."""
    total: dict[str, Counter[str]] = {name: Counter() for name in _COUNTED}
    for each in judgements:
        for name, counts in total.items():
            counts.update(getattr(each, name))
    sums = {name: dict(sorted(counts.items())) for name, counts in total.items()}
    sums["faults"] = named(sums["faults"])
    return Judgement(
        round=len(judgements),
        steps=sum(each.steps for each in judgements),
        stories=[told for each in judgements for told in each.stories],
        kept=next((each.kept for each in judgements if each.kept), None),
        **sums,
    )


def drawn_seed() -> int:
    """Return a seed for a run that was given none."""
    return random.randrange(1, 1_000_000)  # noqa: S311 - so that runs differ
