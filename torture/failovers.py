"""``python -m torture.failovers``: kill the primary of one configuration again and again, and count what is left."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from torture.killing.cells import CELLS, KEPT, REPEATED
from torture.killing.deployments import DEPLOYMENTS
from torture.killing.run import Kills
from torture.killing.tally import Count, added

RESULTS = Path(__file__).parent / "results" / "failovers.json"


def main(arguments: list[str] | None = None) -> int:
    """Do it by itself: ``python -m torture.failovers``; as ``python -m torture failovers``."""
    parser = argparse.ArgumentParser(prog="python -m torture.failovers", description=__doc__)
    options(parser)
    return run(parser.parse_args(arguments))


def options(parser: argparse.ArgumentParser) -> None:
    """Say what can be asked for."""
    parser.add_argument("--configuration", required=True, choices=sorted(DEPLOYMENTS))
    parser.add_argument("--fault", help="failover, restart or hang; what the configuration has, when left out")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--lag", type=int, default=0, help="milliseconds for which replicas are cut off at each kill")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help=f"write the sums to {RESULTS.name} for the documentation")


def run(asked: argparse.Namespace) -> int:
    """Kill as often as asked; 1 when the table of guarantees promises better than what was found."""
    counts: list[Count] = []
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, DEPLOYMENTS[asked.configuration](Path(folder)) as deployment:
        fault = asked.fault or ("failover" if "failover" in deployment.faults else "restart")
        with Kills(deployment, fault, asked.seed, lag=asked.lag) as kills:
            for number in range(1, asked.kills + 1):
                counts.append(kills.one(number))
                _say(f"kill {number} after {time.monotonic() - begun:.0f} s: {told(counts[-1])}")
    total = added(counts)
    _say(f"{asked.configuration}, {fault}, {len(counts)} kills, seed {asked.seed}: {told(total)}")
    if asked.keep:
        keep(asked, fault, counts, time.monotonic() - begun)
    broken = list(breaks(asked.configuration, fault, msgspec.to_builtins(total)))
    for line in broken:
        _say(f"BROKEN: {line}")
    return 1 if broken else 0


def breaks(configuration: str, fault: str, total: Mapping[str, Any]) -> Iterator[str]:
    """Say what was found that a row of the table of guarantees does not let happen."""
    row = CELLS[configuration].get(fault.removesuffix("-first"), {})
    lost, for_good = total["lost"], total["lost_for_good"]
    yield from total["strange"]
    for verb, kind in (("sign-in", "sign_in"), ("sign-in", "eviction"), ("commit", "commit"), ("revoke", "revocation")):
        if row.get(verb) == KEPT and lost.get(kind):
            yield f"{verb} is kept, and {lost[kind]} were lost ({kind})"
        if row.get(verb) == REPEATED and for_good.get(kind):
            yield f"{verb} is repeated, and {for_good[kind]} were lost for good ({kind})"
    if row.get("limit") == KEPT and total["breaches"]:
        yield f"the limit is kept, and was passed {total['breaches']} times"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def told(one: Count) -> str:
    """Return a count in one line."""
    kinds = sorted({*one.kept, *one.lost})
    parts = [f"{kind} {one.kept.get(kind, 0)} kept, {one.lost.get(kind, 0)} lost" for kind in kinds]
    parts.append(f"lost and repeated {one.repeated}, lost for good {one.lost_for_good}")
    parts.append(f"unknown {sum(one.unknown.values())} {one.unknown}, breaches {one.breaches}")
    parts.append(f"oldest loss {one.oldest:.0f} ms before the kill")
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
