"""What people and programs read: tables that fit 40 columns, moments in time, JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from datetime import datetime

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from coatcheck.durations import in_words
from coatcheck.model import Millis, SessionInfo
from coatcheck.tokens import ID_LENGTH

_UNITS = (86_400_000, 3_600_000, 60_000, 1000)

WIDE = 120
"""Columns from which a session takes one line instead of two or three."""

NARROW = 56
"""Columns below which names and values stand below each other."""


def print_json(document: object) -> None:
    """Print one JSON document, in ASCII: whatever reads it, its encoding does no harm."""
    typer.echo(json.dumps(document, indent=2))


def at_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()


def clean(text: str) -> Text:
    """Show text from outside as it is: no markup, and no character that would steer the terminal."""
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return Text(shown)


def now() -> Millis:
    """Return this machine's time."""
    return int(time.time() * 1000)


def local(at: Millis) -> str:
    """Return a moment as ISO 8601 in this machine's time zone."""
    return datetime.fromtimestamp(at / 1000).astimezone().isoformat(timespec="seconds")


def relative(at: Millis, now: Millis) -> str:
    """Return a moment as people say it, to the nearest of one unit: ``"3 minutes ago"``, ``"in 6 days"``."""
    if abs(now - at) < 1000:
        return "now"
    unit = next(unit for unit in _UNITS if abs(now - at) >= unit)
    words = in_words((abs(now - at) + unit // 2) // unit * unit)
    return f"{words} ago" if at <= now else f"in {words}"


def moment(at: Millis | None, now: Millis) -> str:
    """Return a moment both ways; ``"never"`` for none."""
    return "never" if at is None else f"{local(at)} ({relative(at, now)})"


def print_sessions(infos: Sequence[SessionInfo]) -> None:
    """Print a table of sessions; ids are never cut."""
    console, at = Console(highlight=False), now()
    if console.width < NARROW:
        for info in infos:
            console.print(Text("\n").join([Text(info.id), *_lines(info, at), Text()]))
        return
    wide = console.width >= WIDE
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("session", no_wrap=True, min_width=ID_LENGTH)
    for heading in ("user", "last seen", "browser", "state") if wide else ("user, last seen, state, browser",):
        table.add_column(heading, overflow="fold")
    for info in infos:
        if wide:
            seen = f"{local(info.last_seen_at)}, {relative(info.last_seen_at, at)}"
            table.add_row(info.id, _user(info), seen, _browser(info), _state(info))
        else:
            table.add_row(info.id, Text("\n").join([*_lines(info, at), Text()]))
    console.print(table)


def _lines(info: SessionInfo, at: Millis) -> list[Text]:
    """Say whose a session is, when it was seen, whether it is live, and in which browser it is."""
    state = f"{relative(info.last_seen_at, at)}, {_state(info)}"
    return [_user(info), Text(local(info.last_seen_at)), Text(state), _browser(info)]


def print_session(info: SessionInfo) -> None:
    """Print all that is known of one session."""
    at, device = now(), info.device
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    rows: list[tuple[str, str | Text]] = [
        ("session", info.id),
        ("user", _user(info)),
        ("roles", clean(", ".join(info.roles) or "none")),
        ("state", _state(info)),
        ("began", moment(info.created_at, at)),
        ("last seen", moment(info.last_seen_at, at)),
        *_deadlines(info, at),
        ("browser", _browser(info)),
        ("first address", clean((device and device.first_address) or "unknown")),
        ("last address", clean((device and device.last_address) or "unknown")),
        ("data", f"{info.data_bytes} bytes"),
    ]
    console = Console(highlight=False)
    for name, value in rows:
        table.add_row(name, value)
        if console.width < NARROW:
            console.print(Text.assemble((name, "bold"), "\n  ", value))
    if console.width >= NARROW:
        console.print(table)


def _deadlines(info: SessionInfo, at: Millis) -> list[tuple[str, str]]:
    if info.ended_at is not None:
        return [("ended", moment(info.ended_at, at))]
    return [("idle until", moment(info.idle_expires_at, at)), ("ends at last", moment(info.expires_at, at))]


def _user(info: SessionInfo) -> Text:
    return Text("nobody signed in", style="dim") if info.user_id is None else clean(info.user_id)


def _browser(info: SessionInfo) -> Text:
    return clean(info.device.name if info.device else "Unknown browser")


def _state(info: SessionInfo) -> str:
    return "live" if info.live else f"ended: {info.reason}"
