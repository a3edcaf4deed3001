"""What the command line's tests share: a desk with sessions on a SQLite file, and a way to run commands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from coatcheck import SessionInfo, Sessions, stores
from coatcheck.cli.command import app
from coatcheck.state import Visit

ROOT = Path(__file__).resolve().parents[3]
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"
NOBODY = "0" + "A" * 25
"""An id that nobody has."""


class Desk:
    """One application's sessions, and the command line beside it."""

    def __init__(self, path: Path) -> None:
        """Open the application's store."""
        self.url = f"sqlite:///{path}"
        self.sessions = Sessions(self.url)
        self.tokens: list[str] = []

    def add(self, user_id: str | None = None, *, sessions: Sessions | None = None) -> SessionInfo:
        """Make a session, anonymous without a user, and return what lists show of it."""
        manager = sessions or self.sessions
        session = manager.load(None, Visit(user_agent=AGENT, address="203.0.113.9"))
        session["drawer"] = "private matter"
        if user_id is not None:
            manager.login(session, user_id)
        outcome = manager.save(session)
        self.tokens.append(outcome.token or "")
        info = manager.get(session.id or "")
        assert info is not None
        return info

    def run(self, *words: str, columns: int = 200, **options: Any) -> Result:
        """Run a command on this store."""
        return run(*words, "--store", self.url, columns=columns, **options)

    def json(self, *words: str) -> Any:
        """Run a command that succeeds and return its document; stdout holds nothing else."""
        result = self.run(*words, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    def live(self) -> set[str]:
        """Return the ids of all live sessions."""
        return {info.id for info in self.sessions.browse(limit=1000)[0] if info.live}


def run(*words: str, columns: int = 200, **options: Any) -> Result:
    """Run a command on a terminal of that width."""
    environment = {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": str(columns), **options.pop("env", {})}
    return CliRunner().invoke(app, list(words), env=environment, **options)


def words(text: str) -> str:
    """Return a text on one line, without styles and boxes."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯─]", " ", text).split())


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run in an empty directory, with no store named by the environment."""
    monkeypatch.chdir(tmp_path)
    for name in stores.VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Give an application's sessions in a file."""
    desk = Desk(tmp_path / "app.db")
    with desk.sessions:
        yield desk


# --- list
