"""The generated part of ``docs/reliability.md``, from ``torture/results/*.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from torture import kept
from torture.guarantees import GUARANTEES
from torture.judging.rules import RULES
from torture.rivals.table import markdown

BEGIN: Final = "<!-- tortured: begin (written by `python -m torture report`) -->"
END: Final = "<!-- tortured: end -->"

_LOSSES: Final = {
    "update": "changes of data",
    "session": "sign-ins and tickets",
    "revocation": "revocations and changes of privilege",
    "activity": "renewals",
    "limit": "the limit may be passed",
}


def write(results: Path, page: Path) -> None:
    """Write the results between the page's markers.

    Raises:
        ValueError: the page has no markers.
    """
    text = page.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise ValueError(f"{page.name} has no markers {BEGIN} and {END}")
    before, rest = text.split(BEGIN, 1)
    page.write_text(f"{before}{BEGIN}\n\n{generated(results)}\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")


def generated(results: Path) -> str:
    """Return the text between the markers."""
    runs = kept.rows(results)
    sums = kept.added(runs)
    lines = ["## What was measured", "", *_sums(sums), "", *_runs(runs), ""]
    lines += ["## How often each rule was tested", "", *_rules(sums), ""]
    lines += ["## What a fault may cost", "", *_guarantees(), ""]
    rivals = results / "rivals.json"
    if rivals.is_file():
        lines += ["## Other libraries under the same rules", ""]
        lines.append(markdown(json.loads(rivals.read_text(encoding="utf-8"))))
    return "\n".join(lines).rstrip() + "\n"


def _sums(sums: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield "| store | runs | steps | faults | not answered | checks | broken promises | announced losses |"
    yield "|---|--:|--:|---|--:|--:|--:|--:|"
    for store, total in sums.items():
        yield (
            f"| {store} | {total['runs']} | {total['steps']:,} | {_faults(total)} | {kept.unanswered(total):,} "
            f"| {total['checked'].total():,} | {total['violations'].total()} | {total['losses'].total()} |"
        )


def _runs(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """List every run that the sums come from."""
    for run in runs:
        yield (
            f"- {run['store']}, {run['date']}: {run['steps']:,} steps, {_checks(run)}; faults: {_faults(run)}; "
            f"`{run['command']}`; {run['seconds']:.0f} s on {run['machine']}"
        )
        if run.get("faults_missed"):
            yield f"  - planned, and not done because the run was over: {', '.join(run['faults_missed'])}"
        for name, count in run["violations"].items():
            yield f"  - **broken**: promise {name}: {count}"
        for name, count in run["losses"].items():
            yield f"  - announced loss: promise {name}: {count}"


def _faults(run: Mapping[str, Any]) -> str:
    return ", ".join(f"{count} {name}" for name, count in run["faults_done"].items()) or "none"


def _checks(run: Mapping[str, Any]) -> str:
    """Return how often the rules were tested; an older checker counted otherwise, and its counts are left out."""
    return "judged by an older checker" if kept.is_old(run) else f"{sum(run['checked'].values()):,} checks"


def _rules(sums: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Say how often each rule was put to the test; one that never was proves nothing."""
    yield f"| promise | rule | {' | '.join(sums)} |"
    yield "|--:|---|" + "--:|" * len(sums)
    for rule, promise in RULES.items():
        counts = (total["checked"].get(rule, 0) for total in sums.values())
        yield f"| {promise} | {rule} | " + " | ".join(f"{count:,}" if count else "**never**" for count in counts) + " |"


def _guarantees() -> Iterator[str]:
    yield "| configuration | fault | what may be lost of the last moment before it |"
    yield "|---|---|---|"
    for name, faults in GUARANTEES.items():
        if not faults:
            yield f"| {name} | any of ours | nothing that was acknowledged |"
        for fault, losses in faults.items():
            shown = ", ".join(f"{_LOSSES[loss]} ({millis / 1000:.0f} s)" for loss, millis in losses.items())
            yield f"| {name} | {fault} | {shown} |"
