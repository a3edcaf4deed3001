"""Writing the numbers into ``docs/scale.md``, between two marks; what people wrote around them stays."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bench.scale import tables
from bench.scale.results import Results

BEGIN: Final = "<!-- measured: begin (written by `make bench-scale`) -->"
END: Final = "<!-- measured: end -->"

_ALT: Final = {
    "scale-bytes.svg": "Bars: bytes a session by store, in parts, with rivals",
    "scale-lookups.svg": "Lines: look-up times over the number of sessions",
    "scale-sweep.svg": "Bars: how many times longer readers' p99 is beside a sweep",
}


def update(path: Path, results: Results, plots: list[Path]) -> None:
    """Replace what lies between the marks of the page at *path*.

    Raises:
        ValueError: the page has no such marks.
    """
    path.write_text(replaced(path.read_text(), results, [plot.name for plot in plots]))


def replaced(text: str, results: Results, plots: list[str]) -> str:
    """Return *text* with the tables of *results*, and links to the *plots*, between its marks.

    Raises:
        ValueError: it has no such marks.
    """
    before, begin, rest = text.partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has lost the marks between which the numbers are written")
    images = "".join(f"![{_ALT[name]}](images/{name})\n\n" for name in plots)
    return f"{before}{BEGIN}\n\n{tables.page(results)}\n{images}{END}{after}"
