"""``python -m torture``: run, judge again, report."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from torture import failovers, faults, kept, reporting
from torture.history import read
from torture.judgements import Judgement, judged
from torture.killing import pages
from torture.running import Options, Run, drawn_seed, summed
from torture.setups import NAMES, ready

HERE = Path(__file__).parent
FOUND = HERE / "found"
RESULTS = HERE / "results"


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Do what was asked; 1 when a promise was broken, 2 when the run could not be made."""
    asked = _parser().parse_args()
    try:
        result: int = asked.do(asked)
    except (ValueError, RuntimeError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m torture", description=__doc__)
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="drive a store and judge every promise")
    run.add_argument("--store", default="memory", help=f"{', '.join(NAMES)}, or a store's URL")
    run.add_argument("--operations", type=int, default=200_000, help="steps in all, about")
    run.add_argument("--processes", type=int, default=0, help="one for memory, else 2")
    run.add_argument("--tasks", type=int, default=16, help="tasks of each process")
    run.add_argument("--steps", type=int, default=10_000, help="steps of each process in a round")
    run.add_argument("--seed", type=int, default=0, help="repeats a run; drawn when left out")
    run.add_argument("--faults", default="none", help="none, all, or names with commas between")
    run.set_defaults(do=_run)
    again = commands.add_parser("judge", help="judge a kept history again")
    again.add_argument("file", type=Path)
    again.set_defaults(do=_judge)
    kills = commands.add_parser("failovers", help=failovers.__doc__)
    failovers.options(kills)
    kills.set_defaults(do=failovers.run)
    report = commands.add_parser("report", help="write the results into docs/reliability.md")
    report.set_defaults(do=_report)
    return parser


def _run(asked: argparse.Namespace) -> int:
    options = Options(
        store=asked.store, operations=asked.operations, tasks=asked.tasks, steps=asked.steps, faults=asked.faults,
        processes=1 if asked.store.startswith("memory") else asked.processes or 2, seed=asked.seed or drawn_seed(),
    )  # fmt: skip
    say(options.command)
    with (
        tempfile.TemporaryDirectory() as name,
        ready(options.store, Path(name), faults=options.faults != "none") as setup,
    ):
        chosen = faults.chosen(options.faults, setup.faults)
        steps = options.steps * options.processes
        events = faults.plan(chosen, rounds=options.rounds, steps=steps, seed=options.seed)
        begun = time.monotonic()
        run = Run(options, setup, events, Path(name), FOUND)
        judgements = _played(run, options)
        seconds = time.monotonic() - begun
        total = summed(judgements)
        kept.keep(RESULTS, kept.row(options, setup.name, total, seconds, run.missed))
    _tell(total, seconds)
    if run.missed:
        say(f"planned, and not done because the run was over: {', '.join(run.missed)}")
    return 1 if total.violations else 0


def _played(run: Run, options: Options) -> list[Judgement]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("rounds judged", total=options.rounds)
        return run.go(lambda judged_rounds, _steps: progress.update(bar, completed=judged_rounds))


def _judge(asked: argparse.Namespace) -> int:
    history = read(asked.file)
    say(f"{history.store}, seed {history.seed}, round {history.round}: {history.command}")
    total = summed([judged(history)])
    _tell(total, None)
    return 1 if total.violations else 0


def _tell(total: Judgement, seconds: float | None) -> None:
    pace = f" in {seconds:.0f} s, {total.steps / seconds:,.0f} a second" if seconds else ""
    say(f"{total.steps:,} steps{pace}; {sum(total.checked.values()):,} checks")
    for told in total.stories:
        say("\n" + "\n".join(told))
    if total.faults:
        say("faults: " + ", ".join(f"{name} {count}" for name, count in total.faults.items()))
    for name, count in total.losses.items():
        say(f"announced loss: {name}: {count}")
    for name, count in total.violations.items():
        say(f"BROKEN: promise {name}: {count}")
    if total.kept:
        say(f"kept; judge it again: python -m torture judge {total.kept}")
    if not total.violations:
        say("no promise was broken")


def _report(_asked: argparse.Namespace) -> int:
    reporting.write(RESULTS, HERE.parent / "docs" / "reliability.md")
    pages.write(HERE.parent / "docs", failovers.RESULTS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
