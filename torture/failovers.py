"""``python -m torture.failovers``: kill the primary of one configuration again and again, and count what is left."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from torture.guarantees import WINDOW
from torture.killing.cells import CELLS, KEPT, LOST, REPEATED, Row
from torture.killing.deployments import DEPLOYMENTS, Deployment
from torture.killing.run import Kills
from torture.killing.tally import Count, added

RESULTS = Path(__file__).parent / "results" / "failovers.json"


def main(arguments: list[str] | None = None) -> int:
    """Do it by itself: ``python -m torture.failovers``; as ``python -m torture failovers``."""
    parser = argparse.ArgumentParser(prog="python -m torture.failovers", description=__doc__)
    options(parser)
    try:
        return run(parser.parse_args(arguments))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2


def options(parser: argparse.ArgumentParser) -> None:
    """Say what can be asked for."""
    parser.add_argument("--configuration", required=True, choices=sorted(DEPLOYMENTS))
    parser.add_argument("--fault", help="failover, restart, hang, ...; failover or else restart, when left out")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--lag", type=int, default=0, help="milliseconds for which replicas are cut off at each kill")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help=f"write the sums to {RESULTS.name} for the documentation")


def run(asked: argparse.Namespace) -> int:
    """Kill as often as asked; 1 when the table of guarantees promises better than what was found.

    Raises:
        ValueError: the configuration has no such fault.
    """
    counts: list[Count] = []
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, DEPLOYMENTS[asked.configuration](Path(folder)) as deployment:
        fault = chosen(asked.configuration, deployment, asked.fault)
        with Kills(deployment, fault, asked.seed, lag=asked.lag) as kills:
            for number in range(1, asked.kills + 1):
                counts.append(kills.one(number))
                _say(f"kill {number} after {time.monotonic() - begun:.0f} s: {told(counts[-1])}")
    total = added(counts)
    _say(f"{asked.configuration}, {fault}, {len(counts)} kills, seed {asked.seed}: {told(total)}")
    if asked.keep:
        keep(asked, fault, counts, time.monotonic() - begun)
    broken = list(breaks(asked.configuration, fault, total, lag=asked.lag))
    for line in broken:
        _say(f"BROKEN: {line}")
    return 1 if broken else 0


def chosen(configuration: str, deployment: Deployment, fault: str | None) -> str:
    """Return the fault that was asked for, or the one that a configuration is known for.

    Raises:
        ValueError: the configuration does not have it, or the table of guarantees does not speak of it.
    """
    known = [name for name in deployment.faults if _row(name) in CELLS[configuration]]
    if not known:
        raise ValueError(f"{configuration} has no server that could be killed")
    wanted = fault or ("failover" if "failover" in known else "restart")
    if wanted not in known:
        raise ValueError(f"{configuration} has no fault {wanted!r}; it has {', '.join(sorted(known))}")
    return wanted


def _row(fault: str) -> str:
    """Return a fault's name in the table of guarantees, which does not say whose turn it is."""
    return fault.removesuffix("-first")


def breaks(configuration: str, fault: str, total: Count, *, lag: int = 0) -> Iterator[str]:
    """Say what was found that a row of the table of guarantees does not let happen.

    Raises:
        KeyError: the table has no such row.
    """
    row = CELLS[configuration][_row(fault)]
    yield from total.strange
    yield from _broken_words(row, total)
    if row["limit"] == KEPT and total.breaches:
        yield f"the limit is kept, and was passed {total.breaches} times"
    if row["sign-in"] != LOST and total.too_old:
        yield f"the last steps may be lost, and {total.too_old} were lost that snapshot or replicas had"
    if row["sign-in"] != LOST and total.oldest > max(total.span, lag + WINDOW):
        yield f"the last steps may be lost, and one was lost that was {total.oldest:.0f} ms old"


def _broken_words(row: Row, total: Count) -> Iterator[str]:
    """Say of which verbs the row's word was not kept."""
    lost, for_good = total.lost, total.lost_for_good
    for verb, kind in (("sign-in", "sign_in"), ("sign-in", "eviction"), ("commit", "commit"), ("revoke", "revocation")):
        if row[verb] == KEPT and lost.get(kind):
            yield f"{verb} is kept, and {lost[kind]} were lost ({kind})"
        if row[verb] == REPEATED and for_good.get(kind):
            yield f"{verb} is repeated, and {for_good[kind]} were lost for good ({kind})"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def told(one: Count) -> str:
    """Return a count in one line."""
    kinds = sorted({*one.kept, *one.lost})
    parts = [f"{kind} {one.kept.get(kind, 0)} kept, {one.lost.get(kind, 0)} lost" for kind in kinds]
    parts.append(f"lost and repeated {one.repeated}, lost for good {one.lost_for_good}")
    parts.append(f"unknown {sum(one.unknown.values())} {one.unknown}, breaches {one.breaches}")
    parts.append(f"oldest loss {one.oldest:.0f} ms before the kill; all was safe {one.span:.0f} ms before it")
    return "; ".join(parts + one.strange)


def keep(asked: argparse.Namespace, fault: str, counts: list[Count], seconds: float) -> None:
    """Write the sums of a run over those of an earlier one."""
    rows: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    name = f"{asked.configuration}/{fault}" + (f"/lag {asked.lag}" if asked.lag else "")
    rows[name] = {
        "configuration": asked.configuration,
        "fault": fault,
        "lag": asked.lag,
        "kills": len(counts),
        "with_losses": sum(bool(each.lost) for each in counts),
        "seed": asked.seed,
        "seconds": round(seconds),
        "date": time.strftime("%Y-%m-%d"),
        **msgspec.to_builtins(added(counts)),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    sys.exit(main())
