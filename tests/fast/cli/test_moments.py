"""Moments as options name them, and how far long work has come."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
import typer

from coatcheck.cli import filtering, progress
from tests.fast.cli.conftest import Desk, words

FUTURE = [(f"--{what}-{side}", "2099-01-01") for what in ("seen", "created") for side in ("before", "after")]


@pytest.mark.parametrize("choice", FUTURE, ids=str)
def test_a_moment_to_come_is_wrong_usage(desk: Desk, choice: tuple[str, ...]) -> None:
    """Everything was seen before a moment that is to come: it would mean everybody, and is refused with exit code 2."""
    desk.add("ann")
    before = desk.live()

    for command in (("list",), ("revoke", "--yes")):
        result = desk.run("sessions", *command, *choice)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "lies in the future" in words(result.stderr)
    assert desk.live() == before


def test_now_is_not_the_future() -> None:
    """The moment itself is past, the next millisecond is not."""
    now = 1_795_246_200_000

    assert filtering.moment("2026-11-21T07:30:00Z", now, "--x") == now
    with pytest.raises(typer.BadParameter, match="in the future"):
        filtering.moment("2026-11-21T07:30:00.001Z", now, "--x")


def test_moments_are_read_in_both_forms() -> None:
    """A length of time means ago; an ISO time may name its zone, and else is this machine's."""
    now = 1_800_000_000_000

    assert filtering.moment(None, now, "--x") is None
    assert filtering.moment("1h30m", now, "--x") == now - 5_400_000
    assert filtering.moment("2026-11-21T09:30:00+02:00", now, "--x") == 1_795_246_200_000
    assert filtering.moment("2026-11-21T07:30:00Z", now, "--x") == 1_795_246_200_000
    local = int(datetime.fromisoformat("2026-11-21").astimezone().timestamp() * 1000)
    assert filtering.moment("2026-11-21", now, "--x") == local
    with pytest.raises(typer.BadParameter, match="is no moment"):
        filtering.moment("0001-01-01", now, "--x")


# --- progress


def test_the_bar_fills_with_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bar stands for what was found or ended of all that will be, not for what was looked at."""
    shown: list[dict[str, Any]] = []
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress.Progress, "update", lambda _self, _task, **terms: shown.append(terms))

    with progress.progress("ended", 8) as tell:
        tell(50, 3)

    assert shown == [{"completed": 3, "description": "3 of 8 ended, 50 looked at"}]
