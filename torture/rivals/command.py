"""The command line of the comparison."""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from torture.rivals.contenders import CONTENDERS, Contender
from torture.rivals.running import Finding, Plan, Result, run
from torture.rivals.stores import Stores
from torture.rivals.table import PROMISES
from torture.rivals.workers import ROOT, CannotRun

RESULTS: Final = ROOT / "torture" / "results" / "rivals.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; 1 when coatcheck broke a promise or a contender that was named cannot run."""
    options = _options(arguments)
    chosen = [one for one in CONTENDERS if not options.only or one.name in options.only]
    plan = Plan(seed=options.seed, rounds=options.rounds, found=options.keep)
    results, missing = asyncio.run(_all(chosen, plan))
    merged = as_json(results, seed=options.seed, before=None if not options.only else options.out)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(msgspec.json.format(msgspec.json.encode(merged), indent=2) + b"\n")
    ours = [one for one in results if one.package == "coatcheck" and any(f.broken or f.note for f in one.findings)]
    return 1 if ours or (missing and options.only) else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m torture.rivals", description=__doc__)
    names = [contender.name for contender in CONTENDERS]
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--seed", type=int, default=1, help="repeats the order of the requests (default 1)")
    parser.add_argument("--rounds", type=int, default=20, help="rounds, each of every scene ten times (default 20)")
    parser.add_argument("--keep", type=Path, help="a folder for the histories of broken rounds")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results go")
    return parser.parse_args(arguments)


async def _all(chosen: Sequence[Contender], plan: Plan) -> tuple[list[Result], list[str]]:
    results: list[Result] = []
    missing: list[str] = []
    with Stores() as stores:
        for contender in chosen:
            try:
                result = await run(contender, stores, plan, _Bar(contender, plan.rounds).step)
            except CannotRun as error:
                missing.append(contender.name)
                _say(f"{contender.name}: cannot run here: {error}\n")
                continue
            results.append(result)
            _say(f"{summary(result)}\n")
    return results, missing


def _say(text: str) -> None:
    sys.stdout.write(f"\r{text}")
    sys.stdout.flush()


class _Bar:
    """One line that grows, where somebody looks."""

    def __init__(self, contender: Contender, rounds: int) -> None:
        self._name, self._rounds, self._done = contender.name, rounds, 0

    def step(self) -> None:
        """Show one round more."""
        self._done += 1
        if sys.stdout.isatty():
            _say(f"{self._name}: round {self._done} of {self._rounds}")


def summary(result: Result) -> str:
    """Return one contender's line on the screen."""
    parts = [f"{one.promise}: {_verdict(result, one)}" for one in result.findings]
    parts += [f"{number}: not offered" for number in result.not_offered]
    return f"{result.name} {result.version} on {result.store}, {result.operations} steps: {', '.join(sorted(parts))}"


def _verdict(result: Result, finding: Finding) -> str:
    if not finding.broken:
        return f"held, but {finding.note}" if finding.note else "held"
    design = " (by design)" if finding.promise in result.by_design else ""
    return f"broken in {finding.broken} of {finding.attempts}{design}"


def as_json(results: Sequence[Result], *, seed: int, before: Path | None) -> dict[str, Any]:
    """Return what the file holds; a run of some contenders keeps the others that the file *before* it has."""
    entries = {one.name: _entry(one) for one in results}
    if before is not None and before.exists():
        kept = msgspec.json.decode(before.read_bytes(), type=dict[str, Any])["rivals"]
        entries = {**{one["name"]: one for one in kept}, **entries}
    order = [contender.name for contender in CONTENDERS]
    rivals = sorted(entries.values(), key=lambda entry: order.index(entry["name"]))
    return {"kind": "rivals", "date": _today(), "seed": seed, "promises": PROMISES, "rivals": rivals}


def _today() -> str:
    return dt.datetime.now(dt.UTC).date().isoformat()


def _entry(result: Result) -> dict[str, Any]:
    entry: dict[str, Any] = {"date": _today(), **msgspec.to_builtins(result)}
    findings: list[dict[str, Any]] = entry.pop("findings")
    broken = [one for one in findings if one["broken"] or one["note"]]
    entry["offered"] = [one["promise"] for one in findings]
    entry["held"] = [{"promise": one["promise"], "attempts": one["attempts"]} for one in findings if one not in broken]
    entry["violations"] = [{"count": one.pop("broken"), **one} for one in broken]
    return entry
