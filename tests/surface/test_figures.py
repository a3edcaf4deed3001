"""The figures for choosing a store are those that were measured: they are read again from the pages they come from."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.surface.test_docs import ROOT

DOCS = ROOT / "docs"
CHOOSING = (DOCS / "choosing-a-store.md").read_text()
SCALE = (DOCS / "scale.md").read_text()
RELIABILITY = (DOCS / "reliability.md").read_text()

LARGEST = {"sqlite": 1, "redis": 5, "postgresql": 5}
"""Millions of sessions that each store was filled with."""

REPLACED = {
    "Redis Sentinel": "Redis Sentinel, append-only files, failover",
    "Redis Sentinel, `confirm=1`": "Redis Sentinel, append-only files, `confirm=1`, failover",
    "Redis Cluster": "Redis Cluster, append-only files, failover",
    "Redis Cluster, `confirm=1`": "Redis Cluster, append-only files, `confirm=1`, failover",
    "PostgreSQL, asynchronous replica": "PostgreSQL with an asynchronous replica, failover",
    "PostgreSQL, synchronous replica": "PostgreSQL with a synchronous replica, failover",
}
"""Rows about failovers, by what the page with the counts calls them."""

CUT_OFF = ", replicas cut off for 200 ms"
"""How the page with the counts names the same failovers on a broken network; both tables have them all."""


def rows(text: str) -> Iterator[list[str]]:
    """Return the cells of every row of a page's tables."""
    for line in text.splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in line.strip().strip("|").split("|")]


def measured_scale(scale: str) -> Iterator[str]:
    """Return the cells that the page for choosing should have, from the page about scale."""
    for store, sessions, flight, p50, p99, *_rest in (row for row in rows(scale) if len(row) == 9):
        if sessions == "10,000" and flight == "1":
            yield f"{p50} / {p99} µs"
        if store in LARGEST and sessions == f"{LARGEST[store]},000,000" and flight == "1":
            yield f"{p50} / {p99} µs ({LARGEST[store]} million)"
        if sessions == "10,000" and flight == "64":
            yield f"{p50} µs" if int(p50) < 1000 else f"{int(p50) / 1000:.1f} ms"
    for what, *_parts, total in (row for row in rows(scale) if len(row) == 8):
        store, _, rest = what.partition(", ")
        if store in LARGEST and rest.startswith(f"{LARGEST[store]},000,000, ") and "MEMORY USAGE" not in rest:
            yield total


def measured_failovers(reliability: str) -> Iterator[str]:
    """Return the rows about failovers that the page for choosing should have."""
    found = {row[0]: row for row in rows(reliability) if len(row) == 13}
    for shown, name in [(shown, name + end) for end in ("", CUT_OFF) for shown, name in REPLACED.items()]:
        _, _, _, signed_in, changed, revoked, evicted, _, for_good, *_rest = found[name]
        if for_good == "0":
            revoked = f"0 of {revoked.partition(' of ')[2]}"
        assert for_good in {"0", str(int(revoked.split()[0]) + int(evicted.split()[0]))}, f"{name}: say how many"
        cells = (re.sub(r"\d+", lambda number: f"{int(number[0]):,}", cell) for cell in (signed_in, changed, revoked))
        yield f"| {shown} | {' | '.join(cells)} |"


def outdated(choosing: str, scale: str, reliability: str) -> list[str]:
    """Return what was measured and the page for choosing does not say."""
    cells = {part for row in rows(choosing) for cell in row for part in (cell, cell.partition(",")[0])}
    wrong = [cell for cell in measured_scale(scale) if cell not in cells]
    return wrong + [row for row in measured_failovers(reliability) if row not in choosing]


def test_the_figures_are_those_that_were_measured() -> None:
    """Look-ups, bytes and losses on the page for choosing a store are those of the last measurements (S-98)."""
    assert len(list(measured_scale(SCALE))) == 12
    assert outdated(CHOOSING, SCALE, RELIABILITY) == []


@pytest.mark.parametrize("figure", [*measured_scale(SCALE), *measured_failovers(RELIABILITY)])
def test_an_outdated_figure_is_found(figure: str) -> None:
    """A look-up, a size or a loss on the page that is not what was measured is found."""
    assert figure in outdated(CHOOSING.replace(figure, "0"), SCALE, RELIABILITY)
