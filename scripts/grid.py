"""Run every scenario over every framework and store, and over rivals; print the grid and write it into the docs.

``make grid`` runs it. It exits with 1 when a cell of coatcheck's is not green; the page is then left as it is. Servers
are those of the tests: started on free ports, stopped at the end; a store whose server is not installed is left out of
the print, and then the page is not written either.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.servers import binaries  # noqa: E402 - the tests are no package that could be installed
from tests.web.grid.cells import ADAPTERS, adapter, applies  # noqa: E402 - as above
from tests.web.grid.grounds import GROUNDS, Grounds  # noqa: E402 - as above
from tests.web.grid.rivals import RIVALS, rival  # noqa: E402 - as above
from tests.web.grid.rivals_facade import NOT_OFFERED, for_scenario, verdict_on  # noqa: E402 - as above
from tests.web.grid.site import OurSite, outcome_on  # noqa: E402 - as above
from tests.web.scenarios import Scenario, table  # noqa: E402 - as above

PAGE = ROOT / "docs" / "scenarios.md"
BEGIN, END = "<!-- {}: begin (written by `make grid`) -->", "<!-- {}: end -->"

Verdicts = dict[str, str | None]
Cells = dict[tuple[str, str], Verdicts]


@contextlib.contextmanager
def grounds() -> Iterator[Grounds]:
    """Give the stores; what was started is stopped at the end."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())

        def ask(server: str) -> object:
            if server == "redis_server":
                from tests.servers.redis import RedisServer

                return stack.enter_context(RedisServer(binary=binaries.redis()))
            from tests.servers.postgres import PostgresServer

            binaries.postgres(15)
            return stack.enter_context(PostgresServer(15))

        yield Grounds(ask, lambda _name: folder)


def tried(run: Callable[[], str | None]) -> str | None:
    """Return a verdict; what a scenario raises is one too."""
    try:
        return run()
    except Exception as error:  # noqa: BLE001 - the grid goes on
        return f"{type(error).__name__}: {error}".partition("\n")[0]


def told(what: str) -> None:
    """Tell a person how far it is, on one line."""
    if sys.stderr.isatty():
        print(f"\r{what}", end="", file=sys.stderr, flush=True)


def ours(stores: Grounds, chosen: list[str]) -> Cells:
    """Run every scenario in every framework on every store, telling how far it is."""
    cells: Cells = {}
    for store in chosen:
        for framework in ADAPTERS:
            told(f"{store:<12}{adapter(framework).name:<16}")

            def run(scenario: Scenario, framework: str = framework, store: str = store) -> str | None:
                site = OurSite(adapter(framework), stores[store], scenario)
                return asyncio.run(outcome_on(site, scenario))

            rows = [scenario for scenario in table().values() if applies(framework, scenario)]
            cells[framework, store] = {row.name: tried(lambda row=row: run(row)) for row in rows}  # type: ignore[misc]
    told(" " * 28 + "\r")
    return cells


def of_rivals() -> dict[str, Verdicts]:
    """Run every scenario over every rival."""
    found: dict[str, Verdicts] = {}
    for name in RIVALS:
        kind = rival(name)
        found[name] = {row.name: asyncio.run(verdict_on(for_scenario(kind, row), row)) for row in table().values()}
    return found


def our_table(cells: Cells, chosen: list[str]) -> str:
    """Return frameworks and stores with the scenarios that went well."""
    lines = ["| framework | " + " | ".join(chosen) + " |", "|---|" + "--:|" * len(chosen)]
    for framework in ADAPTERS:
        verdicts = [cells[framework, store] for store in chosen]
        counts = [f"{sum(each is None for each in row.values())} of {len(row)}" for row in verdicts]
        lines.append(f"| {adapter(framework).name} | " + " | ".join(counts) + " |")
    return "\n".join(lines)


def rivals_table(found: dict[str, Verdicts]) -> str:
    """Return rivals with what went well, what did not, and what they do not offer."""
    lines = ["| library | version | well | not well | not offered |", "|---|---|--:|--:|--:|"]
    for name, verdicts in found.items():
        count = Counter(
            "well" if each is None else "none" if each == NOT_OFFERED else "ill" for each in verdicts.values()
        )
        lines.append(
            f"| {name} | {version(rival(name).package)} | {count['well']} | {count['ill']} | {count['none']} |"
        )
    return "\n".join(lines)


def rows_table(found: dict[str, Verdicts]) -> str:
    """Return every scenario with what each rival did."""
    sign = {None: "yes", NOT_OFFERED: "-"}
    lines = ["| scenario | coatcheck | " + " | ".join(found) + " |", "|---|:-:|" + ":-:|" * len(found)]
    for name, scenario in table().items():
        cells = " | ".join(sign.get(verdicts[name], "**no**") for verdicts in found.values())
        lines.append(f"| {scenario.title.rstrip('.')} | yes | {cells} |")
    return "\n".join(lines)


def write(parts: dict[str, str]) -> None:
    """Put each table between its marks on the page."""
    text = PAGE.read_text()
    for name, part in parts.items():
        begin, end = BEGIN.format(name), END.format(name)
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            sys.exit(f"{PAGE} has no place for {name}")
        text = f"{before}{begin}\n\n{part}\n\n{end}{after}"
    PAGE.write_text(text)


def main() -> int:
    """Run, print, and keep the tables if every cell is green."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--store", action="append", choices=GROUNDS, help="only this store; may be repeated")
    chosen: list[str] = options.parse_args().store or list(GROUNDS)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    began = time.monotonic()
    try:
        with grounds() as stores:
            cells = ours(stores, chosen)
    except binaries.Missing as missing:
        print(f"{missing.what} is missing; to add it: {missing.remedy}", file=sys.stderr)
        return 1
    found = of_rivals()
    print(f"{our_table(cells, chosen)}\n\n{rivals_table(found)}\n")
    bad = [(cell, name, verdict) for cell, row in cells.items() for name, verdict in row.items() if verdict]
    for (framework, store), name, verdict in bad:
        print(f"{framework} on {store}: {name}: {verdict}")
    print(f"{sum(len(row) for row in cells.values())} cells in {time.monotonic() - began:.0f} s")
    if not bad and chosen == list(GROUNDS):
        dated = f"A run of {time.strftime('%Y-%m-%d')}:\n\n{our_table(cells, chosen)}"
        write({"grid": dated, "rivals": rivals_table(found), "rows": rows_table(found)})
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
