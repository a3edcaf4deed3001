"""Run every test in stages, quickest first, and say at the end what happened and what could not run.

A stage is a folder of ``tests/``; a folder that nobody named here runs too, last. A stage that fails does not stop the
others: one run tells everything. The gaps come from ``tests/conftest.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
ORDER = (
    "surface",
    "fast",
    "stores",
    "web",
    "workers",
    "packaging",
    "servers",
    "guarantees",
    "baddays",
    "torture",
    "browser",
)
PARALLEL = frozenset({"surface", "fast"})
"""Stages without servers of their own, which xdist's workers would otherwise start once each."""


def stages() -> list[str]:
    """Return the folders that hold tests, in order."""
    found = {path.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py")}
    loose = sorted(name for name in found if name.endswith(".py"))
    known = [name for name in ORDER if name in found]
    return known + sorted(found - set(known) - set(loose)) + loose


def run(stage: str, workers: int, gaps: Path) -> tuple[int, str]:
    """Run one stage, echoing it; return its exit code and pytest's closing line."""
    command = [sys.executable, "-m", "pytest", "-q", str(TESTS / stage)]
    if sys.stdout.isatty():
        command.append("--color=yes")
    if stage in PARALLEL and workers > 1:
        command += ["-n", str(workers)]
    print(f"\n--- tests/{stage}", flush=True)
    closing = ""
    environment = {**os.environ, "COATCHECK_GAPS": str(gaps)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
    ) as pytest:
        for line in pytest.stdout or ():
            print(line, end="", flush=True)
            closing = line.strip() or closing
    return pytest.returncode, closing


def read_gaps(path: Path) -> dict[str, str]:
    """Return what was missing, each with the command that adds it."""
    if not path.is_file():
        return {}
    return dict(json.loads(line) for line in path.read_text().splitlines())


def main() -> int:
    """Run the stages and print the closing lines."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--workers", type=int, default=2, help="processes for the stages without servers")
    workers: int = options.parse_args().workers
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "gaps")
        results = {stage: run(stage, workers, path) for stage in stages()}
        gaps = read_gaps(path)
    print("\n--- summary")
    for stage, (code, closing) in results.items():
        print(f"{'ok  ' if code == 0 else 'FAIL'} {stage:<10} {closing}")
    for what, remedy in sorted(gaps.items()):
        print(f"not run: {what}; to add it: {remedy}")
    if not results:
        print("no tests were found", file=sys.stderr)
        return 1
    return int(any(code for code, _ in results.values()))


if __name__ == "__main__":
    sys.exit(main())
