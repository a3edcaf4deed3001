"""The ``coatcheck`` command as a process of its own, whose words a test reads while it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coatcheck.stores import VARIABLES


@contextmanager
def started(*words: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start the command in *folder*, with no store named by the environment; end it afterwards."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    with subprocess.Popen(
        [sys.executable, "-m", "coatcheck.cli", *words],
        cwd=folder,
        env=environment | {"NO_COLOR": "1", "COLUMNS": "500"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def finished(*words: str, folder: Path) -> tuple[int, str, str]:
    """Run the command to its end; return its exit code and what it said on stdout and stderr."""
    with started(*words, folder=folder) as process:
        return rest(process)


def line(process: subprocess.Popen[str], stream: str) -> str:
    """Return the next line of ``stdout`` or ``stderr``."""
    pipe = process.stdout if stream == "stdout" else process.stderr
    assert pipe is not None
    return pipe.readline().rstrip("\n")


def rest(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for the end; return the exit code and what was not read yet. Not `communicate`, which loses read-ahead."""
    assert process.stdout is not None
    assert process.stderr is not None
    out, err = process.stdout.read(), process.stderr.read()
    return process.wait(60), out, err
