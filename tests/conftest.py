"""Gaps: tests that need a thing from outside (a server, a browser) say so when it is missing, and nobody overlooks it.

A test calls the ``gap`` fixture, or any helper `gap` below; the test is skipped with a reason of a fixed shape, which
crosses from xdist's workers to the process that prints. The run ends with a list of what is missing and the command
that adds it. On CI (``CI`` is set) a gap fails the run.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

_SHAPE = re.compile(r"gap: (?P<what>.+?) is missing; to add it: (?P<remedy>.+)", re.DOTALL)
_GAPS = pytest.StashKey[dict[str, str]]()

Gap = Callable[[str, str], NoReturn]


def gap(what: str, remedy: str) -> NoReturn:
    """Skip because *what* is missing; *remedy* is the command that adds it."""
    pytest.skip(f"gap: {what} is missing; to add it: {remedy}", allow_module_level=True)


@pytest.fixture(name="gap", scope="session")
def _gap() -> Gap:
    """Hand the helper to tests and fixtures: ``gap("browser", "apt-get install chromium")``."""
    return gap


def pytest_configure(config: pytest.Config) -> None:
    """Start a list of gaps for this run, and offer the servers of tests/servers to every test."""
    config.stash[_GAPS] = {}
    config.pluginmanager.register(_Gaps(config.stash[_GAPS]), "coatcheck-gaps")
    if Path(__file__).with_name("servers").is_dir():  # tests/surface/test_gaps.py uses this file alone
        from tests.servers import fixtures

        config.pluginmanager.register(fixtures, "coatcheck-servers")


class _Gaps:
    """Collects gaps from reports, prints them and lets CI fail."""

    def __init__(self, gaps: dict[str, str]) -> None:
        self.gaps = gaps

    def note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        """Remember the gap that a skipped test named."""
        if report.skipped and isinstance(report.longrepr, tuple):
            named = _SHAPE.search(report.longrepr[2])
            if named:
                self.gaps[named["what"]] = named["remedy"]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Look at each test."""
        self.note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Look at each file: one may be skipped as a whole."""
        self.note(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail on CI, and hand the gaps to scripts/run_tests.py, which runs more than one session."""
        if hasattr(session.config, "workerinput"):
            return
        if self.gaps and os.environ.get("CI") and session.exitstatus in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        target = os.environ.get("COATCHECK_GAPS")
        if target:
            with Path(target).open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(pair) + "\n" for pair in self.gaps.items())

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """List what is missing, each with its remedy."""
        if not self.gaps:
            return
        terminalreporter.section("what could not run here")
        for what, remedy in sorted(self.gaps.items()):
            terminalreporter.line(f"{what}: {remedy}")
        if os.environ.get("CI"):
            terminalreporter.line("CI is set: a gap is a failure.", red=True)
