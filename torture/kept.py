"""What is kept of every run: a file of sums for each command, which no other run writes over."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from torture.judgements import Judgement
from torture.judging.rules import CHECKER
from torture.running import Options

COUNTS: Final = ("answers", "checked", "violations", "losses", "faults_done")
"""What of a row is a count by name."""


def row(options: Options, name: str, total: Judgement, seconds: float, missed: Sequence[str] = ()) -> dict[str, Any]:
    """Return the sums of a run with where they come from; *missed* are planned faults that were not done."""
    sums = msgspec.to_builtins(total)
    return {
        **sums, "store": name, "date": time.strftime("%Y-%m-%d"), "seconds": round(seconds, 1),
        "machine": f"{os.cpu_count()} cores, CPython {platform.python_version()}", "faults_done": sums["faults"],
        "faults": options.faults, "faults_missed": list(missed), "kept": None, "command": options.command,
        "processes": options.processes, "checker": CHECKER,
    }  # fmt: skip


def keep(folder: Path, run: Mapping[str, Any]) -> Path:
    """Write a run's row. It replaces that of the same command, and no other: the report adds runs up."""
    folder.mkdir(exist_ok=True)
    kind = run["store"] if run["faults"] == "none" else f"{run['store']}-faults"
    mark = hashlib.blake2s(run["command"].encode(), digest_size=4).hexdigest()
    same = (path for path in sorted(folder.glob("*.json")) if _command(path) == run["command"])
    path = next(same, folder / f"{kind}-{mark}.json")
    path.write_text(json.dumps(run, indent=1, sort_keys=True) + "\n")
    return path


def rows(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of all runs, by store."""
    read: list[Any] = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    runs: list[dict[str, Any]] = [each for each in read if "checked" in each]
    return sorted(runs, key=lambda each: (each["store"], each["faults"] != "none", each["command"]))


def added(runs: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Add the runs of each store up, with faults and without; tests are counted by one checker only."""
    sums: dict[str, dict[str, Any]] = {}
    for run in runs:
        total = sums.setdefault(run["store"], {"runs": 0, "steps": 0, **{name: Counter[str]() for name in COUNTS}})
        total["runs"] += 1
        total["steps"] += run["steps"]
        for name in COUNTS:
            total[name].update({} if name == "checked" and is_old(run) else run[name])
    return sums


def is_old(run: Mapping[str, Any]) -> bool:
    """Whether a run was judged by an older checker, whose counts of tests mean something else."""
    return bool(run.get("checker", 1) != CHECKER)


def unanswered(run: Mapping[str, Any]) -> int:
    """Return how many steps of a run, or of a sum, the store did not answer."""
    return sum(count for name, count in run["answers"].items() if name.endswith(" unknown"))


def _command(path: Path) -> str | None:
    read: Any = json.loads(path.read_text(encoding="utf-8"))
    return str(read.get("command"))
