"""Judging a round away from the run, in a process that does nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from torture.history import History, Op, decode_ops, in_order, keep
from torture.judging import judge
from torture.judging.findings import Violation
from torture.judging.minimising import minimise
from torture.telling import story

STORIES = 3
"""Violations of a round that are told whole."""


class Judgement(Struct, kw_only=True):
    """What is left of a round once it was judged; counts by ``"promise rule"``, steps met by ``"fault moment"``."""

    round: int
    steps: int = 0
    answers: dict[str, int] = {}
    checked: dict[str, int] = {}
    violations: dict[str, int] = {}
    losses: dict[str, int] = {}
    faults: dict[str, int] = {}
    stories: list[list[str]] = []
    kept: str | None = None


def judge_round(history: History, parts: list[Path], found: Path) -> Judgement:
    """Put a round's parts together and judge it; a round with violations is kept in *found*."""
    ops = [op for part in parts for op in decode_ops(part.read_bytes())]
    history.ops = in_order([*history.ops, *ops])
    for part in parts:
        part.unlink()
    judgement = judged(history)
    if judgement.violations:
        path = found / f"{history.seed}-{history.round}-{history.store}.msgpack.gz"
        keep(history, path)
        (found / ".gitignore").write_text("*\n")
        judgement.kept = str(path)
    return judgement


def judged(history: History) -> Judgement:
    """Judge a history and sum it up."""
    findings = judge(history)
    steps = [op for op in history.ops if op.verb not in ("event", "fault")]
    return Judgement(
        round=history.round,
        steps=len(steps),
        answers=dict(Counter(f"{op.verb} {op.answer}" for op in steps)),
        checked=dict(findings.checked),
        violations=_counted(findings.violations),
        losses=_counted(findings.losses),
        faults=_met([op for op in history.ops if op.verb == "fault"], steps),
        stories=[story(minimise(history, each)) for each in _one_of_each(findings.violations)],
    )


def named(met: Mapping[str, int]) -> dict[str, int]:
    """Count faults by name, of all rounds that they touched; one that met no step under way tried nothing."""
    names = ((key.rpartition(" ")[0], steps) for key, steps in met.items())
    return dict(Counter(name if steps else f"{name} (nothing under way)" for name, steps in names))


def _met(faults: list[Op], steps: list[Op]) -> dict[str, int]:
    """Return by name and moment of each fault how many steps were under way during it."""
    return {
        f"{fault.note} {fault.start}": sum(op.start <= fault.end and fault.start <= op.end for op in steps)
        for fault in faults
    }


def _counted(violations: list[Violation]) -> dict[str, int]:
    return dict(Counter(f"{each.promise} {each.rule}" for each in violations))


def _one_of_each(violations: list[Violation]) -> list[Violation]:
    """Return the first violation of each rule, at most `STORIES`."""
    first: dict[tuple[int, str], Violation] = {}
    for each in violations:
        first.setdefault(each.names, each)
    return list(first.values())[:STORIES]
