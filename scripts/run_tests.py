"""Run every test in stages, and say at the end what happened and what could not run.

A stage is a folder of ``tests/``; a folder that nobody named here runs too. Two lanes run side by side: stages that
compute, quickest first and each in several processes, and stages that mostly wait for servers which they kill. A stage
is shown whole when it ends; meanwhile a line says how far each one is. A stage that fails does not stop the others: one
run tells everything. The gaps come from ``tests/conftest.py``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
COMPUTING = {
    "surface": "loadfile",
    "fast": "load",
    "web": "load",
    "torture": "load",
    "packaging": "loadfile",
    "stores": "loadfile",
    "browser": "loadfile",
}
"""Each with the way in which xdist deals its tests to processes.

By file where a module's fixture is dear, or where a server is: every process starts those that its own tests ask for.
"""
WAITING = ("guarantees", "baddays", "servers", "workers")
"""One process each: they take whole deployments down, and their tests share what one costs to start."""
GRACE = 60.0
"""Seconds that an interrupted stage gets to stop its servers."""

_PERCENT = re.compile(rb"\[ *(\d+)%\]")
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_SUMMARY = re.compile(r"^=+ short test summary info =+$", re.MULTILINE)
_FAILURE = re.compile(r"^(?:FAILED|ERROR) \S.*$", re.MULTILINE)


@dataclass
class Stage:
    """A folder of tests, what pytest has said of it so far, and in the end its exit code."""

    name: str
    processes: int = 1
    dealt: str = "load"
    output: bytearray = field(default_factory=bytearray)
    code: int | None = None

    def command(self) -> list[str]:
        """Return what runs it; the tests that failed are listed at its end."""
        command = [sys.executable, "-m", "pytest", "-q", "-rfEsxX", str(TESTS / self.name)]
        if sys.stdout.isatty():
            command.append("--color=yes")
        if self.processes > 1:
            command += ["-n", str(self.processes), "--dist", self.dealt]
        return command

    @property
    def text(self) -> str:
        """What pytest has said, without colours."""
        return _COLOUR.sub("", self.output.decode(errors="replace"))

    @property
    def closing(self) -> str:
        """Pytest's last line."""
        said = self.text.strip().splitlines()
        return said[-1] if said else "it said nothing"

    @property
    def failures(self) -> list[str]:
        """The tests that failed, each with the first line of its reason."""
        _, *listed = _SUMMARY.split(self.text)
        return _FAILURE.findall(listed[-1]) if listed else []

    @property
    def progress(self) -> str:
        """How far it is."""
        percents = _PERCENT.findall(self.output)
        return f"{self.name} {int(percents[-1]) if percents else 0}%"


def lanes(workers: int) -> list[list[Stage]]:
    """Return the folders that hold tests, in lanes that may run at once; with one worker there is one lane."""
    found = {path.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py")}
    computing = [Stage(name, workers, dealt) for name, dealt in COMPUTING.items() if name in found]
    waiting = [Stage(name) for name in WAITING if name in found]
    others = [Stage(name) for name in sorted(found - set(COMPUTING) - set(WAITING))]
    if workers == 1:
        return [[*computing, *waiting, *others]]
    return [[*computing, *others], waiting]


async def run(stage: Stage, gaps: Path) -> None:
    """Run one stage and show it when it ends; an interrupted one stops its servers and is shown as far as it came."""
    process = await asyncio.create_subprocess_exec(
        *stage.command(),
        cwd=ROOT,
        env={**os.environ, "COATCHECK_GAPS": str(gaps / stage.name)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        process_group=0,  # Ctrl-C is for this process, which passes it on once
    )
    reading = asyncio.create_task(_read(process, stage))
    try:
        await asyncio.shield(reading)
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        await asyncio.wait([reading], timeout=GRACE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # whoever is left: pytest itself, or xdist's processes
        await process.wait()
        raise
    finally:
        stage.code = process.returncode
        _say(f"\n--- tests/{stage.name}\n{stage.output.decode(errors='replace')}")


async def _read(process: asyncio.subprocess.Process, stage: Stage) -> None:
    """Keep what a process says until it has ended."""
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    while said := await process.stdout.read(65_536):
        stage.output += said
    await process.wait()


async def run_lane(stages: Sequence[Stage], gaps: Path, running: set[str]) -> None:
    """Run stages one after another."""
    for stage in stages:
        running.add(stage.name)
        await run(stage, gaps)
        running.discard(stage.name)


@contextlib.asynccontextmanager
async def told(stages: Sequence[Stage], running: set[str]) -> AsyncGenerator[None]:
    """Say every now and then how far the stages are; in a terminal on one line that is written over."""
    terminal = sys.stdout.isatty()

    async def tell() -> None:
        while True:
            await asyncio.sleep(1 if terminal else 30)
            line = ", ".join(stage.progress for stage in stages if stage.name in running)
            print(f"\r\x1b[K{line}" if terminal else f"... {line}", end="" if terminal else "\n", flush=True)

    telling = asyncio.create_task(tell())
    try:
        yield
    finally:
        telling.cancel()


def _say(text: str) -> None:
    """Print, in place of the line that says how far the stages are."""
    print(("\r\x1b[K" if sys.stdout.isatty() else "") + text, flush=True)


async def run_all(side_by_side: Sequence[Sequence[Stage]], gaps: Path) -> None:
    """Run the lanes at once, until all have ended or somebody asks this process to end."""
    running: set[str] = set()
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine that runs has one
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with told([stage for lane in side_by_side for stage in lane], running), asyncio.TaskGroup() as group:
        for lane in side_by_side:
            group.create_task(run_lane(lane, gaps, running))


def read_gaps(folder: Path) -> dict[str, str]:
    """Return what was missing, each with the command that adds it."""
    lines = [line for path in folder.iterdir() for line in path.read_text().splitlines()]
    return dict(json.loads(line) for line in lines)


def summary(stages: Sequence[Stage], gaps: dict[str, str]) -> Iterator[str]:
    """Yield the closing lines."""
    for stage in stages:
        if stage.code is None:
            yield f"     {stage.name:<10} did not run"
            continue
        yield f"{'ok  ' if stage.code == 0 else 'FAIL'} {stage.name:<10} {stage.closing}"
        yield from (f"     {failure}" for failure in stage.failures)
    for what, remedy in sorted(gaps.items()):
        yield f"not run: {what}; to add it: {remedy}"


def main() -> int:
    """Run the stages and print the closing lines."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--workers", type=int, default=2, help="processes for a stage that computes; 1: one by one")
    side_by_side = lanes(options.parse_args().workers)
    stages = [stage for lane in side_by_side for stage in lane]
    if not stages:
        print("no tests were found", file=sys.stderr)
        return 1
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(run_all(side_by_side, Path(folder)))
        gaps = read_gaps(Path(folder))
    _say("\n--- summary")
    for line in summary(stages, gaps):
        print(line)
    print(f"{len(stages)} stages in {(time.monotonic() - began) / 60:.1f} min")
    return int(any(stage.code != 0 for stage in stages))


if __name__ == "__main__":
    sys.exit(main())
