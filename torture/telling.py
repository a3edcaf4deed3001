"""A violation for people: its steps in order of time, each on a line, with what matters of it."""

from __future__ import annotations

from collections.abc import Iterator

from torture.history import Op
from torture.judging.findings import Violation

_HIDDEN = frozenset({"start", "end", "clock", "until", "actor", "request", "verb", "answer", "due", "wrote", "ticket"})


def story(violation: Violation) -> list[str]:
    """Return the lines that tell a violation; times are milliseconds since its first step began."""
    ops = violation.ops
    begin, clock = min(op.start for op in ops), min(op.clock for op in ops)
    lines = [f"promise {violation.promise}, {violation.rule}: {violation.text}"]
    for op in sorted(ops, key=lambda op: op.start):
        mark = "->" if op is violation.culprit else "  "
        times = f"{(op.start - begin) / 1e6:10.3f} to {(op.end - begin) / 1e6:10.3f} ms, clock +{op.clock - clock} ms"
        lines.append(f"{mark} {times}: actor {op.actor} {' '.join(_facts(op))}")
    return lines


def _facts(op: Op) -> Iterator[str]:
    yield f"{op.verb} {op.answer}"
    if op.ticket is not None:
        yield f"with {op.ticket}"
    for name in op.__struct_fields__:
        value = getattr(op, name)
        if name not in _HIDDEN and value not in (None, "", {}, ()):
            yield f"{name}={value}"
