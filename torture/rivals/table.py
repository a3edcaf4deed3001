"""`torture/results/rivals.json` as Markdown, for the page on reliability."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

PROMISES: Final = {
    1: "never adopt",
    2: "dead stays dead",
    3: "no lost update",
    4: "a limit is a limit",
    5: "new ticket",
    6: "reading is free",
}
"""The promises that can be tried from outside, in short."""


def markdown(results: Mapping[str, Any]) -> str:
    """Return a table of all contenders, then each broken promise with its story and the command that repeats it.

    Args:
        results: what `rivals.json` holds.
    """
    lines = [
        f"Run on {results['date']} with seed {results['seed']}, without faults, each request through the library's own",
        "middleware. A number says in how many scenes of how many a promise broke; *held* in how many it did not.",
        "*By design* marks data that is kept in the cookie itself: a copy of it cannot be taken back. *Errors* are",
        "answers of 400 and above; a refused change is no violation. The order of the requests comes from the seed,",
        "their timing from the machine: a number of a race changes from run to run.",
        "",
        *_table(results["rivals"]),
        "",
        *_notes(results["rivals"]),
        "",
        *_stories(results["rivals"]),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _table(rivals: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    promises = " | ".join(f"{number} {name}" for number, name in PROMISES.items())
    yield f"| | store | steps | errors | {promises} |"
    yield "|---|---|--:|---|" + "---|" * len(PROMISES)
    for rival in rivals:
        cells = " | ".join(cell(rival, number) for number in PROMISES)
        errors = ", ".join(f"{status}: {count}" for status, count in rival["errors"].items()) or "none"
        name = f"`{rival['name']}` {rival['version']}"
        yield f"| {name} | {_store(rival)} | {rival['operations']:,} | {errors} | {cells} |"


def _store(rival: Mapping[str, Any]) -> str:
    return f"{rival['store']}, {rival['processes']} processes" if rival["processes"] > 1 else str(rival["store"])


def cell(rival: Mapping[str, Any], promise: int) -> str:
    """Return what the table says of one promise."""
    if promise in rival["not_offered"]:
        return "not offered"
    for held in rival["held"]:
        if held["promise"] == promise:
            return f"held ({held['attempts']:,})"
    broken = next(one for one in rival["violations"] if one["promise"] == promise)
    count = f"{broken['count']:,} of {broken['attempts']:,}"
    if promise in rival["by_design"]:
        return f"by design: {count}"
    return f"**{count}**" if broken["count"] else f"no cookie, but {broken['note']}"


def _notes(rivals: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    noted: dict[str, list[str]] = {}
    for rival in rivals:
        noted.setdefault(rival["note"], []).append(f"`{rival['name']}`")
    yield from (f"- {', '.join(names)}: {note}" for note, names in noted.items() if note)


def _sentence(broken: Mapping[str, Any]) -> str:
    """Say in which scenes a promise broke, and what else is known."""
    scenes = [f"{name} {count} of {of}" for name, (count, of) in sorted(broken["scenes"].items())]
    return "; ".join([", ".join(scenes), *([broken["note"]] if broken["note"] else [])])


def _stories(rivals: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    told: set[tuple[str, int, bool]] = set()
    for rival in rivals:
        for broken in rival["violations"]:
            number = broken["promise"]
            key = rival["package"], number, number in rival["by_design"]
            if key in told:
                continue  # another store of the same library tells the same
            told.add(key)
            yield f"**{rival['name']}, promise {number}** ({PROMISES[number]}): {_sentence(broken)}."
            yield ""
            if broken["story"]:
                yield "```text"
                yield from broken["story"]
                yield "```"
                yield ""
            yield f"To repeat: `{rival['command']}`"
            yield ""
