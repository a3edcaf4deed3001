"""Gaps: a test that could not run is never overlooked (tests/conftest.py)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"
SAMPLE = """
def test_runs():
    assert True

def test_needs_a_thing(gap):
    gap("lighthouse", "apt-get install lighthouse")
"""


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize(("ci", "code"), [("", 0), ("true", 1)])
def test_a_gap_is_listed_and_fails_ci(tmp_path: Path, workers: str, ci: str, code: int) -> None:
    """The run ends with what was missing and the command that adds it, also across workers; on CI it fails."""
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text())
    (tmp_path / "test_sample.py").write_text(SAMPLE)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p xdist\n")
    gaps = tmp_path / "gaps"

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", workers, str(tmp_path)],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "CI": ci, "COATCHECK_GAPS": str(gaps), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        text=True,
    )

    assert done.returncode == code, done.stdout
    assert "lighthouse: apt-get install lighthouse" in done.stdout
    assert [json.loads(line) for line in gaps.read_text().splitlines()] == [
        ["lighthouse", "apt-get install lighthouse"]
    ]
