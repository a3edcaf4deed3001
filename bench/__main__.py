"""``python -m bench``: measure, print a table, write ``bench/results.json``."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import platform
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.contenders import Contender, build_all
from bench.driving import ACTIONS, timed
from bench.waits import longest_wait

RESULTS = Path(__file__).parent / "results.json"


async def measure(rounds: int, requests: int) -> dict[str, Any]:
    """Return the median overhead over the bare application, in microseconds, by action, in flight and contender."""
    table: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        contenders = build_all(Path(folder))
        for action in ACTIONS:
            for in_flight in (1, 64):
                progress(f"{action}, {in_flight} in flight")
                table[f"{action}, {in_flight} in flight"] = await _compare(
                    contenders, action, in_flight, rounds, requests
                )
        for contender in contenders:
            if contender.close is not None:
                await contender.close()
    return table


async def _compare(
    contenders: list[Contender], action: str, in_flight: int, rounds: int, requests: int
) -> dict[str, dict[str, float]]:
    """Measure all contenders in turn, round by round, so that a slow moment of the machine hits them alike."""
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for number in range(rounds + 1):
        for contender in contenders:
            took = await timed(contender.app, action, in_flight=in_flight, requests=requests)
            if number:  # the first round warms caches up
                seconds[contender.name].append(took)
    medians = {name: statistics.median(rows) * 1e6 for name, rows in seconds.items()}
    base = medians["bare"]
    yardstick = medians["starlette signed cookie"] - base
    return {
        name: {
            "total_us": round(total, 1),
            "overhead_us": round(total - base, 1),
            "ratio_to_signed_cookie": round((total - base) / yardstick, 2) if name != "bare" else 0.0,
        }
        for name, total in medians.items()
    }


def show(table: dict[str, Any], waits: dict[str, float]) -> None:
    """Print the table: ratios to Starlette's signed cookie first, then microseconds over the bare application."""
    names = [name for name in next(iter(table.values())) if name != "bare"]
    print("\nCost of a session per request: ratio to Starlette's signed cookie (overhead over bare, µs)\n")
    print(f"{'':32}" + "".join(f"{name:>26}" for name in names))
    for row, cells in table.items():
        shown = [f"{cells[name]['ratio_to_signed_cookie']:.2f} ({cells[name]['overhead_us']:.0f})" for name in names]
        print(f"{row:32}" + "".join(f"{cell:>26}" for cell in shown))
    print(
        f"\nSQLite, 4 processes with 16 commits in flight each: {waits['commits_per_second']:.0f} commits/s, "
        f"median {waits['median_ms']:.0f} ms, p99 {waits['p99_ms']:.0f} ms, longest wait {waits['longest_ms']:.0f} ms"
    )


def progress(text: str) -> None:
    """Say on stderr what is being measured."""
    print(f"  measuring {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="rounds that count; the median is shown")
    parser.add_argument("--requests", type=int, default=3000, help="requests in one round")
    options = parser.parse_args()
    logging.getLogger("coatcheck").setLevel(logging.ERROR)
    table = asyncio.run(measure(options.rounds, options.requests))
    progress("four processes on one SQLite file")
    waits = longest_wait()
    show(table, waits)
    machine = {"python": platform.python_version(), "machine": platform.machine(), "system": platform.system()}
    RESULTS.write_text(json.dumps({"machine": machine, "requests": table, "sqlite_waits": waits}, indent=2) + "\n")
    print(f"\nwritten to {RESULTS.parent.name}/{RESULTS.name}")


if __name__ == "__main__":
    main()
