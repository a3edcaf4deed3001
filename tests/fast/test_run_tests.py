"""The program behind ``make test``: every stage runs, a failure is told and named, and nothing outlives it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import descendants

ROOT = Path(__file__).resolve().parents[2]
GOOD = "def test_good():\n    assert True\n"
BAD = "def test_bad():\n    assert 1 == 2\n"
MISSING = 'def test_missing(gap):\n    gap("lighthouse", "apt-get install lighthouse")\n'
MEETING = """
import signal

def test_meets_the_other():
    signal.alarm(60)  # an end for a run in which they do not meet
    open({path!r}, {mode!r}).close()
    signal.alarm(0)
"""
NEXT = {"fast": "web", "baddays": "workers"}
"""What comes after a stage."""
STUCK = """
import os
import threading

import pytest

@pytest.fixture
def server():
    yield
    print("the server is stopped")
    assert False, "so that it is shown"

def test_stuck(server):
    with open({path!r}, "w") as met:
        met.write(str(os.getpid()))
    while True:
        threading.Event().wait(0.1)  # a single wait could begin just after the signal
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a project that has the program, the gaps and no test yet."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p xdist -p no:cacheprovider --import-mode=importlib\n")
    shutil.copy(ROOT / "scripts" / "run_tests.py", tmp_path / "scripts")
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path / "tests")
    return tmp_path


def add(project: Path, stage: str, text: str) -> None:
    """Write a stage of one file."""
    (project / "tests" / stage).mkdir()
    (project / "tests" / stage / f"test_{stage}.py").write_text(text)


def started(project: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the program."""
    command = [sys.executable, str(project / "scripts" / "run_tests.py"), *arguments]
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "COATCHECK_GAPS")}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # a start costs a third
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=project
    )


def run(project: Path, *arguments: str) -> tuple[int, str, str]:
    """Run it to its end; return the exit code, what the stages said and the summary."""
    with started(project, *arguments) as program:
        said, _ = program.communicate(timeout=120)
    stages, _, summary = said.partition("--- summary\n")
    return program.returncode, stages, summary


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_failure_is_named_and_fails_the_run(project: Path, workers: str) -> None:
    """Every stage runs and is shown, also one nobody named; the test that failed and what is missing are in the end."""
    for stage, text in {"fast": BAD, "web": GOOD, "workers": MISSING, "novel": GOOD}.items():
        add(project, stage, text)

    code, stages, summary = run(project, "--workers", workers)

    assert code == 1
    assert sorted(line for line in stages.splitlines() if line.startswith("--- tests/")) == [
        f"--- tests/{stage}" for stage in ("fast", "novel", "web", "workers")
    ]
    outcomes = [line.split()[:2] for line in summary.splitlines()]
    assert [line for line in outcomes if line[0] == "FAIL"] == [["FAIL", "fast"]]
    assert sorted(line[1] for line in outcomes if line[0] == "ok") == ["novel", "web", "workers"]
    assert "FAILED tests/fast/test_fast.py::test_bad - assert 1 == 2" in summary
    assert "not run: lighthouse; to add it: apt-get install lighthouse" in summary


def test_a_run_without_failures_succeeds(project: Path) -> None:
    """Exit code 0 means that every stage passed."""
    add(project, "fast", GOOD)
    add(project, "workers", GOOD)

    code, _, summary = run(project)

    assert (code, "FAIL" in summary, "2 stages in" in summary) == (0, False, True)


def test_a_file_that_cannot_be_read_is_a_failure(project: Path) -> None:
    """A file that does not import is told by name, in either lane: its tests were never there to fail."""
    for stage in ("fast", "workers"):
        add(project, stage, "import nothing_of_this_name\n")

    code, _, summary = run(project)

    assert code == 1
    assert [f"ERROR tests/{stage}/test_{stage}.py" in summary for stage in ("fast", "workers")] == [True, True]


def test_no_tests_at_all_is_a_failure(project: Path) -> None:
    """A run that found nothing proves nothing."""
    assert run(project)[0] == 1


def test_a_waiting_stage_runs_beside_a_computing_one(project: Path) -> None:
    """Two stages that wait for each other both end."""
    path = str(project / "meeting")
    os.mkfifo(path)
    add(project, "web", MEETING.format(path=path, mode="r"))
    add(project, "workers", MEETING.format(path=path, mode="w"))

    code, stages, _ = run(project)

    assert code == 0, stages


@pytest.mark.parametrize(("stage", "number"), [("fast", signal.SIGINT), ("baddays", signal.SIGTERM)])
def test_an_interrupted_run_stops_what_it_started(project: Path, stage: str, number: signal.Signals) -> None:
    """No process of a stage is left, what it said is shown, no further stage of its lane starts, and the run failed."""
    path = project / "meeting"
    os.mkfifo(path)
    add(project, stage, STUCK.format(path=str(path)))
    add(project, NEXT[stage], GOOD)
    with started(project) as program:
        pid = int(path.read_text())
        program.send_signal(number)
        said, _ = program.communicate(timeout=120)

    assert program.returncode == 1
    assert f"--- tests/{stage}\n" in said
    assert f"{NEXT[stage]:<10} did not run" in said
    assert stage == "fast" or "the server is stopped" in said
    assert descendants.all_gone({pid})
