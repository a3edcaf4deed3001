"""``--wait``: when it may stand alone, how long it lasts, and what it says meanwhile."""

from __future__ import annotations

import pytest

from coatcheck import ConfigurationError, StoreUnavailable
from coatcheck.cli import waiting
from tests.fast.cli.conftest import run, words


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["sweep"], ["sweep"]),
        (["sweep", "--wait"], ["sweep", "--wait=60"]),
        (["sweep", "--wait", "--json"], ["sweep", "--wait=60", "--json"]),
        (["sweep", "--wait", "5"], ["sweep", "--wait", "5"]),
        (["sweep", "--wait", "0.5", "--json"], ["sweep", "--wait", "0.5", "--json"]),
        (["sessions", "show", "--wait", "0AAA"], ["sessions", "show", "--wait=60", "0AAA"]),
        (["sweep", "--wait=7"], ["sweep", "--wait=7"]),
    ],
)
def test_wait_needs_no_number(given: list[str], meant: list[str]) -> None:
    """``--wait`` may stand alone, before another option and before an id, which is never taken for a number."""
    assert list(waiting._numbered(given)) == meant


def test_waiting_tries_again_and_gives_up(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Each new cause is told once; the last one is raised when the time is over, and a wrong set-up at once."""
    now, causes = [0.0], iter(["loading", "loading", "gone", "gone"])
    monkeypatch.setattr(waiting.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(waiting.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))

    def work() -> None:
        raise StoreUnavailable(next(causes))

    with pytest.raises(StoreUnavailable, match="gone"):
        waiting.patiently(work, 1.5)
    assert capsys.readouterr().err.splitlines() == [
        f"waiting up to 1.5 s for the store: {cause}" for cause in ("loading", "gone")
    ]
    assert (now[0], list(causes)) == (1.5, [])

    def wrong() -> None:
        raise ConfigurationError("no such user")

    with pytest.raises(ConfigurationError):
        waiting.patiently(wrong, 60)
    assert now[0] == 1.5


def test_a_negative_wait_is_wrong_usage() -> None:
    """A negative number is refused with the option's name: exit code 2."""
    result = run("sweep", "--wait=-1")
    assert result.exit_code == 2
    assert "--wait" in words(result.stderr)
