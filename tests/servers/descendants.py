"""What a process forked, from ``/proc``: PostgreSQL's backends leave its process group, so a group is not enough."""

from __future__ import annotations

import contextlib
from pathlib import Path

PROC = Path("/proc")


def of(pid: int) -> set[int]:
    """Return the ids of all descendants of *pid*; empty where there is no ``/proc``."""
    children: dict[int, list[int]] = {}
    for stat in PROC.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            child, parent = parse(stat.read_text(errors="replace"))
            children.setdefault(parent, []).append(child)
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        new = set(children.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    return found


def parse(stat: str) -> tuple[int, int]:
    """Return process id and parent's id from a line of proc(5); the name between may hold spaces and brackets."""
    pid, _, rest = stat.partition(" ")
    return int(pid), int(rest.rpartition(")")[2].split()[1])


def all_stopped(pids: set[int]) -> bool:
    """Whether every process is stopped or gone; always true where there is no ``/proc``."""
    return all(state(pid) in "TtZX" for pid in pids)


def all_gone(pids: set[int]) -> bool:
    """Whether every process has ended, reaped or not; always true where there is no ``/proc``."""
    return all(state(pid) in "ZX" for pid in pids)


def state(pid: int) -> str:
    """Return the letter of a process's state (proc(5)): ``T`` is stopped; ``X`` when there is none."""
    with contextlib.suppress(OSError):
        return (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    return "X"
