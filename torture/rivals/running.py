"""Running a contender: rounds of scenes, each judged by the torture's own checker, and what came of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from torture.history import History, Op, Terms, in_order, keep
from torture.judging import Violation, judge
from torture.rivals.contenders import LIMIT, Contender
from torture.rivals.outside import READS, judge_outside, writes_of_looks
from torture.rivals.scenes import play, promises_of
from torture.rivals.site import Site
from torture.rivals.stores import Stores
from torture.rivals.telling import tell, witnesses
from torture.rivals.workers import Worker


class Finding(msgspec.Struct):
    """One promise as one contender kept it.

    Attributes:
        promise: its number in the design.
        attempts: scenes that tried it.
        broken: scenes of these in which the judge found it broken. A scene that tries another promise is one of them
            only where it broke this one too.
        scenes: the same two numbers, broken and attempts, for each kind of scene.
        rule: the judge's rule, when broken.
        what: what happened in the story, in a sentence.
        story: the smallest story, one line a step.
        note: what the counts do not say.
    """

    promise: int
    attempts: int = 0
    broken: int = 0
    scenes: dict[str, list[int]] = {}
    rule: str = ""
    what: str = ""
    story: list[str] = []
    note: str = ""


class Result(msgspec.Struct):
    """What one contender did."""

    name: str
    package: str
    version: str
    store: str
    processes: int
    command: str
    operations: int = 0
    findings: list[Finding] = []
    not_offered: list[int] = []
    by_design: list[int] = []
    errors: dict[str, int] = {}
    note: str = ""


class Plan(msgspec.Struct, frozen=True):
    """What a run does.

    Attributes:
        seed: repeats the order of the requests.
        rounds: how many rounds, each judged by itself.
        repeats: how often a round plays every scene.
        found: the folder in which the histories of broken rounds are kept, for ``python -m torture judge``.
    """

    seed: int = 1
    rounds: int = 20
    repeats: int = 10
    found: Path | None = None


async def run(contender: Contender, stores: Stores, plan: Plan, progress: Callable[[], None]) -> Result:
    """Start a contender's workers, play the rounds and judge them.

    Raises:
        CannotRun: the library or its store is not here.
    """
    url = stores.url_for(contender)
    workers: list[Worker] = []
    try:
        versions: dict[str, str] = {}
        for _ in range(contender.processes):
            workers.append(Worker())
            versions = await workers[-1].start(contender, url)
        result = Result(
            name=contender.name, package=contender.package, version=versions[contender.package],
            store=stores.describe(contender), processes=contender.processes, note=contender.note,
            command=f"python -m torture.rivals --only {contender.name} --seed {plan.seed} --rounds {plan.rounds}",
            not_offered=sorted(set(range(1, 7)) - promises_of(contender.offers)), by_design=sorted(contender.by_design),
        )  # fmt: skip
        tally = _Tally(contender)
        for number in range(plan.rounds):
            await _round(Site(contender, workers, _chance(plan, number)), plan, number, result.command, tally)
            progress()
        tally.looks(await writes_of_looks(contender, workers, stores))
        return tally.into(result)
    finally:
        for worker in workers:
            await worker.stop()


def _chance(plan: Plan, number: int) -> random.Random:
    return random.Random(f"{plan.seed}-{number}")  # noqa: S311 - repeatable, not secret


async def _round(site: Site, plan: Plan, number: int, command: str, tally: _Tally) -> None:
    """Play one round and judge it, by the promises that can be tried from outside."""
    await play(site, plan.repeats)
    name, offers, ops = site.contender.name, site.contender.offers, in_order(site.ops)
    terms = Terms(limit=LIMIT if "limit" in offers else None, promises=promises_of(offers), exact=False)
    history = History(store=name, seed=plan.seed, round=number, command=command, terms=terms, ops=ops)
    violations = [*judge(history).violations, *judge_outside(history)]
    if plan.found is not None and violations:
        keep(history, plan.found / f"{plan.seed}-{name}-{number}.msgpack.gz")
    tally.take(site, violations)


class _Tally:
    """Adds rounds up."""

    def __init__(self, contender: Contender) -> None:
        self._findings = {number: Finding(number) for number in sorted(promises_of(contender.offers))}
        self._ranks: dict[int, tuple[bool, int]] = {}
        self._errors: Counter[int] = Counter()
        self._operations = 0

    def take(self, site: Site, violations: Sequence[Violation]) -> None:
        """Add one round: a scene counts once for the promise that it tries, and for any other that broke in it."""
        self._operations += len(site.ops)
        self._errors.update(site.errors)
        played = {(scene.promise, scene): False for scene in site.scenes}
        for violation in violations:
            played[violation.promise, site.scene_of[violation.culprit.actor]] = True
            self._tell(violation, site.ops)
        for (promise, scene), broken in played.items():
            finding = self._findings[promise]
            kind = finding.scenes.setdefault(scene.name, [0, 0])
            kind[0] += broken
            kind[1] += 1
            finding.broken += broken
            finding.attempts += 1

    def _tell(self, violation: Violation, ops: Sequence[Op]) -> None:
        """Keep the smallest story of each promise, rather one that shows the request which met the decisive one."""
        finding = self._findings[violation.promise]
        rank = (not witnesses(violation, ops), len(violation.ops))
        if rank < self._ranks.get(violation.promise, (True, 1 << 30)):
            self._ranks[violation.promise] = rank
            finding.rule, finding.what, finding.story = violation.rule, violation.text, tell(violation, ops)

    def looks(self, writes: Mapping[str, int]) -> None:
        """Add what requests that only look made the server write."""
        if writes:
            named = ", ".join(f"{count} {name}" for name, count in sorted(writes.items()))
            self._findings[6].note = f"{READS} reads cost the server {named}"

    def into(self, result: Result) -> Result:
        """Fill the result in."""
        result.operations = self._operations
        result.findings = list(self._findings.values())
        result.errors = {str(status): count for status, count in sorted(self._errors.items())}
        return result
