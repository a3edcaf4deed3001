"""A violation as a short story: the requests that show it, in order of their beginnings, with relative times."""

from __future__ import annotations

from collections.abc import Sequence

from torture.history import Op
from torture.judging.findings import Violation


def tell(violation: Violation, history: Sequence[Op] = ()) -> list[str]:
    """Return one line for each request, with milliseconds since the first began, then what is wrong.

    Args:
        violation: what the judge found.
        history: the round's steps, of which those are told that met the decisive one.
    """
    ops = list({id(op): op for op in (*violation.ops, *witnesses(violation, history))}.values())
    begin = min(op.start for op in ops)
    lines = [f"{_ms(op.start - begin)} - {_ms(op.end - begin)} ms  {_said(op, begin)}" for op in sorted(ops, key=_when)]
    return [*lines, f"=> {violation.text}"]


def witnesses(violation: Violation, history: Sequence[Op]) -> list[Op]:
    """Return the steps that met the decisive one: requests of the same session under way with it; two at most.

    The decisive step is the one before the last. Where a ticket that nobody was given opened, it is what came with
    that ticket before.
    """
    last = violation.ops[-1]
    saving = {(op.actor, op.request) for op in history if op.verb == "save"}
    told = [op for op in history if op not in violation.ops and op.ok and not _is_part(op, saving)]
    if len(violation.ops) == 1:
        return [op for op in told if op.ticket == last.ticket and op.end <= last.start][-1:]
    deed = violation.ops[-2]
    session = deed.session or last.session
    met = [op for op in told if op.session == session and op.start < deed.end and deed.start < op.end]
    return sorted(met, key=lambda op: op.end)[-2:]


def _is_part(op: Op, saving: set[tuple[int, int]]) -> bool:
    """Whether a step is the first half of a request that is told by its second."""
    return op.verb not in ("load", "save") or (op.verb == "load" and (op.actor, op.request) in saving)


def _when(op: Op) -> tuple[int, int]:
    return op.start, op.end


def _ms(nanoseconds: int) -> str:
    return f"{nanoseconds / 1_000_000:8.2f}"


def _said(op: Op, begin: int) -> str:
    presented = f" with {op.ticket}" if op.ticket else " with no ticket"
    if op.note == "forged":
        presented = f" with {op.ticket}, which nobody was given,"
    if op.verb == "login" and op.epoch_at is not None:
        presented += f", password checked at {_ms(op.epoch_at - begin).strip()}"
    said = f"{_act(op)}{presented}{_answered(op)}"
    if op.sent:
        said += f", sets {op.sent}" + (f" ({op.made})" if op.made else "")
    return said + (", deletes the cookie" if op.sent == "" else "")


def _act(op: Op) -> str:
    acts = {
        "load": "read",
        "save": "set " + ", ".join(f"{key}={value}" for key, value in op.change.items()),
        "login": f"sign in as {op.user}",
        "logout": f"sign out of {op.session}",
        "rotate": f"ask for a new ticket for {op.session}",
        "revoke_user": f"end all sessions of {op.user}",
        "revoke": f"end {op.session} by its id",
        "list": f"tickets of {op.user} that open",
    }
    return acts[op.verb]


def _answered(op: Op) -> str:
    if op.verb == "list":
        return f": {', '.join(op.listed or ())}"
    if not op.ok:
        return f": {op.answer}"
    if op.verb != "load":
        return ": done"
    data = ", ".join(f"{key}={value}" for key, value in sorted((op.data or {}).items()))
    return f": {op.session}, user {op.user or 'nobody'}, data {{{data}}}"
