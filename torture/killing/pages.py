"""The generated parts of ``docs/guarantees.md`` (the table) and ``docs/reliability.md`` (the kills)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from torture.killing.cells import CELLS, FAULTS, TITLES, VERBS

TABLE: Final = ("<!-- cells: begin (written by `python -m torture report`) -->", "<!-- cells: end -->")
KILLS: Final = ("<!-- failovers: begin (written by `python -m torture report`) -->", "<!-- failovers: end -->")

_SHORT: Final = {"unanswered": "503"}


def write(docs: Path, results: Path) -> None:
    """Write both parts.

    Raises:
        ValueError: a page has no markers.
    """
    for name, markers, text in _parts(results):
        put(docs / name, markers, text)


def _parts(results: Path) -> Iterator[tuple[str, tuple[str, str], str]]:
    """Yield both parts: the page, its markers, the text."""
    yield "guarantees.md", TABLE, table()
    kills: dict[str, dict[str, Any]] = json.loads(results.read_text(encoding="utf-8")) if results.is_file() else {}
    yield "reliability.md", KILLS, killed(kills)


def put(page: Path, markers: tuple[str, str], text: str) -> None:
    """Write *text* between a page's markers.

    Raises:
        ValueError: the page has none.
    """
    begin, end = markers
    whole = page.read_text(encoding="utf-8")
    if begin not in whole or end not in whole:
        raise ValueError(f"{page.name} has no markers {begin} and {end}")
    before, rest = whole.split(begin, 1)
    page.write_text(f"{before}{begin}\n\n{text}\n{end}{rest.split(end, 1)[1]}", encoding="utf-8")


def table() -> str:
    """Return the table of guarantees."""
    lines = [f"| configuration | what happens | {' | '.join(VERBS)} |", "|---|---|" + "---|" * len(VERBS)]
    for name, faults in CELLS.items():
        title = TITLES[name]
        for fault, row in faults.items():
            shown = " | ".join(_SHORT.get(row[verb], row[verb]) for verb in VERBS)
            lines.append(f"| {title} | {fault} | {shown} |")
            title = ""
    lines += ["", *(f"- **{name}**: {text}." for name, text in FAULTS.items())]
    return "\n".join(lines) + "\n"


def killed(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what the kills cost, configuration by configuration."""
    head = (
        "| configuration | kills | steps | sign-ins lost | commits lost | revocations undone | evictions undone "
        "| repeated | for good | breaches | not answered | oldest loss | behind for |"
    )
    lines = [head, "|---|" + "--:|" * (head.count("|") - 2)]
    ordered = [rows[name] for name in sorted(rows, key=_place)]
    lines += [_line(row) for row in ordered]
    lines += ["", *(f"- {_name(row)}: `{_command(row)}`, {row['seconds']} s, {row['date']}" for row in ordered)]
    return "\n".join(lines) + "\n"


def _place(name: str) -> tuple[int, str]:
    return list(CELLS).index(name.partition("/")[0]), name


def _name(row: Mapping[str, Any]) -> str:
    title = f"{TITLES[row['configuration']]}, {row['fault']}"
    return f"{title}, replicas cut off for {row['lag']} ms" if row["lag"] else title


def _line(row: Mapping[str, Any]) -> str:
    kept, lost = row["kept"], row["lost"]
    ends = ("revocation", "eviction")
    numbers = (
        row["kills"],
        sum(kept.values()) + sum(lost.values()),
        _share(lost, kept, "sign_in"),
        _share(lost, kept, "commit"),
        _share(lost, kept, "revocation"),
        _share(lost, kept, "eviction"),
        _of(row["repeated"], ends),
        _of(row["lost_for_good"], ends),
        row["breaches"],
        sum(row["unknown"].values()),
        f"{row['oldest']:.0f} ms",
        f"{row['span']:.0f} ms" if "span" in row else "",
    )
    return f"| {_name(row)} | {' | '.join(map(str, numbers))} |"


def _share(lost: Mapping[str, int], kept: Mapping[str, int], kind: str) -> str:
    return f"{lost.get(kind, 0)} of {lost.get(kind, 0) + kept.get(kind, 0)}"


def _of(counts: Mapping[str, int], kinds: tuple[str, ...]) -> int:
    return sum(counts.get(kind, 0) for kind in kinds)


def _command(row: Mapping[str, Any]) -> str:
    lag = f" --lag {row['lag']}" if row["lag"] else ""
    return (
        f"python -m torture failovers --configuration {row['configuration']} --fault {row['fault']} "
        f"--kills {row['kills']} --seed {row['seed']}{lag}"
    )


def stale(docs: Path, results: Path) -> Iterator[str]:
    """Name the pages whose table is not this release's, or not that of the results."""
    for name, markers, text in _parts(results):
        if text != _between(docs / name, markers):
            yield f"docs/{name}"


def _between(page: Path, markers: tuple[str, str]) -> str:
    """Return what stands between a page's markers, without the empty lines around it."""
    return (
        page.read_text(encoding="utf-8")
        .partition(markers[0])[2]
        .partition(markers[1])[0]
        .removeprefix("\n\n")
        .removesuffix("\n")
    )
