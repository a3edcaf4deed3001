"""``python -m bench.scale``: fill each store, measure, write the numbers, the plots and the page."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Final

from bench.scale import page, plots, results
from bench.scale.engines import SESSIONS
from bench.scale.measuring import Plan, measure
from bench.scale.progress import say
from bench.scale.rivals import measure_rivals
from tests.servers.binaries import Missing

HERE: Final = Path(__file__).parent
DOCS: Final = HERE.parents[1] / "docs"


def names(text: str) -> list[str]:
    """Read names of stores; none leaves the rivals to be measured.

    Raises:
        argparse.ArgumentTypeError: there is no such store.
    """
    wanted = [name for name in text.split(",") if name]
    unknown = [name for name in wanted if name not in SESSIONS]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no {', '.join(unknown)}; there are {', '.join(SESSIONS)}")
    return wanted


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--stores", type=names, default=[*SESSIONS], help=f"with commas between: {','.join(SESSIONS)}")
    parser.add_argument("--sessions", type=int, help="live sessions a store (default: 5 million; SQLite 1 million)")
    parser.add_argument("--expired", type=int, default=1_000_000, help="expired ones to sweep (default: %(default)s)")
    parser.add_argument("--per-user", type=int, default=1, help="sessions of one user (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="where data goes, but for PostgreSQL's (default: the system's)")
    parser.add_argument("--results", type=Path, default=HERE / "results.json", help="what is read and written")
    parser.add_argument("--docs", type=Path, default=DOCS, help="the folder with scale.md, whose numbers are replaced")
    parser.add_argument("--no-rivals", action="store_true", help="keep the rivals' numbers as they are")
    parser.add_argument("--plot-only", action="store_true", help="measure nothing: draw and write from the results")
    return parser.parse_args()


def main() -> None:
    """Measure what was asked for, draw, and write the page."""
    chosen = options()
    logging.getLogger("coatcheck").setLevel(logging.ERROR)
    known = results.read(chosen.results)
    if not chosen.plot_only:
        _measure(chosen, known)
    drawn = plots.draw(known, chosen.docs / "images")
    page.update(chosen.docs / "scale.md", known, drawn)
    say(f"written: {', '.join(path.name for path in drawn)}, scale.md")


def _measure(chosen: argparse.Namespace, known: results.Results) -> None:
    """Measure; each store's numbers are kept as soon as they are there, and a server that is missing is told."""
    for name in chosen.stores:
        plan = Plan(
            sessions=chosen.sessions or SESSIONS[name],
            expired=chosen.expired,
            per_user=chosen.per_user,
            folder=chosen.folder,
        )
        try:
            known.stores[name] = measure(name, plan)
        except Missing as missing:
            say(f"{name}: {missing}")
        results.write(known, chosen.results)
    if not chosen.no_rivals:
        known.rivals = measure_rivals()
        results.write(known, chosen.results)


if __name__ == "__main__":
    main()
