"""Run the conformance suite over every store and write the table of results into the documentation.

``make conformance`` runs it. A row is a class of the tests that inherits the suite; what it is called is the first line
of its docstring. The page is only rewritten when nothing failed and nothing was left out.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "stores.md"
FILES = ("test_memory.py", "test_sqlite.py", "test_redis_conformance.py", "test_postgres.py")
BEGIN, END = "<!-- conformance: begin (written by `make conformance`) -->", "<!-- conformance: end -->"


class Tally:
    """Counts what became of each test, by the class it ran in."""

    def __init__(self) -> None:
        """Begin with no rows."""
        self.titles: dict[str, str] = {}
        self.counts: dict[str, Counter[str]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep only the suite itself, and remember what its classes are called."""
        from coatcheck.testing import StoreContract

        kept = [item for item in items if issubclass(getattr(item, "cls", None) or object, StoreContract)]
        kept = [item for item in kept if item.function.__module__.startswith("coatcheck.testing")]  # type: ignore[attr-defined]
        items[:] = kept
        for item in kept:
            cls = item.cls  # type: ignore[attr-defined]
            self.titles[self._row(item.nodeid)] = (cls.__doc__ or cls.__name__).strip().partition("\n")[0].rstrip(".")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test when it has run, or where it broke off."""
        if report.when == "call" or report.outcome != "passed":
            self.counts.setdefault(self._row(report.nodeid), Counter())[report.outcome] += 1

    @staticmethod
    def _row(nodeid: str) -> str:
        """Name a class by its file and itself."""
        return "::".join(nodeid.split("::")[:2])

    @property
    def failed(self) -> int:
        """How many did not pass."""
        return sum(counts["failed"] for counts in self.counts.values())

    def table(self) -> str:
        """Return the rows in the order in which they ran."""
        lines = ["| store | passed | does not apply | failed |", "|---|--:|--:|--:|"]
        for row, counts in self.counts.items():
            title = self.titles[row]
            lines.append(f"| {title} | {counts['passed']} | {counts['skipped']} | {counts['failed']} |")
        return "\n".join(lines)


def main() -> int:
    """Run the suite, print the table, and keep it if everything passed."""
    tally = Tally()
    files = [str(ROOT / "tests" / "stores" / name) for name in FILES]
    code = pytest.main(["-q", "-p", "no:cacheprovider", *files], plugins=[tally])
    print(f"\n{tally.table()}")
    if code != pytest.ExitCode.OK or tally.failed:
        return 1
    text = f"{BEGIN}\n\nA run of {time.strftime('%Y-%m-%d')}:\n\n{tally.table()}\n\n{END}"
    page = PAGE.read_text()
    if BEGIN not in page:
        print(f"{PAGE} has no place for the table", file=sys.stderr)
        return 1
    PAGE.write_text(re.sub(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: text, page, flags=re.DOTALL))
    return 0


if __name__ == "__main__":
    sys.exit(main())
